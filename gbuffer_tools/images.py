"""Image files of others: how large they say they are is known, and bounded, before they are decoded."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from gbuffer_tools.atomic import replacing
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import MAX_FRAME_BYTES, MAX_SIDE

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
PNG = b"\x89PNG\r\n\x1a\n"
PALETTE = 3
"""Colour type of a PNG whose pixels are numbers of colours (PNG specification, 11.2.2)."""
MAX_SEGMENTS = 4096
MAX_FILE_BYTES = MAX_FRAME_BYTES
# Start of frame: what carries a JPEG's size. C4, C8 and CC in this range are other things (ITU T.81, table B.1).
JPEG_SIZES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) that the header of a PNG, JPEG, WebP, BMP or TIFF states; nothing is decoded.

    Raises:
        InputError: no such file, none of these, or a side beyond `MAX_SIDE`.
    """
    try:
        with path.open("rb") as file:
            size = _stated_size(file)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except (struct.error, ValueError):
        size = None
    if size is None or min(size) < 1:
        count = path.stat().st_size
        raise InputError(
            f"{path}: not a readable image ({count:,} bytes); wanted PNG, JPEG or WebP. Remove or replace it."
        )
    if max(size) > MAX_SIDE:
        raise InputError(
            f"{path}: not a readable image: its sides are {size[1]:,} x {size[0]:,}, wanted 1..{MAX_SIDE}."
        )
    return size


def _stated_size(file: BinaryIO) -> tuple[int, int] | None:
    head = file.read(32)
    if head.startswith(PNG) and head[12:16] == b"IHDR":
        width, height = struct.unpack(">II", head[16:24])
        return height, width
    if head.startswith(b"\xff\xd8"):
        return _jpeg_size(file)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return _webp_size(head)
    if head.startswith(b"BM"):
        width, height = struct.unpack("<ii", head[18:26])
        return abs(height), width
    if head[:4] in (b"II*\0", b"MM\0*"):
        return _tiff_size(file, "<" if head[0] == ord("I") else ">")
    return None


def _jpeg_size(file: BinaryIO) -> tuple[int, int] | None:
    """Walk the segments to the one that starts the frame."""
    file.seek(2)
    for _ in range(MAX_SEGMENTS):
        marker = file.read(1)
        while marker == b"\xff":
            marker = file.read(1)
        if not marker or marker in (b"\xd9", b"\xda"):
            return None
        length = struct.unpack(">H", file.read(2))[0]
        if marker[0] in JPEG_SIZES:
            height, width = struct.unpack(">xHH", file.read(5))
            return height, width
        file.seek(max(length - 2, 0), 1)
    return None


