"""Reads other people's OpenEXR files: we check the header before the library sees a pixel.

A header can declare terabytes in a few bytes, and the library (PyPI's OpenEXR) trusts it, reads every channel, and
reports damaged pixels only on its outputs. So the header is parsed here, following the published description of the
file layout (openexr.com, "OpenEXR File Layout"), within stated limits; then the library reads, silenced, and its
result is compared with the header.

The library runs in this process: 62,000 damaged files of all its compressions (tests/gbuffer_tools/exr/test_reader.py
runs a sample of them) ended in an error or in other pixels, none in a crash. A separate process would cost 0.3 s per
frame.
"""

import io
import os
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gbuffer_tools.errors import InputError, NotInstalledError, one_line
from gbuffer_tools.exr.attributes import values
from gbuffer_tools.exr.header import ExrHeader, ExrPart, Window
from gbuffer_tools.frame import MAX_FRAME_BYTES, MAX_SIDE, Array
from gbuffer_tools.io.recognise import refusal
from gbuffer_tools.io.text import plain

MAGIC = b"\x76\x2f\x31\x01"
TILED, LONG_NAMES, DEEP, MULTIPART = 0x200, 0x400, 0x800, 0x1000
COMPRESSIONS = (
    "none", "rle", "zips", "zip", "piz", "pxr24", "b44", "b44a", "dwaa", "dwab", "htj2k256", "htj2k32", "lj2k", "zstd",
)  # fmt: skip
PIXELS = (np.dtype(np.uint32), np.dtype(np.float16), np.dtype(np.float32))
MAX_HEADER_BYTES = 32 * 2**20
"""The manifests of a film scene take megabytes."""
MAX_CHANNELS, MAX_PARTS = 512, 64
MAX_BYTES = 4 * MAX_FRAME_BYTES
"""The limit for all channels together: 100 float channels of a frame of 3840 x 2160 take 3.3 GB."""
MAX_COORDINATE = 2**24
READ_AT_ONCE = 65536
CHROMA = "it holds luminance and chroma (Y, RY, BY); write R, G, B at full resolution"


def header(path: Path) -> ExrHeader:
    """Parse and check a file's header.

    Raises:
        InputError: not a readable EXR file; or deep, subsampled or mipmapped pixels, or beyond the limits.
    """
    try:
        with path.open("rb") as file:
            return _Parser(file, path).header()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); wanted an OpenEXR file") from error


def read(path: Path) -> tuple[dict[str, Array], ExrHeader]:
    """All channels of a file, over its display window; 0 where a part has no pixels.

    Returns:
        Channel `layer.pass.component` -> (H,W) float16, float32 or uint32; and the header.

    Raises:
        InputError: as for `header`; damaged pixels; or the package OpenEXR is missing.
    """
    known = header(path)
    channels: dict[str, Array] = {}
    for part, found in zip(known.parts, _decode(path, known), strict=True):
        for name, dtype in part.channels.items():
            pixels = found.get(name)
            if pixels is None or pixels.shape != part.data.shape or pixels.dtype != dtype:
                raise InputError(f"{path}: channel {name!r} is not as its header says; write the file again")
            channels[part.full(name)] = _placed(pixels, part.data, known.display)
    return channels, known


def _placed(pixels: Array, data: Window, display: Window) -> Array:
    """The pixels of the data window, moved into the display window."""
    if data == display:
        return pixels
    placed = np.zeros(display.shape, pixels.dtype)
    x0, y0 = max(data.x0, display.x0), max(data.y0, display.y0)
    x1, y1 = min(data.x1, display.x1) + 1, min(data.y1, display.y1) + 1
    if x0 < x1 and y0 < y1:
        inner = pixels[y0 - data.y0 : y1 - data.y0, x0 - data.x0 : x1 - data.x0]
        placed[y0 - display.y0 : y1 - display.y0, x0 - display.x0 : x1 - display.x0] = inner
    return placed


