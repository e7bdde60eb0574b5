"""Commands on folders as users have them: each picture is read right, or refused in one line that names the file."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from datasets import label
from datasets.images import Images, write_png
from datasets.labels import read_label, write_label
from eval import baselines, skvd
from eval.records import skvd_record
from gbuffer_tools import command

COUNT = 6
FEW = ["--crops", "1", "--candidates", "3", "--resamples", "20", "--pooling", "mean"]


def run(module, *argv: object) -> int:
    return command.run(module.main, module.build_parser(), [str(part) for part in argv])


@pytest.fixture
def folder(scenes: Path, tmp_path: Path) -> Path:
    """FRAMES, PHOTOS and their LABELS, a few of each, to be changed."""
    for name in ("frames", "photos"):
        shutil.copytree(scenes / name, tmp_path / name)
        shutil.copytree(scenes / "labels" / name, tmp_path / "labels" / name)
        for path in sorted((tmp_path / name).rglob("*.png"))[COUNT:]:
            path.unlink()
    return tmp_path


def judge(folder: Path, vgg: Path, frames: str = "frames", photos: str = "photos") -> int:
    labels = folder / "labels"
    sides = ["--fake", f"render={folder / frames}", "--real", folder / photos]
    maps = ["--fake-labels", labels / "frames", "--real-labels", labels / "photos"]
    return run(skvd, *sides, *maps, "--out", folder / "report.json", "--vgg", vgg, *FEW)


def replaced(folder: Path, key: str, suffix: str, write: Callable[[Image.Image, Path], object]) -> Path:
    """The picture of a key, in another format."""
    old, new = folder / f"{key}.png", folder / f"{key}.{suffix}"
    pixels = Image.open(old).copy()
    old.unlink()
    write(pixels, new)
    return new


def turned(how: int, turn: Callable[[np.ndarray], np.ndarray], suffix: str) -> Callable[[Image.Image, Path], object]:
    """Stored turned, with the word of EXIF that turns it back."""

    def write(image: Image.Image, path: Path) -> None:
        exif = Image.Exif()
        exif[0x112] = how
        stored = Image.fromarray(np.ascontiguousarray(turn(np.asarray(image))))
        stored.save(path, exif=exif, **({"lossless": True} if suffix == "webp" else {}))

    return write


def with_noise_behind(image: Image.Image, path: Path) -> None:
    """Half of the picture is transparent."""
    alpha = np.zeros(image.size[::-1], np.uint8)
    alpha[:, ::2] = 255
    image.putalpha(Image.fromarray(alpha))
    image.save(path)


def deep(image: Image.Image, path: Path) -> None:
    """16 bits, each value off by less than half a level of 8."""
    pixels = np.asarray(image).astype(np.int64)[..., ::-1] * 257
    off = np.random.default_rng(0).integers(-128, 129, pixels.shape)
    cv2.imwrite(str(path), np.clip(pixels + off, 0, 65535).astype(np.uint16))


# Other ways to store the very same pixels.
SAME = {
    "16 bits.png": deep,
    "16 bits.tif": deep,
    "alpha.png": with_noise_behind,
    "alpha.tif": with_noise_behind,
    "packed.tif": lambda image, path: image.save(path, compression="tiff_lzw"),
    "two pages.tif": lambda image, path: image.save(path, save_all=True, append_images=[image.rotate(180)]),
    "moving.webp": lambda image, path: image.save(
        path, save_all=True, append_images=[image.rotate(180)], lossless=True
    ),
    "bottom right.png": turned(3, lambda a: a[::-1, ::-1], "png"),
    "right top.png": turned(6, lambda a: a[:, ::-1].swapaxes(0, 1), "png"),
    "left bottom.tif": turned(8, lambda a: a[::-1].swapaxes(0, 1), "tif"),
    "left top.webp": turned(5, lambda a: a.swapaxes(0, 1), "webp"),
}


def test_the_same_pixels_in_other_files_are_the_same_report(folder: Path, random_vgg: Path) -> None:
    assert judge(folder, random_vgg) == 0
    before = skvd_record.read(folder / "report.json")
    kinds = list(SAME.items())
    for index, (name, write) in enumerate(kinds):
        side = ("frames", "photos")[index % 2]
        replaced(folder / side, f"set/{index // 2:02}", name.partition(".")[2], write)
    assert judge(folder, random_vgg) == 0
    after = skvd_record.read(folder / "report.json")
    assert after.methods == before.methods  # digests of pixels, and every number
    assert after.photos == before.photos


def corrupt(fraction: float) -> Callable[[Image.Image, Path], object]:
    def write(image: Image.Image, path: Path) -> None:
        image.save(path)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * fraction)])

    return write


REFUSED = {
    "cut.jpg": (corrupt(0.8), "not a readable image"),
    "cut.png": (corrupt(0.8), "not a readable image"),
    "empty.png": (corrupt(0), r"not a readable image (0 bytes)"),
    "text.png": (lambda _, path: path.write_text("<html>404</html>"), "not a readable image (16 bytes)"),
    "floats.tif": (lambda image, path: image.convert("F").save(path), "holds floats of 32 bits"),
}


def transfer(folder: Path) -> int:
    given = ["--source", folder / "frames", "--target", folder / "photos", "--out", folder / "out"]
    return run(baselines, "reinhard", *given)


def cluster(folder: Path, vgg: Path) -> int:
    return run(label, folder / "frames", folder / "photos", "--out", folder / "new", "--vgg", vgg)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("side", ["frames", "photos"])
def test_what_is_no_picture_is_named(folder: Path, random_vgg: Path, capsys, side: str, name: str) -> None:
    write, words = REFUSED[name]
    path = replaced(folder / side, "set/01", name.partition(".")[2], write)
    commands = [lambda: judge(folder, random_vgg), lambda: transfer(folder)]
    if name == "cut.jpg":
        commands.append(lambda: cluster(folder, random_vgg))
    for do in commands:
        assert do() == 2
        # Progress bars share the stream; the message is its last line.
        *before, last = capsys.readouterr().err.splitlines()
        assert f"{path}: {words}" in last
        # A bar that moves less than once a second shows seconds per unit.
        assert all(re.search(r"/s\]|s/\w+\]", line) for line in before if line)
    assert not {"report.json", "out", "new"} & {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("size", [(48, 72), (144, 96), (96, 160)])
def test_a_frame_of_another_size_is_named_and_not_its_label_map(folder, random_vgg, capsys, size) -> None:
    """Sizes of the same aspect, turned, and slightly wider; each with a label map of its own."""
    image = cv2.resize(Images(folder / "frames")[3], size[::-1])
    write_png(folder / "frames" / "set" / "03.png", image)
    write_label(folder / "labels" / "frames", "set/03", image[..., 0] // 100)
    assert judge(folder, random_vgg) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"frames/set/03.png: got {size[1]}x{size[0]} pixels, wanted 144x96 as the first frame" in error


def test_photographs_may_have_any_size_and_shape(folder: Path, random_vgg: Path) -> None:
    photos = Images(folder / "photos")
    sizes = {1: (192, 288), 2: (60, 90), 3: (300, 100), 4: (30, 400)}
    for index, (height, width) in sizes.items():
        key = photos.keys[index]
        write_png(folder / "photos" / f"{key}.png", cv2.resize(photos[index], (width, height)))
        map_ = read_label(folder / "labels" / "photos", key)
        resized = cv2.resize(map_, (width, height), interpolation=cv2.INTER_NEAREST)
        write_label(folder / "labels" / "photos", key, resized)
    replaced(folder / "photos", "set/00", "png", lambda image, path: image.convert("L").save(path))
    replaced(folder / "photos", "set/05", "jpg", lambda image, path: image.convert("CMYK").save(path))
    assert judge(folder, random_vgg) == 0
    found = skvd_record.read(folder / "report.json").photos
    # 300 x 100 becomes 96 x 32 and 30 x 400 stays: both are smaller than a crop of 40.
    assert (found.images, found.resized, found.dropped) == (COUNT, 1, 2)
    assert transfer(folder) == 0


def one(folder: Path) -> Path:
    first, *others = sorted(folder.rglob("*.png"))
    for path in others:
        path.unlink()
    return first


@pytest.mark.parametrize("side", ["frames", "photos"])
def test_one_picture_is_too_few_to_judge_and_enough_to_change_colours(folder, random_vgg, capsys, side) -> None:
    one(folder / side)
    assert judge(folder, random_vgg) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "wanted at least 2" in error or "wanted 2 of each or more" in error
    assert transfer(folder) == 0
    assert len(Images(folder / "out")) == len(Images(folder / "frames"))
    assert cluster(folder, random_vgg) == 0
