"""The attributes of an EXR header that this program uses: texts, numbers, matrices, colours, views.

Types and layouts are those of openexr.com, "OpenEXR File Layout"; attribute names are those of its "Standard
Attributes". Attributes of other types are ignored.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gbuffer_tools.frame import Array
from gbuffer_tools.io import colour
from gbuffer_tools.io.text import plain

Attribute = str | float | Array | tuple[str, ...]
Matrix = npt.NDArray[np.float64]
NUMBERS = {("float", 4): "<f4", ("double", 8): "<f8", ("int", 4): "<i4"}
ARRAYS = {
    ("m44f", 64): ("<f4", (4, 4)), ("m44d", 128): ("<f8", (4, 4)), ("chromaticities", 32): ("<f4", (4, 2)),
}  # fmt: skip
TEXTS = ("string", "text")
CHROMATICITIES, VIEWS, ASPECT = "chromaticities", "multiView", "pixelAspectRatio"
SPACE_NAMES = ("unreal/colorSpace/destination", "colorInteropID", "oiio:ColorSpace", "arnold/color_space")
"""Attributes that name the picture's colour space if chromaticities are missing; the first one present counts."""


def values(raw: Mapping[str, tuple[str, bytes]]) -> Iterator[tuple[str, Attribute]]:
    """The attributes of a part that a source may want, from name -> (type, bytes)."""
    for name, (kind, value) in raw.items():
        if kind in TEXTS:  # some programs end them with a null byte, as in C
            yield name, value.decode(errors="replace").rstrip("\0")
        elif kind == "stringvector":
            yield name, _texts(value)
        elif (kind, len(value)) in NUMBERS:
            yield name, float(np.frombuffer(value, NUMBERS[kind, len(value)])[0])
        elif (kind, len(value)) in ARRAYS:
            dtype, shape = ARRAYS[kind, len(value)]
            yield name, np.frombuffer(value, dtype).reshape(shape)


def _texts(value: bytes) -> tuple[str, ...]:
    """Each text is its length in four bytes, then its letters; a text that is cut off at the end is left out."""
    found, at = [], 0
    while at + 4 <= len(value):
        (size,) = struct.unpack_from("<i", value, at)
        if not 0 <= size <= len(value) - at - 4:
            break
        found.append(value[at + 4 : at + 4 + size].decode(errors="replace").rstrip("\0"))
        at += 4 + size
    return tuple(found)


@dataclass(frozen=True)
class ToRec709:
    """How linear RGB becomes linear Rec.709.

    Attributes:
        image, buffers: matrices (3,3) for column vectors; None if it is Rec.709 already. Unreal converts only the
            picture to the space that it names, not its buffers.
        note: what was done; empty if nothing was.
    """

    image: Matrix | None = None
    buffers: Matrix | None = None
    note: str = ""


def to_rec709(attributes: Mapping[str, Attribute]) -> ToRec709:
    """What the header says about its colours. Files that say nothing hold Rec.709 (OpenEXR, "Standard Attributes")."""
    unreal = SPACE_NAMES[0] in attributes
    known = attributes.get(CHROMATICITIES)
    if isinstance(known, np.ndarray):
        points = known.astype(np.float64)
        try:
            matrix = colour.to_rec709(points)
        except ValueError as error:
            return ToRec709(note=f"{error}; taken for Rec.709")
        return _converted(colour.name_of(points) or f"primaries {np.round(points, 4).tolist()}", matrix, unreal)
    for key in SPACE_NAMES:
        name = attributes.get(key)
        if isinstance(name, str) and name.strip():
            space = colour.space_named(name)
            if space is None:
                found = plain(name, 60)
                return ToRec709(note=f"{key} is {found!r}, no linear space that is known here; taken for Rec.709")
            return _converted(space, colour.to_rec709(colour.SPACES[space]), unreal)
    return ToRec709()


def _converted(space: str, matrix: Matrix | None, image_only: bool) -> ToRec709:
    if matrix is None:
        return ToRec709()
    return ToRec709(matrix, None if image_only else matrix, f"colours converted from {space} to Rec.709")
