"""Reads a picture that is to be written again: its numbers as stored, upright, and what the file says about them.

`gbuffer_tools/io/images.py` reads what viewers show, as 8-bit RGB; both check files in the same way.

Shapes: H W pixels, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gbuffer_tools.errors import InputError
from gbuffer_tools.io import images
from gbuffer_tools.io.images import BROKEN, PNG, image_size
from gbuffer_tools.io.late import LateModule
from gbuffer_tools.picture_file.notes import NOTHING, Notes, read_notes

if TYPE_CHECKING:
    import cv2
    from PIL import Image
else:
    cv2 = LateModule("cv2")

GREY = frozenset(("1", "L", "LA", "La", "I", "I;16", "I;16B"))
"""Pillow's modes for pictures without colours."""
EXTRA_SAMPLES, ASSOCIATED = 338, (1,)
"""TIFF 6.0, section 18: colours are multiplied by alpha."""


@dataclass(frozen=True)
class StoredPicture:
    """A picture as its file stores it.

    Attributes:
        pixels: (H, W, C) uint8 or uint16, upright: grey, grey and alpha, RGB, or RGB and alpha. Colours are not
            multiplied by alpha. The notes say what they mean; if they say nothing, it is sRGB.
        notes: what the file says about the picture.
    """

    pixels: np.ndarray
    notes: Notes = NOTHING

    @property
    def has_alpha(self) -> bool:
        return self.pixels.shape[-1] in (2, 4)


def read_picture(path: Path) -> StoredPicture:
    """Read a PNG, JPEG, WebP, BMP or TIFF; the first of several pages or frames.

    Palettes become RGB, fewer than 8 bits become 8, ink becomes sRGB.

    Raises:
        InputError: the image is not readable, too large, of another type of numbers, or of high dynamic range.
    """
    stored = images.stored_bytes(path)
    coding, content = images.colour_coding(path, stored), images.decodable(path, stored)
    try:
        with images.open_bounded(BytesIO(content)) as file:
            if sorted(file.size) != sorted(image_size(path)):  # memory is allocated for this size
                raise images.unreadable(path)
            deep = images.bits_of(path, content, file) == 16
            pixels = _of_16_bits(path, content, file) if deep else _of_8_bits(file)
            notes = read_notes(file, stored, only_png=coding is not None)
            return StoredPicture(images.upright(pixels, content), notes)
    except BROKEN as error:
        raise images.unreadable(path) from error


def _of_8_bits(file: Image.Image) -> np.ndarray:
    if file.mode == "CMYK":
        return images.to_srgb(file, file.info.get("icc_profile"))
    if file.mode == "P" and file.palette is None:
        raise ValueError("its palette is missing")
    mode = ("L" if file.mode in GREY else "RGB") + ("A" if file.has_transparency_data else "")
    pixels = np.array(file if file.mode == mode else file.convert(mode))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _of_16_bits(path: Path, content: bytes, file: Image.Image) -> np.ndarray:
    """Decode with OpenCV, as Pillow keeps 16 bits only for grey."""
    pixels = images.decode(path, content, cv2.IMREAD_UNCHANGED)
    if pixels.dtype != np.uint16:
        raise images.unreadable(path)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    is_png, alpha = content.startswith(PNG), file.has_transparency_data
    grey = content[25] in (0, 4) if is_png else file.mode in GREY  # to Pillow, grey with alpha is RGBA
    if alpha and pixels.shape[-1] != 4:
        raise InputError(f"{path}: names a transparent colour of 16 bits; wanted an alpha channel. Convert it.")
    order = ([0] if grey else [2, 1, 0]) + ([3] if alpha else [])
    pixels = pixels[..., order]
    tags = getattr(file, "tag_v2", {})
    if alpha and not is_png and tuple(tags.get(EXTRA_SAMPLES, ())) == ASSOCIATED:
        pixels[..., :-1] = _divided(pixels[..., :-1], pixels[..., -1:])
    return pixels


def _divided(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Undo the multiplication of colours (H, W, C) uint16 by alpha (H, W, 1); 0 where nothing is seen."""
    whole = (colours.astype(np.uint64) * 65535 + alpha // 2) // np.maximum(alpha, 1)
    return np.minimum(whole, 65535).astype(np.uint16)
