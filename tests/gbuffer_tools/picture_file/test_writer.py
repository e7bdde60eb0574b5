"""Pictures that others read as they were written, with what their files say; or one line."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image

from gbuffer_tools.errors import InputError
from gbuffer_tools.picture_file import png
from gbuffer_tools.picture_file.layout import SUFFIXES, PixelLayout, check_fit
from gbuffer_tools.picture_file.notes import NOTHING, Notes
from gbuffer_tools.picture_file.reader import read_picture
from gbuffer_tools.picture_file.writer import write_picture
from tests.gbuffer_tools.made_icc import DISPLAY_P3, of_rgb
from tests.gbuffer_tools.pictures import with_chunks

PROFILE = of_rgb(DISPLAY_P3)
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf tiff:Orientation=\"6\"/></x:xmpmeta>"


def noise(channels: int, bits: int) -> np.ndarray:
    kind = np.uint8 if bits == 8 else np.uint16
    return np.random.default_rng(channels).integers(0, 2**bits, (37, 23, channels), kind)


def write(path: Path, pixels: np.ndarray, notes: Notes = NOTHING, *, rows: int = 10) -> None:
    bands = (pixels[top : top + rows] for top in range(0, len(pixels), rows))
    write_picture(path, bands, PixelLayout(*pixels.shape, 8 * pixels.itemsize), notes)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_others_read_what_was_written(tmp_path: Path, suffix: str, bits: int, channels: int, monkeypatch) -> None:
    monkeypatch.setattr(png, "AT_ONCE", 300)  # a few rows
    pixels, path = noise(channels, bits), tmp_path / f"a{suffix}"
    write(path, pixels)
    if suffix == ".tif":
        found = tifffile.imread(path).reshape(pixels.shape)
    else:
        found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).reshape(37, 23, -1)
        found = found[..., {1: [0], 2: [0, 3], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]]
    assert found.dtype == pixels.dtype
    assert np.array_equal(found, pixels)
    if (suffix, bits, channels) != (".tif", 16, 2):  # which Pillow, by which headers are read, does not know
        assert np.array_equal(read_picture(path).pixels, pixels)


@pytest.mark.parametrize(("suffix", "channels"), [(".jpg", 1), (".jpeg", 3), (".webp", 3), (".webp", 4), (".webp", 2)])
def test_formats_that_lose_a_little(tmp_path: Path, suffix: str, channels: int) -> None:
    y, x = np.mgrid[0:37, 0:23]
    pixels = np.dstack([x * 8, y * 5, x + y, x * 9][:channels]).astype(np.uint8)
    write(tmp_path / f"a{suffix}", pixels)
    found = np.array(Image.open(tmp_path / f"a{suffix}")).reshape(37, 23, -1).astype(float)
    wanted = pixels if channels != 2 else pixels[..., [0, 0, 0, 1]]
    visible = wanted[..., -1] > 0 if channels in (2, 4) else np.ones((37, 23), bool)
    assert np.abs(found - wanted)[visible].mean() < 4  # compression of a smooth picture


def photograph(path: Path) -> None:
    """As a camera that was held upright writes it."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = 6, "Camera & Sons"
    exif.get_ifd(ExifTags.IFD.Exif).update({0xA002: 23, 0xA003: 37, ExifTags.Base.ExposureTime: 0.25})
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({ExifTags.GPS.GPSLatitudeRef: "N"})
    Image.fromarray(noise(3, 8)).save(path, exif=exif, icc_profile=PROFILE, xmp=XMP)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_notes_of_a_photograph(tmp_path: Path, suffix: str) -> None:
    photograph(tmp_path / "photo.jpg")
    notes = read_picture(tmp_path / "photo.jpg").notes
    assert notes.lost == ""
    large = np.zeros((46, 74, 3), np.uint8)
    write(tmp_path / f"a{suffix}", large, notes)
    with Image.open(tmp_path / f"a{suffix}") as found:
        found.load()
        exif = found.getexif()
        assert found.info["icc_profile"] == PROFILE
        assert found.info["xmp"] == XMP.replace(b'"6"', b'"1"')
        assert exif[ExifTags.Base.Orientation] == 1
        assert exif[ExifTags.Base.Make] == "Camera & Sons"
        directory = exif.get_ifd(ExifTags.IFD.Exif)
        assert (directory[0xA002], directory[0xA003]) == (74, 46)
        assert directory[ExifTags.Base.ExposureTime] == 0.25
        assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
    again = read_picture(tmp_path / f"a{suffix}")
    assert again.pixels.shape == large.shape  # not turned once more
    assert again.notes.exif_of(46, 74) == notes.exif_of(46, 74) or suffix in (".tif", ".tiff")
    assert again.notes.xmp == notes.xmp


