"""A folder of pictures: which it finds, under which keys, with which pixels, and what it refuses."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from datasets.images import Images, read_image, write_png
from gbuffer_tools.errors import InputError
from tests.datasets.made import scene, write_frames


def picture(seed: int = 0, size: tuple[int, int] = (5, 7)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def store(path: Path, pixels: np.ndarray) -> None:
    """Through OpenCV as it is: BGR."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


class TestRead:
    def test_order_of_colours_is_rgb(self, tmp_path: Path) -> None:
        red = np.zeros((2, 3, 3), np.uint8)
        red[..., 2] = 200
        store(tmp_path / "red.png", red)
        assert read_image(tmp_path / "red.png").tolist() == [[[200, 0, 0]] * 3] * 2

    def test_what_was_written(self, tmp_path: Path) -> None:
        write_png(tmp_path / "deep" / "a.png", picture())
        assert np.array_equal(read_image(tmp_path / "deep" / "a.png"), picture())
        assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a.png"]

    def test_grey_alpha_and_16_bit(self, tmp_path: Path) -> None:
        grey = picture()[..., 0]
        store(tmp_path / "grey.png", grey)
        store(tmp_path / "alpha.png", np.dstack([picture()[..., ::-1], grey]))
        store(tmp_path / "deep.png", picture()[..., ::-1].astype(np.uint16) * 257)
        assert np.array_equal(read_image(tmp_path / "grey.png"), np.dstack([grey] * 3))
        assert np.array_equal(read_image(tmp_path / "alpha.png"), picture())
        deep = read_image(tmp_path / "deep.png")
        assert deep.dtype == np.uint8
        assert np.array_equal(deep, picture())

    @pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
    def test_refuses_what_is_no_image(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "x.png").write_bytes(content)
        with pytest.raises(InputError, match=r"x\.png: not a readable image \(\d+ bytes\)"):
            read_image(tmp_path / "x.png")

    def test_refuses_a_giant_in_a_few_bytes(self, tmp_path: Path) -> None:
        ok, data = cv2.imencode(".png", picture())
        assert ok
        giant = bytearray(data.tobytes())
        giant[16:24] = (60_000).to_bytes(4, "big") * 2
        (tmp_path / "x.png").write_bytes(giant)
        with pytest.raises(InputError, match="not a readable image"):
            read_image(tmp_path / "x.png")

    def test_refuses_what_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"gone\.png: cannot be read \(No such file"):
            read_image(tmp_path / "gone.png")


class TestFolder:
    def test_nested_folders_with_equal_names(self, tmp_path: Path) -> None:
        for number, name in enumerate(("b/1.png", "a/1.png", "1.PNG", "a/b/1.jpeg")):
            store(tmp_path / name, picture(number)[..., ::-1])
        (tmp_path / "a" / "notes.txt").write_text("no image")
        images = Images(tmp_path)
        assert images.keys == ("1", "a/1", "a/b/1", "b/1")
        assert len(images) == 4
        assert np.array_equal(images[1], picture(1))
        assert images.path(3) == tmp_path / "b" / "1.png"

    def test_frame_files(self, tmp_path: Path) -> None:
        images = Images(write_frames(tmp_path / "f"))
        assert images.keys == ("one/a", "one/b", "two/a")
        assert np.array_equal(images[1], scene("b", 1).image)
        assert images.path(2) == tmp_path / "f" / "two.h5"

    def test_one_name_with_two_suffixes(self, tmp_path: Path) -> None:
        store(tmp_path / "a.png", picture())
        store(tmp_path / "a.jpg", picture())
        with pytest.raises(InputError, match="two images have the key 'a'"):
            Images(tmp_path)

    def test_no_folder_and_an_empty_one(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no such folder"):
            Images(tmp_path / "gone")
        with pytest.raises(InputError, match="holds no images"):
            Images(tmp_path)

    def test_a_corrupt_file_is_named_when_it_is_read(self, tmp_path: Path) -> None:
        store(tmp_path / "a.png", picture())
        (tmp_path / "b.png").write_bytes(b"\x89PNG")
        images = Images(tmp_path)
        assert images[0].shape == (5, 7, 3)
        with pytest.raises(InputError, match=r"b\.png"):
            images[1]


def test_png_of_floats_is_a_mistake_of_ours(tmp_path: Path) -> None:
    with pytest.raises((ValueError, cv2.error)):
        write_png(tmp_path / "x.png", np.zeros((3, 3, 7), np.uint8))
    assert not list(tmp_path.iterdir())
