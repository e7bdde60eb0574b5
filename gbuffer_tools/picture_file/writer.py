"""Writes a picture from top to bottom, with what its original file says about it.

PNG and TIFF are written as their rows come, so a picture may be larger than memory; JPEG and WebP are gathered first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gbuffer_tools.io.atomic import replacing
from gbuffer_tools.io.late import LateModule
from gbuffer_tools.picture_file.layout import PixelLayout, check_fit
from gbuffer_tools.picture_file.notes import NOTHING, Notes
from gbuffer_tools.picture_file.png import write_png
from gbuffer_tools.picture_file.tiff import write_tiff

if TYPE_CHECKING:
    from PIL import Image
else:
    Image = LateModule("PIL.Image")

QUALITY = 95
"""Of JPEG and WebP; JPEG keeps colours at full resolution."""


def write_picture(path: Path, bands: Iterable[np.ndarray], layout: PixelLayout, notes: Notes = NOTHING) -> None:
    """Write a picture, whole or not at all.

    Args:
        path: its suffix, one of `gbuffer_tools.picture_file.layout.SUFFIXES`, names the format.
        bands: (h, W, C) uint8 or uint16, as the layout says; their heights add up to H.
        layout: what the bands hold.
        notes: what is kept from another file.

    Raises:
        InputError: as in `check_fit`.
    """
    check_fit(path, layout, notes)
    with replacing(path) as new:
        WRITERS[path.suffix.lower()](new, bands, layout, notes)


def _gathered(kind: str, path: Path, bands: Iterable[np.ndarray], layout: PixelLayout, notes: Notes) -> None:
    """Write a format for which Pillow wants all pixels at once."""
    pixels, row = np.empty((layout.height, layout.width, layout.channels), np.uint8), 0
    for band in bands:
        pixels[row : row + len(band)] = band
        row += len(band)
    extra = {"exif": notes.exif_of(layout.height, layout.width), "icc_profile": notes.icc, "xmp": notes.xmp}
    there = {name: value for name, value in extra.items() if value}
    picture = Image.fromarray(pixels[..., 0] if layout.channels == 1 else pixels)
    with path.open("wb") as file:
        picture.save(file, kind, quality=QUALITY, subsampling=0, **there)


Writer = Callable[[Path, Iterable[np.ndarray], PixelLayout, Notes], None]
_JPEG, _WEBP = (partial(_gathered, kind) for kind in ("JPEG", "WEBP"))
WRITERS: Mapping[str, Writer] = {
    ".png": write_png, ".tif": write_tiff, ".tiff": write_tiff, ".jpg": _JPEG, ".jpeg": _JPEG, ".webp": _WEBP,
}  # fmt: skip
