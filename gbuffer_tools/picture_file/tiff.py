"""TIFF files, written row by row without compression, so all offsets in the file are known before the pixels are.

Tags and their numbers are those of TIFF 6.0, section 8.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gbuffer_tools.io.late import LateModule
from gbuffer_tools.picture_file.layout import PixelLayout
from gbuffer_tools.picture_file.notes import ICC, XMP, Notes

if TYPE_CHECKING:
    from PIL import Image, TiffImagePlugin, TiffTags
else:
    Image = LateModule("PIL.Image")
    TiffImagePlugin = LateModule("PIL.TiffImagePlugin")
    TiffTags = LateModule("PIL.TiffTags")

BITS, PHOTOMETRIC, SAMPLES, PLANES, EXTRA_SAMPLES = 258, 262, 277, 284, 338
STRIP_OFFSETS, STRIP_ROWS, STRIP_BYTES = 273, 278, 279
GREY, RGB, UNASSOCIATED = 1, 2, 2
STRIP = 2**20
"""Approximate bytes in a strip of rows."""


def write_tiff(path: Path, bands: Iterable[np.ndarray], layout: PixelLayout, notes: Notes) -> None:
    """Write a TIFF; arguments as for `gbuffer_tools.picture_file.writer.write_picture`."""
    with path.open("wb") as file:
        _directory(layout, notes).save(file)  # moves the strip offsets behind the directory
        for band in bands:
            file.write(np.ascontiguousarray(band, "<u2" if layout.bits == 16 else None).data)


def _directory(layout: PixelLayout, notes: Notes) -> TiffImagePlugin.ImageFileDirectory_v2:
    found = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    exif = Image.Exif()
    exif.load(notes.exif_of(layout.height, layout.width))
    for tag in exif:
        found[tag] = exif.get_ifd(tag) if tag in TiffTags.TAGS_V2_GROUPS else exif[tag]
    rows = min(max(STRIP // layout.row_bytes, 1), layout.height)
    tops = range(0, layout.height, rows)
    found[256], found[257] = layout.width, layout.height
    found[BITS] = (layout.bits,) * layout.channels
    found[PHOTOMETRIC] = RGB if layout.channels >= 3 else GREY
    found[SAMPLES], found[PLANES] = layout.channels, 1
    found[STRIP_ROWS] = rows
    found[STRIP_BYTES] = tuple(min(rows, layout.height - top) * layout.row_bytes for top in tops)
    found[STRIP_OFFSETS] = tuple(top * layout.row_bytes for top in tops)
    found.tagtype[STRIP_BYTES] = found.tagtype[STRIP_OFFSETS] = TiffTags.LONG
    if layout.channels in (2, 4):
        found[EXTRA_SAMPLES] = UNASSOCIATED
    if notes.icc:
        found[ICC] = notes.icc
    if notes.xmp:
        found[XMP] = notes.xmp
    return found
