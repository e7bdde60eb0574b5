"""Textures get the name of the image that they were made of."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from gbuffer_tools.renderdoc import texture_names


def picture(seed: int, side: int = 128) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name, seed in (("tracks/town/a.png", 0), ("textures/b.jpg", 1), ("tracks/farm/c.png", 2)):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture(seed)[..., ::-1])
    (tmp_path / "data" / "textures" / "broken.png").write_bytes(b"no image")
    return tmp_path / "data"


def index_of(data: Path) -> texture_names.ImageIndex:
    return texture_names.image_index(data, ("tracks", "textures"), data.parent / "cache")


def to_linear(image: np.ndarray) -> np.ndarray:
    x = image / 255
    return np.round(255 * np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)).astype(np.uint8)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("upload", [lambda x: x, to_linear, lambda x: x[..., ::-1], lambda x: to_linear(x)[..., ::-1]])
def test_every_way_of_uploading_is_recognised(data, seed, upload):
    smaller = cv2.resize(picture(seed), (64, 64), interpolation=cv2.INTER_AREA)
    found = texture_names.match(
        texture_names.readings(np.ascontiguousarray(upload(smaller))), index_of(data), "tracks", "town"
    )
    assert found.file == ("tracks/town/a.png", "textures/b.jpg", "tracks/farm/c.png")[seed]
    # 8-bit rounding of linearised darks: a step of 1/255 in linear light is up to 0.05 in sRGB near black.
    assert found.error < 0.02


def test_an_unknown_picture_has_no_name(data):
    found = texture_names.match(texture_names.readings(picture(9)), index_of(data), "tracks", "town")
    assert found.file is None
    assert found.error > texture_names.MAX_ERROR


def test_of_equal_pictures_the_level_s_own_wins(data):
    for name in ("tracks/farm/copy.png", "textures/copy.png", "tracks/town/copy.png"):
        cv2.imwrite(str(data / name), picture(5)[..., ::-1])
    readings = texture_names.readings(picture(5))
    index = index_of(data)
    assert texture_names.match(readings, index, "tracks", "town").file == "tracks/town/copy.png"
    assert texture_names.match(readings, index, "tracks", "farm").file == "tracks/farm/copy.png"
    assert texture_names.match(readings, index, "tracks", "beach").file == "textures/copy.png"


@pytest.mark.parametrize("folder", ["scenes", "game/scenes"])
def test_a_game_may_keep_its_levels_in_any_folder_or_in_none(tmp_path, folder):
    names = (f"{folder}/farm/copy.png", f"{folder}/town/copy.png", "tracks/town/copy.png")
    index = texture_names.ImageIndex(names, np.stack([texture_names.signature(picture(5))] * 3))
    readings = texture_names.readings(picture(5))
    assert texture_names.match(readings, index, folder, "town").file == f"{folder}/town/copy.png"
    assert texture_names.match(readings, index, folder, "beach").file == "tracks/town/copy.png"  # of no level
    assert texture_names.match(readings, index, "", "town").file == f"{folder}/farm/copy.png"  # the first


def test_prefilter_changes_nothing(data):
    """Against the plain definition: the smallest mean absolute difference over all files and readings."""
    index = index_of(data)
    for seed in range(6):
        readings = texture_names.readings(picture(seed))
        slow = min(float(np.abs(signature - reading).mean()) for signature in index.signatures for reading in readings)
        found = texture_names.match(readings, index, "tracks", "")
        if slow < texture_names.MAX_ERROR:
            # float32 sums in another order.
            assert found.error == pytest.approx(slow, abs=1e-6)
        else:
            assert found.file is None


def test_index_is_cached_until_the_files_change(data, monkeypatch):
    first = index_of(data)
    assert first.files == ("textures/b.jpg", "tracks/farm/c.png", "tracks/town/a.png")
    monkeypatch.setattr(texture_names.cv2, "imread", lambda *_: pytest.fail("read again"))
    again = index_of(data)
    assert again.files == first.files
    assert np.array_equal(again.signatures, first.signatures)
    monkeypatch.undo()
    cv2.imwrite(str(data / "tracks/town/d.png"), picture(7))
    assert len(index_of(data).files) == 4


def test_no_images_no_names(tmp_path):
    index = texture_names.image_index(tmp_path, ("tracks",), tmp_path / "cache")
    assert texture_names.match(texture_names.readings(picture(0)), index, "tracks", "").file is None


def test_signature_of_a_small_texture():
    flat = np.full((2, 4, 3), 51, np.uint8)
    assert np.allclose(texture_names.signature(flat), 0.2)
