"""PNG files, written row by row (PNG specification, 3rd edition).

Every row is stored as its difference from the row above (filter "up"), which zlib packs well for enlarged pictures.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gbuffer_tools.io.images import PNG
from gbuffer_tools.picture_file.layout import PixelLayout
from gbuffer_tools.picture_file.notes import XMP_KEYWORD, Notes

COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""By the number of channels."""
UP = 2
AT_ONCE = 2**24
"""Bytes that are filtered and packed at once."""


def write_png(path: Path, bands: Iterable[np.ndarray], layout: PixelLayout, notes: Notes) -> None:
    """Write a PNG; arguments as for `gbuffer_tools.picture_file.writer.write_picture`."""
    packer = zlib.compressobj()
    with path.open("wb") as file:
        file.write(PNG)
        header = (layout.width, layout.height, layout.bits, COLOUR_TYPES[layout.channels], 0, 0, 0)
        _put(file, b"IHDR", struct.pack(">IIBBBBB", *header))
        for kind, data in _notes(notes, layout):
            _put(file, kind, data)
        above = np.zeros(layout.row_bytes, np.uint8)
        step = max(AT_ONCE // layout.row_bytes, 1)
        for band in bands:
            for top in range(0, len(band), step):
                rows = band[top : top + step]
                rows = np.ascontiguousarray(rows, ">u2" if layout.bits == 16 else None)
                rows = rows.reshape(len(rows), -1).view(np.uint8)
                filtered = np.empty((len(rows), 1 + layout.row_bytes), np.uint8)
                filtered[:, 0] = UP
                np.subtract(rows, np.concatenate([above[None], rows[:-1]]), out=filtered[:, 1:])
                above = rows[-1].copy()
                _put(file, b"IDAT", packer.compress(filtered.data))
        _put(file, b"IDAT", packer.flush())
        _put(file, b"IEND", b"")


def _notes(notes: Notes, layout: PixelLayout) -> Iterator[tuple[bytes, bytes]]:
    """Chunks that precede the pixels. A profile overrides sRGB, so the two are not written together."""
    if notes.icc:
        yield b"iCCP", b"ICC\0\0" + zlib.compress(notes.icc)
    exif = notes.exif_of(layout.height, layout.width)
    if exif:
        yield b"eXIf", exif.removeprefix(b"Exif\0\0")
    if notes.xmp and not any(data.startswith(XMP_KEYWORD) for _, data in notes.chunks):
        yield b"iTXt", XMP_KEYWORD + b"\0\0\0\0\0" + notes.xmp
    yield from (chunk for chunk in notes.chunks if not (notes.icc and chunk[0] == b"sRGB"))


def _put(file: BinaryIO, kind: bytes, data: bytes) -> None:
    if data or kind == b"IEND":
        file.write(struct.pack(">I", len(data)) + kind)
        file.write(data)
        file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))
