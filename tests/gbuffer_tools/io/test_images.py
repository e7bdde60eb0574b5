"""Image files: pixels and numbers as they are, sizes before decoding, and what is refused."""

import errno
import os
import resource
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from gbuffer_tools.errors import InputError
from gbuffer_tools.io.images import image_size, read_image, read_pixels, write_png
from gbuffer_tools.renderdoc.child_process import in_child
from tests.gbuffer_tools.pictures import palette_png, picture


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


def memory_to_refuse(path: Path) -> int:
    """Bytes; for a process of its own, whose peak is its own, too."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match="not a readable image"):
        read_image(path)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024


def test_a_chunk_that_promises_a_gigabyte_takes_none(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", picture())
    content = bytearray((tmp_path / "a.png").read_bytes())
    at = content.index(b"IDAT") - 4
    content[at : at + 4] = (2**30).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(content)
    assert in_child(memory_to_refuse, tmp_path / "a.png", seconds=60, what="a.png") < 2**26


def test_png_of_floats_is_a_mistake_of_ours(tmp_path: Path) -> None:
    with pytest.raises((ValueError, cv2.error)):
        write_png(tmp_path / "x.png", np.zeros((3, 3, 7), np.uint8))
    assert not list(tmp_path.iterdir())


class TestNumbers:
    def test_grey_and_colour_of_8_and_16_bits(self, tmp_path: Path) -> None:
        deep = np.arange(35, dtype=np.uint16).reshape(5, 7) * 1871
        store(tmp_path / "grey.png", picture()[..., 0])
        store(tmp_path / "deep.png", deep)
        store(tmp_path / "rgb.png", picture()[..., ::-1])
        store(tmp_path / "rgba.png", np.dstack([picture()[..., ::-1], picture(1)[..., 0]]))
        assert np.array_equal(read_pixels(tmp_path / "grey.png"), picture()[..., 0])
        assert np.array_equal(read_pixels(tmp_path / "deep.png"), deep)
        assert np.array_equal(read_pixels(tmp_path / "rgb.png"), picture())
        assert np.array_equal(read_pixels(tmp_path / "rgba.png"), np.dstack([picture(), picture(1)[..., 0]]))

    @pytest.mark.parametrize("bits", [1, 2, 4, 8])
    def test_a_palette_gives_the_numbers_of_its_colours(self, tmp_path: Path, bits: int) -> None:
        indices = np.random.default_rng(0).integers(0, 2**bits, (5, 9), np.uint8)
        (tmp_path / "x.png").write_bytes(palette_png(indices, bits))
        assert np.array_equal(read_pixels(tmp_path / "x.png"), indices)
        assert np.array_equal(read_image(tmp_path / "x.png"), np.dstack([255 - indices] * 3))

    @pytest.mark.parametrize("bits", [1, 2, 4])
    def test_a_few_bits_of_grey_are_numbers_too(self, tmp_path: Path, bits: int) -> None:
        indices = np.random.default_rng(0).integers(0, 2**bits, (5, 9), np.uint8)
        raw = palette_png(indices, bits)
        header = raw[12:25] + b"\0" + raw[26:29]  # colour type 0, without a palette
        at, data = raw.index(b"PLTE") - 4, raw.index(b"IDAT") - 4
        grey = raw[:12] + header + struct.pack(">I", zlib.crc32(header)) + raw[33:at] + raw[data:]
        (tmp_path / "x.png").write_bytes(grey)
        assert np.array_equal(read_pixels(tmp_path / "x.png"), indices)
        assert np.array_equal(read_image(tmp_path / "x.png"), np.dstack([indices * (255 // (2**bits - 1))] * 3))

    def test_floats_are_refused(self, tmp_path: Path) -> None:
        store(tmp_path / "x.tiff", picture().astype(np.float32))
        with pytest.raises(InputError, match=r"x\.tiff: holds float32, wanted an image of 8 or 16 bits"):
            read_pixels(tmp_path / "x.tiff")


class TestSize:
    @pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff"])
    def test_what_headers_state_is_what_is_decoded(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"x.{suffix}"
        store(path, picture(size=(50, 71)))
        assert image_size(path) == read_image(path).shape[:2] == (50, 71)

    def test_webp_with_loss_without_and_extended(self, tmp_path: Path) -> None:
        alpha = np.dstack([picture(size=(50, 71)), np.arange(3550, dtype=np.uint8).reshape(50, 71)])
        kinds = set()
        for quality, pixels in ((80, alpha[..., :3]), (101, alpha[..., :3]), (80, alpha)):
            _, data = cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, quality])
            (tmp_path / "x.webp").write_bytes(data.tobytes())
            kinds.add(data.tobytes()[12:16])
            assert image_size(tmp_path / "x.webp") == (50, 71)
        assert kinds == {b"VP8 ", b"VP8L", b"VP8X"}

    def test_a_progressive_jpeg_with_segments_before_its_size(self, tmp_path: Path) -> None:
        _, data = cv2.imencode(".jpg", picture(size=(50, 71)), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
        raw = data.tobytes()
        comment = b"\xff\xfe" + struct.pack(">H", 6) + b"\xff\xc0ab"
        (tmp_path / "x.jpg").write_bytes(raw[:2] + comment + raw[2:])
        assert image_size(tmp_path / "x.jpg") == (50, 71)

    def test_sides_beyond_the_limit_are_refused_undecoded(self, tmp_path: Path) -> None:
        raw = bytearray(palette_png(np.zeros((4, 4), np.uint8)))
        raw[16:24] = struct.pack(">II", 16385, 1)
        (tmp_path / "x.png").write_bytes(raw)
        for read in (image_size, read_image, read_pixels):
            with pytest.raises(InputError, match=r"sides are 16,385 x 1, wanted 1\.\.16384"):
                read(tmp_path / "x.png")

    def test_random_damage_is_one_line_or_harmless(self, tmp_path: Path) -> None:
        rng, lines = np.random.default_rng(0), set()
        for suffix in (".png", ".jpg", ".webp", ".bmp", ".tiff"):
            whole = cv2.imencode(suffix, picture(size=(20, 30)))[1].tobytes()
            for _ in range(60):
                damaged = bytearray(whole[: rng.integers(2, len(whole) + 1)])
                for _ in range(3):
                    damaged[rng.integers(len(damaged))] = rng.integers(256)
                (tmp_path / "x").write_bytes(damaged)
                for read in (read_image, read_pixels):
                    try:
                        assert max(read(tmp_path / "x").shape) <= 16384
                    except InputError as error:
                        lines.add(len(str(error).splitlines()))
        assert lines == {1}


def broken_png(how: str) -> bytes:
    raw = bytearray(cv2.imencode(".png", picture(size=(20, 30)))[1].tobytes())
    at = raw.index(b"IDAT")
    if how == "a bit of its pixels":
        raw[at + 20] ^= 1
    elif how == "a bit of its header":
        raw[25] ^= 2
    elif how == "without an end":
        del raw[-12:]
        del raw[-40:]
    return bytes(raw)


@pytest.mark.parametrize("how", ["a bit of its pixels", "a bit of its header", "without an end", "a cut TIFF"])
def test_a_damaged_file_is_refused_without_words_of_the_libraries(tmp_path: Path, capfd, how: str) -> None:
    content = cv2.imencode(".tif", picture())[1].tobytes()[:-60] if how == "a cut TIFF" else broken_png(how)
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError, match="not a readable image"):
        read_image(tmp_path / "x")
    assert capfd.readouterr() == ("", "")


def test_a_png_whose_comment_is_damaged_is_read(tmp_path: Path) -> None:
    """What programs write about an image may be wrong without harm."""
    raw = palette_png(np.arange(12, dtype=np.uint8).reshape(3, 4))
    note = b"tEXt" + b"Comment\0red"
    chunk = struct.pack(">I", len(note) - 4) + note + b"\1\2\3\4"
    (tmp_path / "x.png").write_bytes(raw[:33] + chunk + raw[33:])
    assert read_image(tmp_path / "x.png").shape == (3, 4, 3)


def test_a_disk_that_fails_has_the_name_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_png(tmp_path / "a.png", np.zeros((4, 5, 3), np.uint8))

    def fail(_: Path) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))  # of reading, Python does not say the file

    monkeypatch.setattr(Path, "read_bytes", fail)
    for read in (read_image, read_pixels):
        with pytest.raises(InputError, match=r"a\.png: cannot be read \(Input/output error\)"):
            read(tmp_path / "a.png")
