"""PNGs that say what their numbers mean: closed forms, and the same pixels by whatever way they are decoded."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from gbuffer_tools.errors import InputError
from gbuffer_tools.geometry import linear_to_srgb
from gbuffer_tools.io import colour
from gbuffer_tools.io.images import read_image, read_pixels, write_png
from gbuffer_tools.io.png_colour import coding_of
from tests.gbuffer_tools.pictures import palette_png, picture, with_chunks

IEC, LINEAR, BT709, SAME = bytes((1, 13, 0, 1)), bytes((1, 8, 0, 1)), bytes((1, 1, 0, 1)), bytes((9, 13, 0, 1))


def png(tmp_path: Path, pixels: np.ndarray, **chunks: bytes) -> Path:
    content = cv2.imencode(".png", pixels[..., ::-1] if pixels.ndim == 3 else pixels)[1].tobytes()
    path = tmp_path / "a.png"
    path.write_bytes(with_chunks(content, **chunks))
    return path


def gamma(value: float) -> bytes:
    return struct.pack(">I", round(value * 1e5))


def points(space: str) -> bytes:
    *primaries, white = colour.SPACES[space]
    return struct.pack(">8I", *(round(n * 1e5) for point in (white, *primaries) for n in point))


@pytest.mark.parametrize(
    "chunks",
    [
        {"gAMA": gamma(0.45455), "cHRM": points("Rec.709")},  # as most programs say sRGB
        {"gAMA": gamma(1), "sRGB": b"\0"},
        {"cICP": IEC, "gAMA": gamma(1)},
        {"cICP": b"\1\15"},
        {"gAMA": gamma(0)},
        {"gAMA": b"\1"},
        {"cHRM": bytes(32)},
    ],
)
def test_srgb_however_it_is_said_and_chunks_that_say_nothing(tmp_path, chunks):
    pixels = picture(1)
    assert coding_of(png(tmp_path, pixels, **chunks).read_bytes()) is None
    assert np.array_equal(read_image(tmp_path / "a.png"), pixels)


@pytest.mark.parametrize("chunks", [{"gAMA": gamma(1)}, {"cICP": LINEAR}])
@pytest.mark.parametrize("bits", [8, 16])
def test_linear_light(tmp_path, chunks, bits):
    stored = np.array([[[0, 2, 128], [255, 64, 17]]]) / 255
    top = 2**bits - 1
    path = png(tmp_path, np.round(stored * top).astype(f"uint{bits}"), **chunks)
    assert np.array_equal(read_image(path), np.round(linear_to_srgb(stored) * 255))


def test_another_gamma_and_bt709s_curve(tmp_path):
    grey = np.array([[0, 40, 128, 255]], np.uint8)
    wanted = np.round(linear_to_srgb((grey / 255) ** 1.8) * 255)
    found = read_image(png(tmp_path, grey, gAMA=gamma(1 / 1.8)))
    assert np.array_equal(found, np.repeat(wanted[..., None], 3, 2))
    # H.273, table 3, 1: 0.5 is ((0.5 + 0.099) / 1.099)^(1 / 0.45) = 0.2597 of the light, 0.5468 in sRGB.
    half = read_image(png(tmp_path, np.array([[0, 128]], np.uint8), cICP=BT709))
    assert half[0, :, 0].tolist() == [0, 140]


@pytest.mark.parametrize(
    ("chunks", "space"),
    [
        ({"cICP": bytes((12, 13, 0, 1))}, "P3-D65"),
        ({"cHRM": points("Adobe RGB"), "gAMA": gamma(0.45455)}, "Adobe RGB"),
        ({"cICP": SAME, "cHRM": points("Rec.709")}, "Rec.2020"),
    ],
)
def test_primaries(tmp_path, chunks, space):
    colours = np.array([[(200, 100, 50), (90, 90, 90), (120, 130, 110)]], np.uint8)
    light = ((colours / 255 + 0.055) / 1.055) ** 2.4 @ colour.to_rec709(colour.SPACES[space]).T
    wanted = np.round(linear_to_srgb(np.clip(light, 0, 1)) * 255)
    found = read_image(png(tmp_path, colours, **chunks))
    assert np.array_equal(found, wanted)
    assert found[0, 1].tolist() == [90, 90, 90]
    assert found[0, 0, 0] > 200


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ((9, 16, 0, 1), "high dynamic range (PQ, by its chunk cICP)"),
        ((9, 18, 0, 1), "high dynamic range (HLG, by its chunk cICP)"),
        ((1, 13, 0, 0), "its colours are 1, 13, 0, 0 by its chunk cICP"),
        ((99, 13, 0, 1), "its colours are 99, 13, 0, 1 by its chunk cICP"),
    ],
)
def test_colours_that_cannot_be_followed_are_refused(tmp_path, said, words):
    with pytest.raises(InputError) as error:
        read_image(png(tmp_path, picture(1), cICP=bytes(said)))
    assert words in str(error.value)
    assert "convert it, or remove the chunk" in str(error.value)


def test_other_kinds_of_pixels_are_decoded_alike(tmp_path):
    """A chunk that changes nothing but takes the other way: sRGB by cICP over a profile that is left out."""
    path = tmp_path / "a.png"
    for content in (
        palette_png(np.arange(20, dtype=np.uint8).reshape(4, 5)),
        palette_png(np.arange(20, dtype=np.uint8).reshape(4, 5) % 2, 1),
        cv2.imencode(".png", np.dstack([picture(2), picture(3)[..., 0]]))[1].tobytes(),
        cv2.imencode(".png", picture(4)[..., 0])[1].tobytes(),
    ):
        path.write_bytes(content)
        plain = read_image(path)
        path.write_bytes(with_chunks(content, cICP=IEC, iCCP=b"x\0\0" + zlib.compress(b"no profile")))
        assert coding_of(path.read_bytes()) is not None
        assert np.array_equal(read_image(path), plain)


def test_numbers_are_not_colours(tmp_path):
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert np.array_equal(read_pixels(png(tmp_path, labels, gAMA=gamma(1))), labels)


def test_what_is_written_says_nothing_else(tmp_path):
    write_png(tmp_path / "a.png", picture(5))
    assert coding_of((tmp_path / "a.png").read_bytes()) is None
