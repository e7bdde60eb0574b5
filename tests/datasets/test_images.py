"""A folder of pictures: which it finds, under which keys, with which pixels, and what it refuses."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from datasets.images import Images, check_not_read
from gbuffer_tools.errors import InputError
from tests.datasets.made import scene, write_frames


def picture(seed: int = 0, size: tuple[int, int] = (5, 7)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def store(path: Path, pixels: np.ndarray) -> None:
    """Through OpenCV as it is: BGR."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


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

    def test_pictures_of_sensors_are_no_photographs(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for name in ("rgb/1.png", "depth/1.png", "rgb_front/1.png", "Camera_0/classgt_00001.png"):
            store(tmp_path / name, picture())
        assert Images(tmp_path).keys == ("rgb/1", "rgb_front/1")
        said = "2 .png (Camera_0/classgt_00001.png, depth/1.png): named after depth, classes or normals; left out"
        assert said in capsys.readouterr().err
        assert len(Images(tmp_path, (".png", ".exr"))) == 4
        (tmp_path / "alone").mkdir()
        (tmp_path / "depth").rename(tmp_path / "alone" / "depth")
        assert Images(tmp_path / "alone" / "depth").keys == ("1",)
        assert Images(tmp_path / "alone").keys == ("depth/1",)
        assert "classes or normals; taken, as there are no others" in capsys.readouterr().err

    def test_frame_files(self, tmp_path: Path) -> None:
        images = Images(write_frames(tmp_path / "f"))
        assert images.keys == ("one/a", "one/b", "two/a")
        assert np.array_equal(images[1], scene("b", 1).image)
        assert images.path(2) == tmp_path / "f" / "two.h5"

    @pytest.mark.parametrize("name", ["a.png", "one/a.png", "one/a.exr"])
    def test_frame_files_and_pictures_in_one_folder(self, name: str, tmp_path: Path) -> None:
        """The frames would be judged in the place of pictures that were made of them."""
        write_frames(tmp_path)
        Images(tmp_path)
        store(tmp_path / "picture.png", picture())
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / "picture.png").rename(tmp_path / name)
        with pytest.raises(InputError, match=rf"holds frame files \(one\.h5\) and pictures \({name}\); .* Move"):
            Images(tmp_path)

    def test_what_systems_leave_beside_frame_files_is_no_picture(self, tmp_path: Path) -> None:
        write_frames(tmp_path)
        store(tmp_path / ".thumbnails" / "a.png", picture())
        store(tmp_path / "._a.png", picture())
        assert Images(tmp_path).keys == ("one/a", "one/b", "two/a")

    def test_one_name_with_two_suffixes(self, tmp_path: Path) -> None:
        store(tmp_path / "a.png", picture())
        store(tmp_path / "a.jpg", picture())
        with pytest.raises(InputError, match="two images have the key 'a'"):
            Images(tmp_path)

    def test_a_name_that_no_record_can_hold(self, tmp_path: Path) -> None:
        store(tmp_path / "a.png", picture())
        (tmp_path / "a.png").rename(tmp_path / os.fsdecode(b"b\xff.png"))
        with pytest.raises(InputError, match="is not UTF-8; rename"):
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


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "read").mkdir()
    (tmp_path / "model").touch()
    (tmp_path / "link").symlink_to(tmp_path / "model")
    for target in ("model", "link", "read/sheet.png"):
        with pytest.raises(InputError, match="which is read"):
            check_not_read(tmp_path / target, None, tmp_path / "read", tmp_path / "model")
    check_not_read(tmp_path / "other", None, tmp_path / "read", tmp_path / "model")
