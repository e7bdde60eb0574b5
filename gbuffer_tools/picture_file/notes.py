"""What a picture file says about its picture besides the pixels: EXIF, ICC profile, XMP, and PNG chunks."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gbuffer_tools.io.images import BROKEN, ORIENTATION, PNG
from gbuffer_tools.io.late import LateModule
from gbuffer_tools.io.png_colour import KINDS, png_chunks

if TYPE_CHECKING:
    from PIL import Image
else:
    Image = LateModule("PIL.Image")

CHUNKS = frozenset((*KINDS, b"pHYs", b"tEXt", b"zTXt", b"iTXt")) - {b"iCCP"}
"""PNG chunks that stay as they are: colours, resolution, and texts, XMP among them (PNG specification, 11.3)."""
EXIF_DIRECTORY, EXIF_WIDTH, EXIF_HEIGHT = 0x8769, 0xA002, 0xA003
XMP, ICC = 700, 34675
XMP_KEYWORD = b"XML:com.adobe.xmp"
EMPTY_EXIF = 20
"""Bytes of EXIF data without tags: identifier, header, number of tags, and where there would be more."""
DAMAGED = "its EXIF data are damaged, and left out"
# Tags of a TIFF's first directory: how and where the pixels are stored (TIFF 6.0, section 8), not what they show.
STORAGE = frozenset((
    254, 255, *range(256, 260), 262, 263, 264, 265, 266, 273, *range(277, 282), 284, *range(288, 294), 297, 301, 317,
    320, *range(321, 326), 330, 332, 334, 336, 338, 339, *range(340, 348), *range(512, 522), 529, 530, 531, 532,
))  # fmt: skip
# XMP may repeat the orientation, and programs that find none in EXIF look there.
TURNED = re.compile(rb"(tiff:Orientation(?:=[\"']|>))[2-8]")


@dataclass(frozen=True)
class Notes:
    """What a file says about its picture.

    Attributes:
        exif: as in a JPEG, "Exif\\0\\0" and a TIFF of tags without pixels; the orientation is upright.
        icc: the colour profile.
        xmp: an XML packet.
        chunks: type and data of the PNG chunks that stay as they are, XMP among them.
        only_png: whether only chunks say what the colours are, which no other format can hold.
        lost: what to tell the user about what is left out; empty if nothing is.
    """

    exif: bytes = b""
    icc: bytes = b""
    xmp: bytes = b""
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    only_png: bool = False
    lost: str = ""

    def exif_of(self, height: int, width: int) -> bytes:
        """The EXIF data, which states the picture's size, for a picture of this size; empty if there is none."""
        if not self.exif:
            return b""
        exif = Image.Exif()
        exif.load(self.exif)
        directory = exif.get_ifd(EXIF_DIRECTORY)
        if EXIF_WIDTH in directory or EXIF_HEIGHT in directory:
            directory[EXIF_WIDTH], directory[EXIF_HEIGHT] = width, height
        return exif.tobytes()


NOTHING = Notes()


def read_notes(file: Image.Image, stored: bytes, *, only_png: bool) -> Notes:
    """What a file says about its picture, which is read upright and in RGB or grey.

    Args:
        file: the opened file.
        stored: its bytes.
        only_png: as in `Notes`.
    """
    exif, turned, lost = _exif(file)
    chunks = tuple(_chunks(stored)) if stored.startswith(PNG) else ()
    stated = file.info.get("xmp")
    packets = [packet for kind, data in chunks if (packet := _packet(kind, data))]
    xmp = stated if isinstance(stated, bytes) else packets[0] if packets else b""
    if turned:
        chunks = tuple((kind, _upright(data) if kind == b"iTXt" else data) for kind, data in chunks)
    icc = b"" if file.mode == "CMYK" else file.info.get("icc_profile") or b""  # ink becomes sRGB
    lost = "; ".join(filter(None, (lost, _others(file, stored))))
    return Notes(exif, icc, _upright(xmp) if turned else xmp, chunks, only_png, lost)


def _exif(file: Image.Image) -> tuple[bytes, bool, str]:
    """EXIF data for the upright picture, whether it was not upright, and what to say if the data are damaged."""
    try:
        kept = Image.Exif()
        if file.format == "TIFF":
            kept.load(file.getexif().tobytes())
        elif file.info.get("exif"):
            kept.load(file.info["exif"])
        if not len(kept) and len(file.info.get("exif") or b"") > EMPTY_EXIF:
            return b"", False, DAMAGED
        turned = kept.get(ORIENTATION, 1) != 1
        for tag in STORAGE | {XMP, ICC}:
            if tag in kept:
                del kept[tag]
        if ORIENTATION in kept:
            kept[ORIENTATION] = 1
        return (kept.tobytes() if len(kept) else b""), turned, ""  # leaves the thumbnail out
    except (*BROKEN, AttributeError):  # tags with values of the wrong type
        return b"", False, DAMAGED


def _others(file: Image.Image, stored: bytes) -> str:
    """What to say about further pages or animation frames; empty if there are none."""
    count = 1
    with suppress(*BROKEN):  # damaged pages after the first
        count = getattr(file, "n_frames", 1)
    if stored.startswith(PNG):  # the opened file lacks its animation
        animation = next((chunk for kind, chunk in png_chunks(stored) if kind == b"acTL"), b"")
        count = int.from_bytes(animation[8:12], "big")
    return f"the first of its {count} pages or frames is read" if count > 1 else ""


def _upright(xmp: bytes) -> bytes:
    return TURNED.sub(rb"\g<1>1", xmp)


def _chunks(stored: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks that stay as they are; damaged ones are left out, as readers would do."""
    for kind, chunk in png_chunks(stored):
        data = chunk[8:-4]
        if kind in CHUNKS and zlib.crc32(kind + data) == int.from_bytes(chunk[-4:], "big"):
            yield kind, data


def _packet(kind: bytes, data: bytes) -> bytes:
    """The XMP in a PNG text chunk: keyword, 0, not compressed, method, language, 0, translated keyword, 0, text."""
    if kind != b"iTXt" or not data.startswith(XMP_KEYWORD + b"\0\0"):
        return b""
    return data[len(XMP_KEYWORD) + 3 :].split(b"\0", 2)[-1]
