"""What a picture file holds, and what each format can hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gbuffer_tools.errors import InputError
from gbuffer_tools.picture_file.notes import NOTHING, Notes

MAX_SIDES: Mapping[str, int] = {".png": 2**31 - 1, ".jpg": 65535, ".jpeg": 65535, ".webp": 16383}
TIFF, JPEG = (".tif", ".tiff"), (".jpg", ".jpeg")
SUFFIXES = (*MAX_SIDES, *TIFF)
"""Those of the formats that can be written."""
MAX_TIFF_BYTES = 2**32 - 2**26
"""Of pixels: offsets in a file have 32 bits (TIFF 6.0, section 2); the rest is for what precedes the pixels."""
MAX_JPEG_NOTES = 65_500
"""Bytes of EXIF or XMP that a segment holds (ITU T.81, B.1.1.4), less their identifiers."""


@dataclass(frozen=True)
class PixelLayout:
    """What a picture file holds.

    Attributes:
        height, width: in pixels.
        channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        bits: per number, 8 or 16.
    """

    height: int
    width: int
    channels: int
    bits: int

    @property
    def row_bytes(self) -> int:
        return self.width * self.channels * self.bits // 8


def bits_in(path: Path, bits: int) -> int:
    """The bits with which an 8- or 16-bit picture is written in a format: JPEG and WebP have 8."""
    return bits if path.suffix.lower() in (".png", *TIFF) else 8


def check_fit(path: Path, layout: PixelLayout, notes: Notes = NOTHING) -> None:
    """Refuse a picture that its format cannot hold; the suffix names the format.

    Raises:
        InputError: it is too large, transparent in a JPEG, its notes are too long for a JPEG, or only PNG can describe
            its colours.
    """
    suffix, count = path.suffix.lower(), layout.height * layout.row_bytes
    size = f"{path}: would be {layout.width:,} x {layout.height:,}"
    if max(layout.height, layout.width) > MAX_SIDES.get(suffix, 2**31):
        raise InputError(f"{size}; {suffix} holds sides of {MAX_SIDES[suffix]:,} at most. Write PNG (--format).")
    if suffix in TIFF and count > MAX_TIFF_BYTES:
        raise InputError(f"{size}, {count:,} bytes; TIFF holds {MAX_TIFF_BYTES:,} at most. Write PNG (--format).")
    if suffix in JPEG and layout.channels in (2, 4):
        raise InputError(f"{path}: the picture has transparency, which JPEG lacks. Write PNG, WebP or TIFF (--format).")
    if suffix in JPEG and max(len(notes.exif), len(notes.xmp)) > MAX_JPEG_NOTES:
        raise InputError(f"{path}: the picture's EXIF or XMP data are too long for JPEG. Write PNG (--format).")
    if suffix != ".png" and notes.only_png:
        raise InputError(f"{path}: the picture says of its colours what only PNG can hold. Write PNG (--format).")
