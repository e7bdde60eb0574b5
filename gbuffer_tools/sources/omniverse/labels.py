"""What ids and colours in Replicator's label maps mean: according to the JSON file beside them or, if a script wrote
none, each its own class."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import MAX_CLASSES, Array
from gbuffer_tools.io.images import read_pixels
from gbuffer_tools.io.label_maps import distinct, plane
from gbuffer_tools.io.text import plain, read_json

BACKGROUND, UNLABELLED = "BACKGROUND", "UNLABELLED"

Table = dict[tuple[int, ...], object]
"""An id, or a colour (r, g, b, a), as a tuple -> what the file says about it."""


def table(path: Path) -> Table:
    """The table of a JSON file, {"5": ...} or {"(r, g, b, a)": ...}.

    Raises:
        InputError: the file cannot be read, or has keys of another kind.
    """
    read = read_json(path)
    keys = (
        [tuple(int(n) for n in re.findall("[0-9]{1,10}", str(key))) for key in read] if isinstance(read, dict) else []
    )
    if not isinstance(read, dict) or len({len(key) for key in keys} | {1, 4}) > 2 or len(set(keys)) < len(keys):
        raise InputError(f"{path}: wanted an object whose keys are ids or all are colours (r, g, b, a)")
    return dict(zip(keys, read.values(), strict=True))


def class_names(path: Path) -> dict[tuple[int, ...], str]:
    """The classes that a JSON label file names."""
    return {key: class_name(value) for key, value in table(path).items()}


def class_name(value: object) -> str:
    """The name in {"class": NAME}; if an object has no class, its other semantic types, joined."""
    if isinstance(value, dict):
        value = value.get("class", "/".join(str(value[key]) for key in sorted(value)))
    return plain(value) or UNLABELLED


def objects(found: Table) -> dict[tuple[int, ...], int]:
    """Object ids, from 1, in the order of the objects' paths in the scene; 0 for the background."""
    paths = {key: str(value) for key, value in found.items()}
    order = {path: i for i, path in enumerate(sorted(set(paths.values()) - {BACKGROUND}), 1)}
    return {key: order.get(path, 0) for key, path in paths.items()}


def read_label_map(path: Path, width: int) -> Array:
    """A label map, uint8 or uint16: ids (H,W) if `width` is 1, colours (H,W,4) if it is 4, however they are stored;
    unchanged if that is impossible. Raises `InputError` if the file cannot be read."""
    pixels = read_pixels(path)
    if width == 1:
        return plane(pixels)
    if pixels.ndim == 2:
        pixels = np.dstack([pixels] * 3)
    opaque = np.full_like(pixels[..., :1], np.iinfo(pixels.dtype).max)
    return pixels if pixels.shape[2] == width else np.concatenate([pixels, opaque], -1)


def text_of(key: tuple[int, ...]) -> str:
    """The name of the class that an id or a colour becomes by itself: "5", "(255, 25, 171, 255)"."""
    return str(key[0]) if len(key) == 1 else str(key)


def seen(paths: Iterable[Path]) -> tuple[str, ...]:
    """The classes of label maps that nothing explains: one class per id or colour, in their order.

    This reads all of the files.

    Raises:
        InputError: a file cannot be read, or there are more than 256 of them, as in pictures.
    """
    found: set[tuple[int, ...]] = set()
    for path in paths:
        found |= set(distinct(read_pixels(path))[0])
        if len(found) > MAX_CLASSES:
            raise InputError(
                f"{path}: with it the label maps have {len(found):,} colours, wanted at most {MAX_CLASSES}; "
                "write them without compression, scaling and smoothing, or move them elsewhere"
            )
    return tuple(text_of(key) for key in sorted(found))