def _decode(path: Path, known: ExrHeader) -> list[dict[str, Array]]:
    """The library's channels, per part."""
    try:
        import OpenEXR
    except ImportError as error:
        raise NotInstalledError(f"{path}: reading it needs a package; pip install 'OpenEXR>=3.4'") from error
    try:
        with _quiet() as said:
            # One thread: extract runs many processes already.
            file = OpenEXR.File(str(path), separate_channels=True, num_threads=0)
        parts = [{name: channel.pixels for name, channel in part.channels.items()} for part in file.parts]
    # What the library raises on damaged files; UnicodeDecodeError is a ValueError.
    except (RuntimeError, ValueError, TypeError, OSError, KeyError, MemoryError) as error:
        raise InputError(f"{path}: damaged ({one_line(error)[-160:]}); write it again") from error
    if len(parts) != len(known.parts):
        reason = " ".join(said.getvalue().split())[-160:].removeprefix("Warning: ")
        raise InputError(f"{path}: damaged ({reason or 'pixels are missing'}); write it again")
    return parts


_OUTPUTS = threading.Lock()


@contextmanager
def _quiet() -> Iterator[io.StringIO]:
    """Catch what the library prints about damaged files; our one line says it.

    One thread at a time: the outputs belong to the process, and threads would restore each other's redirections.
    """
    with _OUTPUTS, _redirected() as said:
        yield said