def test_a_tiff_keeps_its_tags_and_gets_its_own_size(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "small.tif", noise(3, 16), description="A street.", resolution=(300, 300), tile=(16, 16)
    )
    notes = read_picture(tmp_path / "small.tif").notes
    write(tmp_path / "large.tif", np.zeros((74, 46, 3), np.uint16), notes)
    with tifffile.TiffFile(tmp_path / "large.tif") as found:
        assert found.pages[0].shape == (74, 46, 3)
        assert found.pages[0].tags["ImageDescription"].value == "A street."
        assert found.pages[0].tags["XResolution"].value == (300, 1)
        assert "TileWidth" not in found.pages[0].tags


def test_texts_and_colours_of_a_png(tmp_path: Path) -> None:
    Image.fromarray(noise(3, 8)).save(tmp_path / "small.png")
    gamma = (100_000).to_bytes(4, "big")
    content = with_chunks((tmp_path / "small.png").read_bytes(), tEXt=b"Author\0me", gAMA=gamma, teSt=b"private")
    (tmp_path / "small.png").write_bytes(content)
    notes = read_picture(tmp_path / "small.png").notes
    write(tmp_path / "large.png", noise(3, 8), notes)
    with Image.open(tmp_path / "large.png") as found:
        found.load()
        assert found.info["Author"] == "me"
        assert found.info["gamma"] == 1.0
    assert b"private" not in (tmp_path / "large.png").read_bytes()
    with pytest.raises(InputError, match="what only PNG can hold"):
        write(tmp_path / "large.webp", noise(3, 8), notes)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_exif_that_is_damaged_is_left_out_and_said(tmp_path: Path) -> None:
    Image.fromarray(noise(3, 8)).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0" + bytes([255] * 40))
    notes = read_picture(tmp_path / "a.jpg").notes
    assert (notes.exif, notes.lost) == (b"", "its EXIF data are damaged, and left out")


def test_what_a_format_cannot_hold(tmp_path: Path) -> None:
    for name, layout, words in (
        ("a.jpg", PixelLayout(65536, 4, 3, 8), r"4 x 65,536; \.jpg holds sides of 65,535"),
        ("a.webp", PixelLayout(4, 16384, 3, 8), r"\.webp holds sides of 16,383"),
        ("a.tif", PixelLayout(30000, 30000, 3, 16), "TIFF holds 4,227,858,432 at most"),
        ("a.JPG", PixelLayout(4, 4, 4, 8), "has transparency, which JPEG lacks"),
    ):
        with pytest.raises(InputError, match=words):
            check_fit(tmp_path / name, layout)
    check_fit(tmp_path / "a.png", PixelLayout(2**20, 2**20, 4, 16))
    with pytest.raises(InputError, match="too long for JPEG"):
        check_fit(tmp_path / "a.jpg", PixelLayout(4, 4, 3, 8), Notes(xmp=bytes(70_000)))


def test_a_writer_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    def bands():
        yield noise(3, 8)[:20]
        raise KeyboardInterrupt

    for suffix in SUFFIXES:
        with pytest.raises(KeyboardInterrupt):
            write_picture(tmp_path / f"a{suffix}", bands(), PixelLayout(37, 23, 3, 8))
    assert list(tmp_path.iterdir()) == []
