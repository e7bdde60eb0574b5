"""Pictures come as their files store them: bits, grey, alpha; upright. Others wrote the files, of arrays known here."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from gbuffer_tools.errors import InputError
from gbuffer_tools.io.images import read_image
from gbuffer_tools.picture_file.reader import read_picture
from tests.gbuffer_tools.made_icc import DISPLAY_P3, of_ink, of_rgb
from tests.gbuffer_tools.pictures import with_chunks

Y, X = np.mgrid[0:20, 0:28]
RGB = np.dstack([X * 8, Y * 12, (X + Y) * 4]).astype(np.uint8)
ALPHA = np.where(X < 10, 0, 200).astype(np.uint8)
DEEP = np.dstack([X * 2200 + Y * 13, Y * 3000 + X * 7, (X + Y) * 1300]).astype(np.uint16)
DEEP_ALPHA = np.where(X < 10, 0, 51234 + Y).astype(np.uint16)


def pillow(*planes: np.ndarray, **options: object) -> Callable[[Path], object]:
    pixels = np.dstack(planes)
    return lambda path: Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(path, **options)


def opencv(*planes: np.ndarray) -> Callable[[Path], object]:
    pixels = np.dstack(planes)
    order = [2, 1, 0, 3][: pixels.shape[2]] if pixels.shape[2] > 1 else 0
    return lambda path: cv2.imwrite(str(path), pixels[..., order])


def tiff(*planes: np.ndarray, **options: object) -> Callable[[Path], object]:
    pixels = np.dstack(planes).squeeze()
    how = {"photometric": "rgb" if pixels.ndim == 3 else "minisblack"}
    return lambda path: tifffile.imwrite(path, pixels, **{**how, **options})


def paletted(path: Path, **options: object) -> None:
    numbers = Image.fromarray(RGB[..., 0] // 8, mode="P")
    numbers.putpalette([value for i in range(32) for value in (i * 8, 255 - i, i)])
    numbers.save(path, **options)


GREY, LEVELS = RGB[..., :1], RGB[..., 0] // 8
COLOURS = np.dstack([LEVELS * 8, 255 - LEVELS, LEVELS])
READ: dict[str, tuple[Callable[[Path], object], np.ndarray]] = {
    "grey.png": (pillow(GREY), GREY),
    "grey.tif": (pillow(GREY), GREY),
    "bit.png": (pillow(GREY > 99), (GREY > 99) * np.uint8(255)),
    "rgb.bmp": (pillow(RGB), RGB),
    "grey_alpha.png": (pillow(GREY, ALPHA), np.dstack([GREY, ALPHA])),
    "grey_with_a_clear_level.png": (pillow(GREY, transparency=8), np.dstack([GREY, (GREY != 8) * np.uint8(255)])),
    "alpha.png": (pillow(RGB, ALPHA), np.dstack([RGB, ALPHA])),
    "alpha.webp": (pillow(RGB, ALPHA, lossless=True, exact=True), np.dstack([RGB, ALPHA])),
    "alpha.tif": (tiff(RGB, ALPHA, extrasamples=["unassalpha"]), np.dstack([RGB, ALPHA])),
    "palette.png": (paletted, COLOURS),
    "palette_with_a_clear_colour.png": (
        lambda path: paletted(path, transparency=3),
        np.dstack([COLOURS, (LEVELS != 3) * np.uint8(255)]),
    ),
    "16_grey.png": (opencv(DEEP[..., :1]), DEEP[..., :1]),
    "16_grey.tif": (tiff(DEEP[..., :1]), DEEP[..., :1]),
    "16.png": (opencv(DEEP), DEEP),
    "16.tif": (tiff(DEEP), DEEP),
    "16_big_endian.tif": (tiff(DEEP, byteorder=">"), DEEP),
    "16_alpha.png": (opencv(DEEP, DEEP_ALPHA), np.dstack([DEEP, DEEP_ALPHA])),
    "16_alpha.tif": (tiff(DEEP, DEEP_ALPHA, extrasamples=["unassalpha"]), np.dstack([DEEP, DEEP_ALPHA])),
    "16_with_what_is_no_alpha.tif": (tiff(DEEP, DEEP_ALPHA, extrasamples=["unspecified"]), DEEP),
}


@pytest.mark.parametrize("name", READ)
def test_numbers_are_those_that_were_written(tmp_path: Path, name: str) -> None:
    write, wanted = READ[name]
    write(tmp_path / name)
    found = read_picture(tmp_path / name)
    assert found.pixels.dtype == wanted.dtype
    assert np.array_equal(found.pixels, wanted)
    assert found.has_alpha == (wanted.shape[2] in (2, 4))


@pytest.mark.parametrize("bits", [8, 16])
def test_colours_that_were_multiplied_by_alpha_are_divided(tmp_path: Path, bits: int) -> None:
    colours, alpha = (RGB, ALPHA) if bits == 8 else (DEEP, DEEP_ALPHA)
    stored = np.rint(colours * (alpha[..., None] / np.iinfo(alpha.dtype).max)).astype(colours.dtype)
    tiff(stored, alpha, extrasamples=["assocalpha"])(tmp_path / "x.tif")
    found = read_picture(tmp_path / "x.tif").pixels
    assert np.array_equal(found[..., 3], alpha)
    # Half a level of what was stored is 255 / 200 of that; 8 bits are cut, not rounded.
    assert np.abs(found[..., :3] - np.where(alpha[..., None] > 0, colours, 0).astype(float)).max() <= 1.7


def test_an_upright_picture_and_its_jpeg_loss(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x112] = 6
    Image.fromarray(RGB).save(tmp_path / "x.jpg", exif=exif, quality=95)
    assert np.array_equal(read_picture(tmp_path / "x.jpg").pixels, read_image(tmp_path / "x.jpg"))
    assert read_picture(tmp_path / "x.jpg").pixels.shape == (28, 20, 3)


def test_numbers_stay_in_the_colours_of_their_profile_but_ink(tmp_path: Path) -> None:
    profile = of_rgb(DISPLAY_P3)
    Image.fromarray(RGB).save(tmp_path / "x.png", icc_profile=profile)
    found = read_picture(tmp_path / "x.png")
    assert np.array_equal(found.pixels, RGB)
    assert found.notes.icc == profile
    ink = np.zeros((16, 16, 4), np.uint8)
    ink[..., 0] = 255
    Image.fromarray(ink, mode="CMYK").save(tmp_path / "x.tif", icc_profile=of_ink(50))
    found = read_picture(tmp_path / "x.tif")
    assert np.abs(found.pixels.astype(int) - 119).max() <= 2  # L* = 50
    assert found.notes.icc == b""


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)
    for name in ("cut.png", "cut.jpg", "cut.webp", "cut.tif"):
        Image.fromarray(noise).save(tmp_path / name)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: int(0.8 * len(content))])
        with pytest.raises(InputError, match=rf"{name}: not a readable image"):
            read_picture(tmp_path / name)
    tifffile.imwrite(tmp_path / "floats.tif", (RGB[..., 0] / 255).astype(np.float32))
    with pytest.raises(InputError, match="holds floats of 32 bits"):
        read_picture(tmp_path / "floats.tif")
    Image.fromarray(RGB).save(tmp_path / "hdr.png")
    content = with_chunks((tmp_path / "hdr.png").read_bytes(), cICP=bytes([9, 16, 0, 1]))
    (tmp_path / "hdr.png").write_bytes(content)
    with pytest.raises(InputError, match="high dynamic range"):
        read_picture(tmp_path / "hdr.png")


@pytest.mark.parametrize("name", ["pages.tif", "moving.png", "moving.webp"])
def test_of_several_the_first_is_read_and_the_user_told(tmp_path: Path, name: str) -> None:
    options = {"lossless": True} if name.endswith("webp") else {}
    pictures = [Image.fromarray(RGB), Image.fromarray(255 - RGB), Image.fromarray(RGB // 2)]
    pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:], **options)
    found = read_picture(tmp_path / name)
    assert np.array_equal(found.pixels, RGB)
    assert found.notes.lost == "the first of its 3 pages or frames is read"