def _webp_size(head: bytes) -> tuple[int, int] | None:
    """RFC 9649: a lossy, a lossless, or an extended file."""
    kind = head[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        return height & 0x3FFF, width & 0x3FFF
    if kind == b"VP8L":
        bits = struct.unpack("<I", head[21:25])[0]
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if kind == b"VP8X":
        return int.from_bytes(head[27:30], "little") + 1, int.from_bytes(head[24:27], "little") + 1
    return None


def _tiff_size(file: BinaryIO, order: str) -> tuple[int, int] | None:
    """Tags 256 and 257 of the first directory (TIFF 6.0, section 2)."""
    file.seek(4)
    file.seek(struct.unpack(f"{order}I", file.read(4))[0])
    sides: dict[int, int] = {}
    for _ in range(min(struct.unpack(f"{order}H", file.read(2))[0], MAX_SEGMENTS)):
        entry = file.read(12)
        tag, kind = struct.unpack(f"{order}HH", entry[:4])
        if tag in (256, 257):
            sides[tag] = struct.unpack(f"{order}H" if kind == 3 else f"{order}I", entry[8 : 10 if kind == 3 else 12])[0]
    return (sides[257], sides[256]) if len(sides) == 2 else None


def read_image(path: Path) -> np.ndarray:
    """An image file as (H, W, 3) uint8, sRGB, RGB order; grey is repeated, alpha dropped, 16 bit scaled.

    Raises:
        InputError: not a readable image, or one too large.
    """
    pixels: np.ndarray = _decode(path, _content(path), cv2.IMREAD_COLOR)
    return np.ascontiguousarray(pixels[..., ::-1])


def read_pixels(path: Path) -> np.ndarray:
    """The numbers in an image file as they are: (H, W) or (H, W, 3 or 4) in RGBA order, uint8 or uint16.

    Of a PNG with a palette these are the numbers of the colours, which is what label maps mean by them.

    Raises:
        InputError: not a readable image, one too large, or of another type of numbers.
    """
    content = _content(path)
    bits = _palette_bits(content)
    if bits:
        # As if it were grey: OpenCV would look the colours up. Less than 8 bits it spreads over 0..255.
        return np.asarray(_decode(path, _grey_png(content), cv2.IMREAD_UNCHANGED) // (255 // (2**bits - 1)))
    pixels: np.ndarray = _decode(path, content, cv2.IMREAD_UNCHANGED)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{path}: holds {pixels.dtype}, wanted an image of 8 or 16 bits.")
    if pixels.ndim == 3:
        pixels = pixels[..., [2, 1, 0, *range(3, pixels.shape[2])]]
    return np.ascontiguousarray(pixels)


def _content(path: Path) -> bytes:
    height, width = image_size(path)
    count = path.stat().st_size
    if max(count, height * width * 3) > MAX_FILE_BYTES:
        raise InputError(f"{path}: {count:,} bytes, {width} x {height}; wanted at most {MAX_FILE_BYTES:,} bytes.")
    return path.read_bytes()


def _decode(path: Path, content: bytes, flags: int) -> np.ndarray:
    pixels = None
    if not content.startswith(PNG) or _is_whole_png(content):
        with suppress(cv2.error), _silent():  # raised for sizes that OpenCV itself refuses
            pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    if pixels is None:
        raise InputError(
            f"{path}: not a readable image ({len(content):,} bytes); wanted PNG, JPEG or WebP. Remove or replace it."
        )
    return pixels


@contextmanager
def _silent() -> Iterator[None]:
    """Without OpenCV's own lines about a file: ours says more. libjpeg's, of files that can be read, still come."""
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)


def _is_whole_png(content: bytes) -> bool:
    """Whether a PNG's chunks end within the file, and those without which there is no image are as they were written.

    OpenCV takes the memory that their lengths name, up to 2 GiB; of wrong check sums libpng prints a line of its own.
    """
    at, view = len(PNG), memoryview(content)
    while at + 12 <= len(content):
        end = at + 12 + int.from_bytes(view[at : at + 4], "big")
        kind, check = bytes(view[at + 4 : at + 8]), int.from_bytes(view[end - 4 : end], "big")
        needed = not kind[0] & 0x20  # capital letter (PNG specification, 5.4)
        if end > len(content) or (needed and zlib.crc32(view[at + 4 : end - 4]) != check):
            return False
        at = end
        if kind == b"IEND":
            break
    return at <= len(content)


def _palette_bits(content: bytes) -> int:
    """Bits a pixel of a PNG with a palette; 0 for all else."""
    return content[24] if content.startswith(PNG) and len(content) > 25 and content[25] == PALETTE else 0


def _grey_png(content: bytes) -> bytes:
    """The same PNG, its header saying grey instead of palette (colour type 0), without its transparency."""
    header = content[12:25] + b"\0" + content[26:29]
    kept, at = [content[:12] + header + struct.pack(">I", zlib.crc32(header))], 33
    while at + 8 <= len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")
        if content[at + 4 : at + 8] in (b"IDAT", b"IEND"):
            kept.append(content[at:end])
        at = end
    return b"".join(kept)


def write_png(path: Path, image: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB, or (H, W) uint8, losslessly; whole or not at all."""
    pixels = image[..., ::-1] if image.ndim == 3 else image
    done, data = cv2.imencode(".png", np.ascontiguousarray(pixels))
    if not done:
        raise ValueError(f"cannot encode an array of shape {image.shape} and type {image.dtype} as PNG.")
    with replacing(path) as partial:
        data.tofile(partial)
