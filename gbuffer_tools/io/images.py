"""Other people's image files: their stated size is known, and bounded, before they are decoded.

Pillow reads pictures, as it knows what files say about their colours; OpenCV reads numbers, as it keeps all 16 bits.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

import numpy as np

from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import MAX_FRAME_BYTES, MAX_SIDE
from gbuffer_tools.io.atomic import replacing
from gbuffer_tools.io.late import LateModule
from gbuffer_tools.io.png_colour import Coding, coding_of, png_chunks
from gbuffer_tools.io.recognise import refusal

if TYPE_CHECKING:
    import cv2
    from PIL import Image, ImageCms, TiffImagePlugin
else:
    cv2 = LateModule("cv2")
    Image = LateModule("PIL.Image")
    ImageCms = LateModule("PIL.ImageCms")
    TiffImagePlugin = LateModule("PIL.TiffImagePlugin")

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
FORMATS, KINDS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF"), ("PNG", "JPEG", "WebP", "TIFF")
PNG, TIFF = b"\x89PNG\r\n\x1a\n", (b"II*\0", b"MM\0*")
PALETTE = 3
"""Colour type of a PNG whose pixels are palette indices (PNG specification, 11.2.2)."""
KEPT = (b"tRNS", b"iCCP", b"eXIf")
"""Optional PNG chunks that say what the pixels look like."""
MAX_SEGMENTS = 4096
MAX_FILE_BYTES = MAX_FRAME_BYTES
# Start of frame, which holds a JPEG's size. C4, C8 and CC in this range are other things (ITU T.81, table B.1).
JPEG_SIZES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Tags (TIFF 6.0, section 8; EXIF has its orientation from there).
WIDTH, HEIGHT, BITS, ORIENTATION, PLANES, NUMBERS = 256, 257, 258, 274, 284, 339
MODES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}
"""Colour space of an ICC profile (ICC.1:2022, table 19) -> Pillow's mode."""
# What Pillow raises on damaged files, according to its sources and tests/gbuffer_tools/fuzz.
BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, TypeError, KeyError, IndexError, OverflowError)
# It warns about damaged files in many lines; our one line says what matters. libtiff's own lines still appear.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) of a PNG, JPEG, WebP, BMP or TIFF from its header, as `read_image` gives it; decodes nothing.

    Raises:
        InputError: no such file, none of these formats, or a side beyond `MAX_SIDE`.
    """
    try:
        with path.open("rb") as file:
            size = _stated_size(file)
            if size is None or min(size) < 1:
                raise unreadable(path)
            if max(size) > MAX_SIDE:
                raise InputError(
                    f"{path}: not a readable image: its sides are {size[1]:,} x {size[0]:,}, wanted 1..{MAX_SIDE}."
                )
            return size if _orientation(file) < 5 else size[::-1]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except (struct.error, ValueError) as error:
        raise unreadable(path) from error


def unreadable(path: Path) -> InputError:
    size = path.stat().st_size
    return refusal(
        path,
        f"not a readable image ({size:,} bytes)",
        "; wanted PNG, JPEG, WebP, BMP or TIFF. Remove or replace it.",
        KINDS,
    )


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
    if head[:4] in TIFF:
        tags = _tiff_tags(file)
        return (tags[HEIGHT], tags[WIDTH]) if HEIGHT in tags and WIDTH in tags else None
    return None


def _jpeg_size(file: BinaryIO) -> tuple[int, int] | None:
    """Walk the segments up to the one that starts the frame."""
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


def _tiff_tags(file: BinaryIO) -> dict[int, int]:
    """Numbers in the first directory (TIFF 6.0, section 2); the offset for values that do not fit in four bytes."""
    file.seek(0)
    order = "<" if file.read(4)[:1] == b"I" else ">"
    file.seek(struct.unpack(f"{order}I", file.read(4))[0])
    tags: dict[int, int] = {}
    for _ in range(min(struct.unpack(f"{order}H", file.read(2))[0], MAX_SEGMENTS)):
        entry = file.read(12)
        tag, kind = struct.unpack(f"{order}HH", entry[:4])
        tags[tag] = struct.unpack(f"{order}H" if kind == 3 else f"{order}I", entry[8 : 10 if kind == 3 else 12])[0]
    return tags


def _orientation(file: BinaryIO) -> int:
    """The orientation of a picture in its file: EXIF's 1..8; 1 if the file says nothing (EXIF 3.0, 4.6.5.1.6).

    In a PNG, only what comes before the pixels counts, as in browsers.
    """
    file.seek(0)
    found = 1
    if file.read(4) in TIFF:
        found = _tiff_tags(file).get(ORIENTATION, 1)
    else:
        file.seek(0)
        exif = Image.Exif()
        with suppress(*BROKEN):  # damaged metadata does not harm the pixels
            with open_bounded(file) as picture:
                exif.load(picture.info.get("exif", b""))
            found = exif.get(ORIENTATION, 1)
    return found if found in range(1, 9) else 1


def upright(pixels: np.ndarray, content: bytes) -> np.ndarray:
    """The pixels, turned as viewers turn them. Both libraries turn TIFFs by themselves."""
    how = 1 if content[:4] in TIFF else _orientation(BytesIO(content))
    if how > 4:
        pixels = pixels.swapaxes(0, 1)
    if how in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if how in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def read_image(path: Path) -> np.ndarray:
    """An image file as (H, W, 3) uint8, sRGB, RGB order, upright; the first of several pages or frames.

    Grey is repeated, 16 bits are rounded. Alpha is dropped: transparent pixels keep their stored colour, as nothing
    says what is behind them. ICC profiles are applied, and so is what a PNG says about its colours in other ways
    (io/png_colour.py); without either, RGB is sRGB and CMYK the plain complement.

    Raises:
        InputError: not a readable image, too large, another type of numbers, or high dynamic range.
    """
    stored = stored_bytes(path)
    coding, content = colour_coding(path, stored), decodable(path, stored)
    try:
        if coding is not None:
            pixels = decode(path, content, cv2.IMREAD_UNCHANGED)
            return upright(coding.to_srgb(pixels[..., 2::-1] if pixels.ndim == 3 else pixels), content)
        with open_bounded(BytesIO(content)) as file:
            if sorted(file.size) != sorted(image_size(path)):  # from which memory is allocated
                raise unreadable(path)
            picture = _of_8_bits(path, content, file)
            return upright(to_srgb(picture, file.info.get("icc_profile")), content)
    except BROKEN as error:
        raise unreadable(path) from error


def open_bounded(file: IO[bytes]) -> Image.Image:
    from PIL import Image

    # `image_size` enforces the limit; Pillow's own would refuse photographs of 200 megapixels.
    Image.MAX_IMAGE_PIXELS = MAX_SIDE**2
    return Image.open(file, formats=FORMATS)


def bits_of(path: Path, content: bytes, file: Image.Image) -> int:
    """Bits of the numbers in a picture: 16, or 8 and fewer.

    Raises:
        InputError: another type of numbers, or 16-bit CMYK.
    """
    bits, numbers = (content[24] if content.startswith(PNG) else 8), 1
    if isinstance(file, TiffImagePlugin.TiffImageFile):
        bits, numbers = (max(file.tag_v2.get(tag, (1,))) for tag in (BITS, NUMBERS))
    if numbers != 1 or (bits > 8 and (bits != 16 or file.mode == "CMYK")):
        raise InputError(
            f"{path}: holds {'floats' if numbers == 3 else 'numbers'} of {bits} bits ({file.mode}); "
            "wanted whole numbers without sign, of 8 bits, or of 16 bits in grey or RGB."
        )
    return bits


def _of_8_bits(path: Path, content: bytes, file: Image.Image) -> Image.Image:
    """The picture in mode L, RGB or CMYK. Pillow would cut 16 bits to eight, or read only grey."""
    if bits_of(path, content, file) == 16:
        pixels = decode(path, content, cv2.IMREAD_UNCHANGED)
        rounded = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
        return Image.fromarray(rounded if rounded.ndim == 2 else np.ascontiguousarray(rounded[..., 2::-1]))
    file.info.pop("transparency", None)  # dropped with the alpha; Pillow would warn about a palette's
    if file.mode in MODES.values():
        return file
    return file.convert("L" if file.mode in ("1", "LA") else "RGB")


def to_srgb(picture: Image.Image, profile: bytes | None) -> np.ndarray:
    """(H, W, 3) uint8 from a picture whose colours follow an ICC profile; a profile that does not fit is ignored."""
    if profile:
        with suppress(ImageCms.PyCMSError, OSError):
            meant = ImageCms.ImageCmsProfile(BytesIO(profile))
            mode = MODES.get(meant.profile.xcolor_space.strip())
            if mode == picture.mode or (mode == "RGB" and picture.mode == "L"):
                found = ImageCms.profileToProfile(
                    picture.convert(mode), meant, ImageCms.createProfile("sRGB"), outputMode="RGB"
                )
                return np.array(found)
    return np.array(picture if picture.mode == "RGB" else picture.convert("RGB"))


def read_pixels(path: Path) -> np.ndarray:
    """The numbers in an image file as they are: (H, W) or (H, W, 3 or 4) in RGBA order, uint8 or uint16, upright.

    For a PNG with a palette these are the palette indices, which label maps mean; those of a grey PNG of fewer than 8
    bits are not spread over 0..255 either.

    Raises:
        InputError: not a readable image, too large, or another type of numbers.
    """
    content = decodable(path, stored_bytes(path))
    bits = _label_bits(content)
    if bits:
        # Decoded as grey, as OpenCV would look the colours up. It spreads fewer than 8 bits over 0..255.
        return upright(decode(path, _grey_png(content), cv2.IMREAD_UNCHANGED) // (255 // (2**bits - 1)), content)
    pixels: np.ndarray = decode(path, content, cv2.IMREAD_UNCHANGED)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{path}: holds {pixels.dtype}, wanted an image of 8 or 16 bits.")
    if pixels.ndim == 3:
        pixels = pixels[..., [2, 1, 0, *range(3, pixels.shape[2])]]
    return upright(pixels, content)


def stored_bytes(path: Path) -> bytes:
    """The bytes of a file, whose size is bounded."""
    height, width = image_size(path)
    count = path.stat().st_size
    if max(count, height * width * 3) > MAX_FILE_BYTES:
        raise InputError(f"{path}: {count:,} bytes, {width} x {height}; wanted at most {MAX_FILE_BYTES:,} bytes.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from error


def colour_coding(path: Path, stored: bytes) -> Coding | None:
    """What a PNG says about its colours; None if nothing has to be done."""
    try:
        return coding_of(stored) if stored.startswith(PNG) else None
    except ValueError as error:
        raise InputError(f"{path}: {error}; wanted sRGB; convert it, or remove the chunk.") from error


def decodable(path: Path, stored: bytes) -> bytes:
    """The bytes for the libraries: of a PNG, only what concerns its pixels."""
    content = _plain_png(stored) if stored.startswith(PNG) else stored
    if not content:
        raise unreadable(path)
    return content


def decode(path: Path, content: bytes, flags: int) -> np.ndarray:
    pixels = None
    with suppress(cv2.error), _silent():  # raised for sizes that OpenCV itself refuses
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    if pixels is None:
        raise unreadable(path)
    if content[:4] in TIFF and pixels.dtype == np.uint16 and _tiff_tags(BytesIO(content)).get(PLANES) == 2:
        raise InputError(f"{path}: holds 16 bits in planes, which OpenCV misreads; wanted them pixel by pixel.")
    return pixels


@contextmanager
def _silent() -> Iterator[None]:
    """Silence OpenCV's own lines about a file: ours says more. libjpeg's lines about readable files still appear."""
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)


def _plain_png(content: bytes) -> bytes:
    """A PNG without what programs wrote about it; b"" if its chunks run past the end of the file or pixels are wrong.

    OpenCV allocates the memory that their lengths name, up to 2 GiB; libpng prints its own line about wrong checksums.
    """
    kept = [PNG]
    for kind, chunk in png_chunks(content):
        right = len(chunk) == 12 + int.from_bytes(chunk[:4], "big") and (
            zlib.crc32(memoryview(chunk)[4:-4]) == int.from_bytes(chunk[-4:], "big")
        )
        needed = not kind[0] & 0x20  # capital letter (PNG specification, 5.4)
        if needed and not right:
            return b""
        if needed or (kind in KEPT and right):
            kept.append(chunk)
        if kind == b"IEND":
            break
    return b"".join(kept)


def _label_bits(content: bytes) -> int:
    """Bits per pixel of a PNG with a palette or fewer than 8 bits; 0 for anything else."""
    return content[24] if content.startswith(PNG) and (content[25] == PALETTE or content[24] < 8) else 0


def _grey_png(content: bytes) -> bytes:
    """The same PNG with a header that says grey instead of palette (colour type 0), without transparency."""
    header = content[12:25] + b"\0" + content[26:29]
    kept = [chunk for kind, chunk in png_chunks(content) if kind in (b"IDAT", b"IEND")]
    return b"".join([content[:12], header, struct.pack(">I", zlib.crc32(header)), *kept])


def write_png(path: Path, image: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB, or (H, W) uint8, losslessly; whole or not at all."""
    pixels = image[..., ::-1] if image.ndim == 3 else image
    done, data = cv2.imencode(".png", np.ascontiguousarray(pixels))
    if not done:
        raise ValueError(f"cannot encode an array of shape {image.shape} and type {image.dtype} as PNG.")
    with replacing(path) as partial:
        partial.write_bytes(data.tobytes())