@contextmanager
def _redirected() -> Iterator[io.StringIO]:
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        with redirect_stdout(io.StringIO()) as said:
            yield said
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class _Parser:
    """Reads a header from the start of a file, never more than `MAX_HEADER_BYTES`."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.file, self.path = file, path
        self.bytes, self.at = b"", 0

    def header(self) -> ExrHeader:
        if self.take(4) != MAGIC:
            raise refusal(self.path, "", f"got {self.bytes[:4]!r} at the start, wanted an OpenEXR file")
        (version,) = struct.unpack("<I", self.take(4))
        flags = version & ~0xFF
        if version & 0xFF != 2 or flags & ~(TILED | LONG_NAMES | DEEP | MULTIPART):
            raise self.bad(
                f"version {version & 0xFF}, flags {flags:#x}; this program reads scanline files of version 2"
            )
        raws = [self.attributes()]
        while flags & MULTIPART:
            if self.peek() == b"\0":
                break
            if len(raws) == MAX_PARTS:
                raise self.bad(f"more than {MAX_PARTS} parts")
            raws.append(self.attributes())
        if flags & DEEP or any(b"deep" in raw.get("type", ("", b""))[1] for raw in raws):
            raise self.bad("holds deep pixels; flatten it to one value a pixel")
        many = len(raws) > 1
        found = ExrHeader(
            tuple(self.part(raw, many) for raw in raws),
            self.window(raws[0], "displayWindow"),
            {key: value for raw in reversed(raws) for key, value in values(raw)},
        )
        if any(self.window(raw, "displayWindow") != found.display for raw in raws):
            raise self.bad("its parts have different display windows; write them to files of their own")
        self.check(found)
        return found

    def check(self, found: ExrHeader) -> None:
        """The limits that concern the whole file."""
        names = found.channels
        if not 0 < len(names) <= MAX_CHANNELS:
            raise self.bad(f"{len(names)} channels, wanted 1..{MAX_CHANNELS}")
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise self.bad(f"channel {min(twice)!r} is there twice")
        for size in (found.bytes_stored, found.bytes_placed):
            if size > MAX_BYTES:
                raise self.bad(f"{len(names)} channels take {size:,} bytes, wanted at most {MAX_BYTES:,}")

    def bad(self, what: str) -> InputError:
        return InputError(f"{self.path}: {what}")

    def peek(self) -> bytes:
        found = self.take(1)
        self.at -= 1
        return found

    def take(self, count: int) -> bytes:
        """The header's next bytes."""
        wanted = self.at + count
        if wanted > MAX_HEADER_BYTES:
            raise self.bad(f"its header takes more than {MAX_HEADER_BYTES:,} bytes")
        while len(self.bytes) < wanted:
            more = self.file.read(max(READ_AT_ONCE, wanted - len(self.bytes)))
            if not more:
                raise refusal(self.path, "cut off within its header", "; write it again", ("OpenEXR",))
            self.bytes += more
        found = self.bytes[self.at : wanted]
        self.at = wanted
        return found

    def name(self) -> str:
        """A text of at most 255 bytes that ends with a zero byte."""
        found = bytearray()
        while (byte := self.take(1)) != b"\0":
            found += byte
            if len(found) > 255:
                raise self.bad("has a name of more than 255 bytes in its header")
        return self.text(bytes(found), "a name")

    def text(self, raw: bytes, what: str) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise self.bad(f"{what} in its header is no UTF-8 text ({raw[:20]!r})") from error

    def attributes(self) -> dict[str, tuple[str, bytes]]:
        """One part's attributes: name -> (type, bytes)."""
        found: dict[str, tuple[str, bytes]] = {}
        while name := self.name():
            kind = self.name()
            (size,) = struct.unpack("<i", self.take(4))
            if size < 0 or name in found:
                raise self.bad(f"attribute {name!r} of its header has {size} bytes or is there twice; write it again")
            found[name] = (kind, self.take(size))
        return found

    def part(self, raw: dict[str, tuple[str, bytes]], many: bool) -> ExrPart:
        """What a part holds."""
        code = self.raw(raw, "compression", "compression", 1)[0]
        if code >= len(COMPRESSIONS):
            raise self.bad(f"compression {code} is unknown; write it with zip")
        name = self.text(raw["name"][1], "a part's name") if many and "name" in raw else ""
        view = plain(raw["view"][1].decode(errors="replace")) if many and "view" in raw else ""
        found = ExrPart(name, self.channels(raw), self.window(raw, "dataWindow"), COMPRESSIONS[code], view)
        if "tiles" in raw:
            width, height, levels = struct.unpack("<IIB", self.raw(raw, "tiles", "tiledesc", 9))
            if levels & 0xF:
                raise self.bad("holds its picture in several sizes (mipmaps); write one")
            if not 0 < width * height * found.bytes_a_pixel <= MAX_BYTES or max(width, height) > MAX_SIDE:
                raise self.bad(f"tiles of {width} x {height}, wanted sides of 1..{MAX_SIDE}")
        return found

    def raw(self, raw: dict[str, tuple[str, bytes]], name: str, kind: str, size: int) -> bytes:
        """A required attribute of a fixed size."""
        got, value = raw.get(name, ("nothing", b""))
        if got != kind or len(value) != size:
            raise self.bad(f"{name} in its header is {got!r} of {len(value)} bytes, wanted {kind} of {size}")
        return value

    def window(self, raw: dict[str, tuple[str, bytes]], name: str) -> Window:
        found = Window(*struct.unpack("<4i", self.raw(raw, name, "box2i", 16)))
        within = all(abs(n) <= MAX_COORDINATE for n in (found.x0, found.y0, found.x1, found.y1))
        if not within or not (min(found.shape) > 0 and max(found.shape) <= MAX_SIDE):
            raise self.bad(f"{name} is {found.shape[1]} x {found.shape[0]}, wanted sides of 1..{MAX_SIDE}")
        return found

    def channels(self, raw: dict[str, tuple[str, bytes]]) -> dict[str, np.dtype]:
        """Channel -> element type. An entry is name, 0, then type, linearity and 3 unused bytes, x and y sampling."""
        kind, value = raw.get("channels", ("nothing", b""))
        if kind != "chlist" or value[-1:] != b"\0":
            raise self.bad(f"channels in its header are {kind!r}, wanted a chlist")
        found: dict[str, np.dtype] = {}
        at = 0
        while value[at : at + 1] not in (b"\0", b""):
            end = value.find(b"\0", at)
            name = self.text(value[at:end], "a channel's name")
            if len(value) < end + 17 or end - at > 255 or len(found) == MAX_CHANNELS:
                raise self.bad(f"its list of channels is damaged, or longer than {MAX_CHANNELS}")
            pixel, _, across, down = struct.unpack("<iIii", value[end + 1 : end + 17])
            if not 0 <= pixel < len(PIXELS) or name in found:
                raise self.bad(f"channel {name!r} has pixels of the unknown type {pixel}, or is there twice")
            if (across, down) != (1, 1):
                how = f"; {CHROMA}" if name.endswith(("RY", "BY")) else "; write it at full resolution"
                raise self.bad(f"channel {name!r} is subsampled ({across} x {down}){how}")
            found[name] = PIXELS[pixel]
            at = end + 17
        if any(f"{name[:-2]}BY" in found for name in found if name.endswith("RY")):
            raise self.bad(CHROMA)
        return found
