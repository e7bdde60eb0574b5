"""What pictures hold is in the large ones, too: 16 bits, alpha, light above white, notes; in the format they had."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from app.upscale import build_parser, main
from epe.networks.generators import build_upscaler
from gbuffer_tools.command import run
from gbuffer_tools.exr import reader as exr
from gbuffer_tools.picture_file.reader import read_picture
from tests.app.made import plain_upscaler, upscaler_file
from tests.gbuffer_tools.made_exr import write_exr
from tests.gbuffer_tools.made_icc import ADOBE, of_rgb


@pytest.fixture(scope="module")
def repeats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that repeats pixels: what else happens to a picture can be told exactly."""
    return upscaler_file(plain_upscaler(repeats=True), tmp_path_factory.mktemp("model") / "repeats.safetensors")


@pytest.fixture(scope="module")
def changes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return upscaler_file(plain_upscaler(), tmp_path_factory.mktemp("model") / "changes.safetensors")


def upscale(*words: object) -> int:
    return run(main, build_parser(), [*map(str, words), "--device", "cpu"])


def doubled(pixels: np.ndarray) -> np.ndarray:
    return pixels.repeat(2, 0).repeat(2, 1)


def noise(channels: int, bits: int = 8, size: tuple[int, int] = (13, 17)) -> np.ndarray:
    kind = np.uint8 if bits == 8 else np.uint16
    return np.random.default_rng(channels).integers(0, 2**bits, (*size, channels), kind)


