"""The command: miniature frames and photographs in, pairs out; a random VGG16 knows textures well enough."""

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.frames import Frames, Reading
from datasets.images import Images, write_png
from datasets.match import build_parser, main, search
from datasets.matched_pairs import ARRAYS, Matches
from datasets.photos import Photos
from datasets.runtime.weights import load_vgg
from epe.matching.ivfpq import MIN_CROPS, recall
from epe.matching.matching import CROP, describe, moments
from gbuffer_tools.errors import InputError
from tests.datasets.made_match import SIZE, command, write_match_folder
from tests.epe.matching.made import rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_match_folder(tmp_path_factory.mktemp("match"))


@pytest.fixture(scope="module")
def matches(folder: Path, vgg_file: Path) -> Path:
    torch.set_num_threads(1)
    assert command(folder, vgg_file, folder / "out" / "matches.npz", "--min-cosine", "0", "--neighbours", "2") == 0
    return folder / "out" / "matches.npz"


def test_the_file(folder: Path, matches: Path) -> None:
    with np.load(matches) as file:
        found = dict(file)
    assert set(found) == {*ARRAYS, "cosine"}
    assert found["frame_keys"].tolist() == ["one/a", "one/b", "two/a"]
    assert found["photo_keys"].tolist() == ["large", "same", "tiny"]
    assert (int(found["crop"]), int(found["photo_height"])) == (CROP, SIZE[0])
    assert 0 < len(found["frame"]) <= 3 * 4 * 2  # grids of 2 x 2 at most, two photographs each
    assert set(found["photo"][:, 0]) <= {0, 1}
    assert (found["cosine"] > 0).all()
    assert [p.name for p in matches.parent.iterdir()] == ["matches.npz"]


def test_is_what_training_reads(folder: Path, matches: Path) -> None:
    reading = Reading(("log_depth",), (("*",),), (0.0,), (1.0,))
    found = Matches(matches, Frames(folder / "frames", reading), Photos(folder / "photos", SIZE[0]))
    assert found.crop == CROP
    assert (found.frame[:, 1] <= SIZE[0] - CROP).all()


def test_grids_lie_where_they_always_did(matches: Path) -> None:
    """One generator places the grids of all frames, then those of the photographs (one of which is too small)."""
    rng, sides = np.random.default_rng(0), {"frame": [SIZE] * 3, "photo": [(212, 216), SIZE]}
    with np.load(matches) as file:
        for name, sizes in sides.items():
            corners = [tuple(int(rng.integers(min(16, side - CROP + 1))) for side in size) for size in sizes]
            for index, top, left in file[name].tolist():
                assert (top % 16, left % 16) == tuple(value % 16 for value in corners[index]), name


def test_a_cosine_is_that_of_its_two_crops(folder: Path, matches: Path, vgg_file: Path) -> None:
    vgg, frames, photos = load_vgg(vgg_file, "none"), Images(folder / "frames"), Photos(folder / "photos", SIZE[0])
    with np.load(matches) as file:
        frame, photo, cosine = (file[name] for name in ("frame", "photo", "cosine"))

    def features(image: np.ndarray, corner: np.ndarray, domain: list[np.ndarray]) -> torch.Tensor:
        top, left = corner.tolist()
        crop = torch.from_numpy(image[top : top + CROP, left : left + CROP].copy()).movedim(-1, 0) / 255
        return describe(vgg, crop, *moments(domain))[0, 0]

    for row in (0, len(frame) - 1):
        here = features(frames[frame[row, 0]], frame[row, 1:], [frames[i] for i in range(3)])
        there = features(photos[photo[row, 0]], photo[row, 1:], [photos[i] for i in range(3)])
        assert float(here @ there) == pytest.approx(cosine[row], abs=1e-4)  # fp32 through 13 convolutions


def test_moments_agree_with_numpy() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (5, 7, 3), np.uint8), rng.integers(0, 100, (9, 4, 3), np.uint8)]
    pixels = np.concatenate([image.reshape(-1, 3) for image in images]) / 255
    mean, std = moments(images)
    np.testing.assert_allclose(mean, pixels.mean(0), rtol=1e-6)
    np.testing.assert_allclose(std, pixels.std(0), rtol=1e-6)
    assert (moments([np.full((4, 4, 3), 7, np.uint8)])[1] > 0).all()


@pytest.mark.parametrize(
    "more",
    [
        ("--min-cosine", "1"),
        ("--min-cosine", "nan"),
        ("--neighbours", "0"),
        ("--balance", "1.5"),
        ("--balance", "nan"),
        ("--seed", "-1"),
        ("--seed", str(2**31 - 1)),
        ("--device", "tpu"),
    ],
)
def test_settings_without_sense(
    folder: Path, vgg_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, str]
) -> None:
    assert command(folder, vgg_file, tmp_path / "m.npz", *more) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def arguments(frames: Path, photos: Path, vgg: Path, out: Path) -> argparse.Namespace:
    given = ["--frames", str(frames), "--photos", str(photos), "--vgg", str(vgg), "--out", str(out)]
    return build_parser().parse_args(given)


def test_only_images_that_are_too_small(folder: Path, vgg_file: Path, tmp_path: Path) -> None:
    write_png(tmp_path / "photos" / "tiny.png", np.zeros((195, 400, 3), np.uint8))
    with pytest.raises(InputError, match="every image is smaller than 196 px"):
        main(arguments(tmp_path / "photos", tmp_path / "photos", vgg_file, tmp_path / "m.npz"))


def test_frames_of_two_sizes(vgg_file: Path, tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.zeros((200, 200, 3), np.uint8))
    write_png(tmp_path / "b.png", np.zeros((200, 204, 3), np.uint8))
    with pytest.raises(InputError, match="b: is 204x200, others 200x200"):
        main(arguments(tmp_path, tmp_path, vgg_file, tmp_path / "m.npz"))


def test_an_approximate_search_tells_its_recall() -> None:
    """Compared with the exact one on some of the crops; all crops are searched either way."""
    (photos, image), (frames, _) = rows(MIN_CROPS, 1), rows(40, 2)
    args = argparse.Namespace(index="flat", neighbours=5, per_photo=1, seed=0)
    exact, cosines, recalled = search(frames, photos, image, args)
    assert recalled is None
    args.index = "ivfpq"
    found, nearly, recalled = search(frames, photos, image, args)
    assert exact.shape == found.shape == cosines.shape == nearly.shape == (40, 5)
    assert recalled is not None
    # 200 places among 40 crops, so each crop counts about five times.
    assert recalled == pytest.approx(recall(image[found], image[exact]), abs=0.05)
    assert 0.5 < recalled < 1
