"""Pictures as cameras, scanners and programs write them: each has the pixels that were put in, or is refused.

Others wrote the files (Pillow, OpenCV, tifffile), of arrays that are known here; colours come of formulas.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from gbuffer_tools.errors import InputError
from gbuffer_tools.io.images import image_size, read_image, read_pixels
from tests.gbuffer_tools.made_icc import ADOBE, DISPLAY_P3, SRGB, in_srgb, of_grey, of_ink, of_rgb

Y, X = np.mgrid[0:40, 0:56]
RGB = np.dstack([X * 4, Y * 6, (X + Y) * 2]).astype(np.uint8)
GREY = RGB[..., 0]
DEEP = np.dstack([X * 1100 + Y * 13, Y * 1500 + X * 7, (X + Y) * 650]).astype(np.uint16)
ALPHA = np.where(X < 20, 0, 200).astype(np.uint8)
RGBA = np.dstack([RGB, ALPHA])
INK = np.dstack([255 - RGB, np.full_like(GREY, 40)])
EIGHT = np.rint(DEEP / 257).astype(np.uint8)


def three(grey: np.ndarray) -> np.ndarray:
    return np.dstack([grey] * 3)


def pillow(pixels: np.ndarray, **options: object) -> Callable[[Path], None]:
    mode = {"mode": "CMYK"} if pixels is INK else {}
    return lambda path: Image.fromarray(pixels, **mode).save(path, **options)


def opencv(pixels: np.ndarray) -> Callable[[Path], object]:
    return lambda path: cv2.imwrite(
        str(path), pixels[..., [2, 1, 0, 3][: pixels.shape[2]]] if pixels.ndim == 3 else pixels
    )


def tiff(pixels: np.ndarray, **options: object) -> Callable[[Path], object]:
    return lambda path: tifffile.imwrite(path, pixels, **{"photometric": "rgb", **options})


def paletted(path: Path, **options: object) -> None:
    numbers = Image.fromarray(GREY // 8, mode="P")
    numbers.putpalette([value for i in range(32) for value in (i * 8, 255 - i, i)])
    numbers.save(path, **options)


COLOURS = np.dstack([GREY // 8 * 8, 255 - GREY // 8, GREY // 8])
READ = {
    "grey.png": (pillow(GREY), three(GREY)),
    "grey.tif": (pillow(GREY), three(GREY)),
    "upside_down_grey.tif": (tiff(255 - GREY, photometric="miniswhite"), three(GREY)),
    "grey_of_16.png": (opencv(DEEP[..., 0]), three(EIGHT[..., 0])),
    "grey_of_16.tif": (tiff(DEEP[..., 0], photometric="minisblack"), three(EIGHT[..., 0])),
    "16.png": (opencv(DEEP), EIGHT),
    "16.tif": (tiff(DEEP), EIGHT),
    "16_big_endian.tif": (tiff(DEEP, byteorder=">"), EIGHT),
    "16_alpha.png": (opencv(np.dstack([DEEP, DEEP[..., 0]])), EIGHT),
    "16_alpha.tif": (tiff(np.dstack([DEEP, DEEP[..., 0]]), extrasamples=["unassalpha"]), EIGHT),
    # Ink and paper without a profile: the fraction of light that each ink lets through.
    "ink.tif": (pillow(INK), np.rint(RGB * (215 / 255))),
    "alpha.png": (pillow(RGBA), RGB),
    "alpha.tif": (tiff(RGBA, extrasamples=["unassalpha"]), RGB),
    "alpha.webp": (pillow(RGBA, lossless=True, exact=True), RGB),
    "grey_alpha.png": (pillow(np.dstack([GREY, ALPHA])), three(GREY)),
    "grey_with_a_clear_level.png": (pillow(GREY, transparency=8), three(GREY)),
    "clear_colour.png": (pillow(RGB, transparency=(8, 6, 6)), RGB),
    "palette.png": (paletted, COLOURS),
    "palette_with_a_clear_colour.png": (lambda path: paletted(path, transparency=3), COLOURS),
    "palette_with_alpha.png": (lambda path: paletted(path, transparency=bytes(range(32))), COLOURS),
    "palette.bmp": (paletted, COLOURS),
    "bit.png": (pillow(GREY > 99), three((GREY > 99) * 255)),
    "bit.tif": (pillow(GREY > 99), three((GREY > 99) * 255)),
    "fax.tif": (pillow(GREY > 99, compression="group4"), three((GREY > 99) * 255)),
    "tiles.tif": (tiff(RGB, tile=(16, 16)), RGB),
    "planes.tif": (tiff(np.moveaxis(RGB, 2, 0), planarconfig="separate"), RGB),
    "pages.tif": (pillow(RGB, save_all=True, append_images=[Image.fromarray(255 - RGB)]), RGB),
    "moving.webp": (pillow(RGB, save_all=True, append_images=[Image.fromarray(255 - RGB)], lossless=True), RGB),
    "moving.png": (pillow(RGB, save_all=True, append_images=[Image.fromarray(255 - RGB)]), RGB),
}


@pytest.mark.parametrize("name", READ)
def test_pixels_are_those_that_were_written(tmp_path: Path, name: str) -> None:
    write, wanted = READ[name]
    write(tmp_path / name)
    found = read_image(tmp_path / name)
    assert found.dtype == np.uint8
    assert found.flags.writeable
    # Multiplying ink rounds once more in 8 bits; all else is exact.
    assert np.abs(found - wanted.astype(float)).max() <= (1 if name == "ink.tif" else 0)
    assert image_size(tmp_path / name) == found.shape[:2]


def test_a_jpeg_of_ink_as_adobe_writes_it(tmp_path: Path) -> None:
    """Upside down, which its marker APP14 tells."""
    pillow(INK, quality=95)(tmp_path / "x.jpg")
    assert b"Adobe" in (tmp_path / "x.jpg").read_bytes()
    # JPEG's own loss of a smooth picture.
    assert np.abs(read_image(tmp_path / "x.jpg") - RGB * (215 / 255)).max() < 6


def test_premultiplied_colours_are_divided(tmp_path: Path) -> None:
    """TIFF 6.0, section 18: associated alpha. Where nothing is seen, nothing was stored: black."""
    stored = RGBA.copy()
    stored[..., :3] = np.rint(RGB * (ALPHA[..., None] / 255))
    tiff(stored, extrasamples=["assocalpha"])(tmp_path / "x.tif")
    wanted = np.where(ALPHA[..., None] > 0, RGB, 0)
    # Half a level of what was stored is 255 / 200 of that here, and is cut.
    assert np.abs(read_image(tmp_path / "x.tif") - wanted.astype(float)).max() <= 1.7


def cut(fraction: float, write: Callable[[Path], object]) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        write(path)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * fraction)])

    return change


NOISE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
REFUSED = {
    "cut.jpg": (cut(0.9, pillow(NOISE)), "not a readable image"),
    "cut_progressive.jpg": (cut(0.9, pillow(NOISE, progressive=True)), "not a readable image"),
    "cut.png": (cut(0.9, pillow(NOISE)), "not a readable image"),
    "cut.webp": (cut(0.9, pillow(NOISE)), "not a readable image"),
    "cut.bmp": (cut(0.9, pillow(NOISE)), "not a readable image"),
    "cut.tif": (cut(0.9, pillow(NOISE)), "not a readable image"),
    "empty.png": (lambda path: path.touch(), r"not a readable image \(0 bytes\)"),
    "text.png": (lambda path: path.write_text("hello\n" * 9), "not a readable image"),
    "grey_floats.tif": (tiff(GREY / np.float32(255), photometric="minisblack"), "holds floats of 32 bits"),
    "floats.tif": (tiff(RGB / np.float32(255)), "not a readable image"),
    "signed.tif": (tiff(GREY.astype(np.int16), photometric="minisblack"), "holds numbers of 16 bits"),
    "32_bits.tif": (tiff(GREY.astype(np.uint32), photometric="minisblack"), "holds numbers of 32 bits"),
    "deep_planes.tif": (tiff(np.moveaxis(DEEP, 2, 0), planarconfig="separate"), "holds 16 bits in planes"),
    "deep_ink.tif": (tiff(np.dstack([DEEP, DEEP[..., 0]]), photometric="separated"), "holds numbers of 16 bits"),
    "big.tif": (tiff(RGB, bigtiff=True), "not a readable image"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_picture_is_named_in_one_line(tmp_path: Path, name: str) -> None:
    write, words = REFUSED[name]
    write(tmp_path / name)
    with pytest.raises(InputError, match=rf"/{name}: {words}") as caught:
        read_image(tmp_path / name)
    assert "\n" not in str(caught.value)


# EXIF 3.0, 4.6.5.1.6: where the first row and the first column of the file belong.
TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,  # top, left
    2: lambda a: a[:, ::-1],  # top, right
    3: lambda a: a[::-1, ::-1],  # bottom, right
    4: lambda a: a[::-1],  # bottom, left
    5: lambda a: a.swapaxes(0, 1),  # left, top
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],  # right, top
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],  # right, bottom
    8: lambda a: a.swapaxes(0, 1)[::-1],  # left, bottom
}


@pytest.mark.parametrize("how", TURNS)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "16.png", "16.tif"])
def test_pictures_are_upright(tmp_path: Path, suffix: str, how: int) -> None:
    path, exif = tmp_path / f"x.{suffix}", Image.Exif()
    exif[0x112] = how
    if suffix == "16.tif":
        tiff(DEEP, extratags=[(274, "H", 1, how, True)])(path)
    else:
        options = {"lossless": True} if suffix == "webp" else {}
        Image.fromarray(DEEP[..., 0] if suffix == "16.png" else RGB).save(path, exif=exif, **options)
    plain = {"16.png": three(EIGHT[..., 0]), "16.tif": EIGHT, "jpg": None}.get(suffix, RGB)
    if plain is None:
        Image.fromarray(RGB).save(tmp_path / "plain.jpg")
        plain = read_image(tmp_path / "plain.jpg")
    assert np.array_equal(read_image(path), TURNS[how](plain))
    assert read_pixels(path).shape[:2] == image_size(path) == read_image(path).shape[:2]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # of Pillow, which commands do not show
@pytest.mark.parametrize(
    "exif",
    [b"", b"Exif\0\0", b"Exif\0\0II*\0\x08\0\0\0\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\x09\0\0"],
)
def test_an_orientation_that_makes_no_sense_is_none(tmp_path: Path, exif: bytes) -> None:
    Image.fromarray(RGB).save(tmp_path / "x.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "x.png"), RGB)
    assert image_size(tmp_path / "x.png") == RGB.shape[:2]


CUBE = np.stack(np.meshgrid(*[np.linspace(0, 255, 9)] * 3), -1).round().astype(np.uint8).reshape(27, 27, 3)


@pytest.mark.parametrize("colorants", [ADOBE, DISPLAY_P3], ids=["Adobe RGB", "Display P3"])
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_colours_of_other_spaces_become_srgb(tmp_path: Path, colorants: np.ndarray, suffix: str) -> None:
    options = {"lossless": True} if suffix == "webp" else {}
    pillow(CUBE, icc_profile=of_rgb(colorants), **options)(tmp_path / f"x.{suffix}")
    found, wanted = read_image(tmp_path / f"x.{suffix}"), in_srgb(CUBE, colorants)
    # One level: Little CMS computes 8 bits in fixed point. Without following the profile it would be up to 60.
    assert np.abs(found - wanted).max() < 1.6
    assert np.abs(CUBE - wanted).max() > 30


def test_the_profile_of_a_photograph(tmp_path: Path) -> None:
    even = np.full((16, 16, 3), (220, 60, 40), np.uint8)
    pillow(even, quality=100, icc_profile=of_rgb(DISPLAY_P3))(tmp_path / "x.jpg")
    assert np.abs(read_image(tmp_path / "x.jpg") - in_srgb(even, DISPLAY_P3)).max() < 3


def test_a_profile_of_srgbs_colorants_moves_little(tmp_path: Path) -> None:
    pillow(CUBE, icc_profile=of_rgb(SRGB))(tmp_path / "x.png")
    # A plain gamma of 2.2 in place of sRGB's curve.
    assert np.abs(read_image(tmp_path / "x.png") - in_srgb(CUBE, SRGB)).max() < 1.6


def test_grey_of_8_and_of_16_bits_with_a_profile(tmp_path: Path) -> None:
    pillow(GREY, icc_profile=of_grey())(tmp_path / "8.png")
    Image.fromarray(GREY.astype(np.uint16) * 257).save(tmp_path / "16.png", icc_profile=of_grey())
    wanted = in_srgb(three(GREY), SRGB)
    assert np.abs(read_image(tmp_path / "8.png") - wanted).max() < 1.6
    assert np.array_equal(read_image(tmp_path / "8.png"), read_image(tmp_path / "16.png"))


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_ink_with_a_profile(tmp_path: Path, suffix: str) -> None:
    """Cyan is L* = 50 here, a grey of 119 in sRGB; without the profile it would be (0, 255, 255)."""
    ink = np.zeros((16, 48, 4), np.uint8)
    ink[:, 16:32, 0], ink[:, 32:, 3] = 255, 255
    Image.fromarray(ink, mode="CMYK").save(tmp_path / f"x.{suffix}", icc_profile=of_ink(50))
    for place, wanted in ((8, 255.0), (24, 119.0), (40, 0.0)):
        # L* is stored in 8 bits: half a step is 0.6 levels.
        assert np.abs(read_image(tmp_path / f"x.{suffix}")[8, place] - wanted).max() <= 2


@pytest.mark.parametrize("profile", [b"no profile", of_grey(), of_ink(50), of_rgb(ADOBE)[:200]])
def test_a_profile_that_does_not_fit_is_ignored(tmp_path: Path, profile: bytes) -> None:
    pillow(RGB, icc_profile=profile)(tmp_path / "x.png")
    assert np.array_equal(read_image(tmp_path / "x.png"), RGB)