def stored(path: Path, pixels: np.ndarray) -> Path:
    """By OpenCV, as Pillow keeps 16 bits of grey alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels[..., [2, 1, 0, 3][: pixels.shape[2]]] if pixels.shape[2] > 1 else pixels)
    return path


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_numbers_survive_to_the_last(repeats: Path, tmp_path: Path, suffix: str, channels: int, bits: int) -> None:
    pixels = noise(channels, bits)
    if channels == 4:
        pixels[..., 3] = np.maximum(pixels[..., 3], 1)  # what is hidden takes other colours
    assert upscale(repeats, stored(tmp_path / f"a{suffix}", pixels), "--out", tmp_path / "out") == 0
    found = read_picture(tmp_path / "out" / f"a{suffix}").pixels
    assert found.dtype == pixels.dtype
    assert np.array_equal(found, doubled(pixels))


def test_every_format_stays_and_bmp_becomes_png(repeats: Path, tmp_path: Path) -> None:
    for number, suffix in enumerate((".png", ".jpg", ".JPEG", ".webp", ".tif", ".tiff", ".bmp")):
        picture = Image.fromarray(noise(3))
        (tmp_path / "in").mkdir(exist_ok=True)
        picture.save(tmp_path / "in" / f"{number}{suffix}")
    assert upscale(repeats, tmp_path / "in", "--out", tmp_path / "out") == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["0.png", "1.jpg", "2.JPEG", "3.webp", "4.tif", "5.tiff", "6.png"]
    kinds = [Image.open(tmp_path / "out" / name).format for name in names]
    assert kinds == ["PNG", "JPEG", "JPEG", "WEBP", "TIFF", "TIFF", "PNG"]
    assert upscale(repeats, tmp_path / "in", "--out", tmp_path / "tif", "--format", "tif") == 0
    assert {path.suffix for path in (tmp_path / "tif").iterdir()} == {".tif"}


def test_a_folder_gives_what_single_files_give(changes: Path, tmp_path: Path) -> None:
    pytest.importorskip("OpenEXR")
    stored(tmp_path / "in/deep.png", noise(4, 16))
    stored(tmp_path / "in/b/grey.tif", noise(1, 8))
    Image.fromarray(noise(4)).save(tmp_path / "in/c.webp")
    light = {c: np.full((5, 6), 3.0, np.float16) for c in "RGB"}
    write_exr(tmp_path / "in/b/light.exr", light)
    assert upscale(changes, tmp_path / "in", "--out", tmp_path / "all") == 0
    made = sorted(path.relative_to(tmp_path / "all") for path in (tmp_path / "all").rglob("*.*"))
    assert [path.as_posix() for path in made] == ["b/grey.tif", "b/light.exr", "c.webp", "deep.png"]
    for path in made:
        assert upscale(changes, tmp_path / "in" / path, "--out", tmp_path / "one") == 0
        assert (tmp_path / "one" / path.name).read_bytes() == (tmp_path / "all" / path).read_bytes()


def test_hidden_colours_do_not_bleed(changes: Path, tmp_path: Path) -> None:
    pixels = noise(4)
    pixels[:, 8:, 3], pixels[:, :8, 3] = 0, 255
    other = np.where(pixels[..., 3:] > 0, pixels, noise(4) ^ 77)
    other[..., 3] = pixels[..., 3]
    for name, picture in (("a", pixels), ("b", other)):
        assert upscale(changes, stored(tmp_path / f"{name}.png", picture), "--out", tmp_path / "out") == 0
    found = [read_picture(tmp_path / f"out/{name}.png").pixels for name in "ab"]
    assert np.array_equal(*found)
    assert (found[0][:, :14, 3] == 255).all()
    assert (found[0][:, 18:, 3] == 0).all()


def test_one_pixel(tmp_path: Path) -> None:
    model = upscaler_file(build_upscaler("rrdb-x4-tiny"), tmp_path / "m.safetensors")
    for channels in (1, 3, 4):
        assert (
            upscale(model, stored(tmp_path / f"{channels}.png", noise(channels, 16, (1, 1))), "--out", tmp_path / "o")
            == 0
        )
        assert read_picture(tmp_path / f"o/{channels}.png").pixels.shape == (4, 4, channels)


def test_a_texture_goes_on_at_its_other_side(changes: Path, tmp_path: Path) -> None:
    pixels = noise(3)
    for name, picture in (("a", pixels), ("b", np.roll(pixels, (4, 6), (0, 1)))):
        stored(tmp_path / "in" / f"{name}.png", picture)
    assert upscale(changes, tmp_path / "in", "--out", tmp_path / "plain") == 0
    assert upscale(changes, tmp_path / "in", "--out", tmp_path / "round", "--circular") == 0
    for kind, max_difference in (("plain", 255), ("round", 1)):
        a, b = (read_picture(tmp_path / kind / f"{name}.png").pixels.astype(int) for name in "ab")
        differ = np.abs(np.roll(a, (8, 12), (0, 1)) - b).max()
        assert differ <= max_difference  # a value on the edge of rounding
        assert differ <= 1 or kind == "plain"
        assert differ > 5 or kind == "round"


def test_notes_of_a_photograph(repeats: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Artist] = 8, "Me"
    Image.fromarray(noise(3)).save(tmp_path / "a.jpg", exif=exif, icc_profile=of_rgb(ADOBE))
    assert upscale(repeats, tmp_path / "a.jpg", "--out", tmp_path / "out") == 0
    with Image.open(tmp_path / "out/a.jpg") as found:
        assert found.size == (26, 34)  # upright: turned by a quarter
        assert found.getexif()[ExifTags.Base.Orientation] == 1
        assert found.getexif()[ExifTags.Base.Artist] == "Me"
        assert found.info["icc_profile"] == of_rgb(ADOBE)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_what_is_left_out_is_said(repeats: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(noise(3)).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0" + bytes([255] * 40))
    assert upscale(repeats, tmp_path / "a.jpg", "--out", tmp_path / "out") == 0
    assert "a.jpg: its EXIF data are damaged, and left out" in capsys.readouterr().err


class TestEXR:
    @pytest.fixture(autouse=True)
    def needs(self) -> None:
        pytest.importorskip("OpenEXR")

    @pytest.mark.parametrize("kind", [np.float16, np.float32])
    def test_light_above_white_alpha_and_texts(self, repeats: Path, tmp_path: Path, kind: type, capsys) -> None:
        levels = np.array([0.0, 0.18, 1.0, 50.0, 60000.0, -0.25], kind)
        even = levels.repeat(4)[None].repeat(4, 0)  # six even squares in a row
        channels = {c: even for c in "RGBA"} | {"A": np.full((4, 24), 0.5, kind), "Z": even.astype(np.float32)}
        write_exr(tmp_path / "a.exr", channels, owner="Me")
        assert upscale(repeats, tmp_path / "a.exr", "--out", tmp_path / "out") == 0
        assert "a.exr: left out, as they are no picture: Z" in capsys.readouterr().err
        found, header = exr.read(tmp_path / "out/a.exr")
        assert header.attributes["owner"] == "Me"
        assert set(found) == set("RGBA")
        for name in "RGB":
            assert found[name].dtype == kind
            assert found[name].shape == (8, 48)
            # Through sRGB and back; half floats round.
            np.testing.assert_allclose(
                found[name][3, 3::8], levels, rtol=1e-3 if kind is np.float16 else 1e-5, atol=1e-6
            )
        assert (found["A"] == 0.5).all()

    def test_it_is_written_as_nothing_else(self, repeats: Path, tmp_path: Path, capsys) -> None:
        light = np.random.default_rng(0).random((40, 40)).astype(np.float16)
        write_exr(tmp_path / "a.exr", dict.fromkeys("RGB", light))
        assert upscale(repeats, tmp_path / "a.exr", "--out", tmp_path / "out", "--format", "png") == 2
        assert "is written as EXR alone" in capsys.readouterr().err
        content = (tmp_path / "a.exr").read_bytes()
        (tmp_path / "a.exr").write_bytes(content[:-400])
        assert upscale(repeats, tmp_path / "a.exr", "--out", tmp_path / "out") == 2
        assert "a.exr: damaged" in capsys.readouterr().err.splitlines()[-1]


def test_transparency_and_jpeg(repeats: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored(tmp_path / "a.png", noise(4))
    assert upscale(repeats, tmp_path / "a.png", "--out", tmp_path / "out", "--format", "jpg") == 2
    assert "has transparency, which JPEG lacks" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()
