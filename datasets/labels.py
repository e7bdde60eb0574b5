"""Label maps of images: which class each pixel belongs to, computed alike for frames and photographs.

    LABELS/<key>.png      (h, w) uint8, class per pixel, of the image's aspect; any size, resized to nearest
    LABELS/labels.json    method, number of classes, digests of what made them

The discriminator and sKVD need the same taxonomy on both sides (Richter et al. 2021, sec. 3.3 and 4.1: "robust"
labels of one network, run on renderings and photographs alike).
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from datasets.images import write_png
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.atomic import write_text
from gbuffer_tools.io.images import read_pixels

TAXONOMY = ("method", "classes", "digests")
"""What `labels.json` tells of a taxonomy: equal facts, equal meaning of the ids."""


def label_path(folder: Path, key: str) -> Path:
    """Where the label map of the image `key` lies."""
    return folder / f"{key}.png"


def read_label(folder: Path, key: str) -> np.ndarray:
    """The label map of an image, (h, w) uint8; of a PNG with a palette the numbers of its colours.

    Raises:
        InputError: there is none, it cannot be read, or is a colour picture.
    """
    path = label_path(folder, key)
    if not path.is_file():
        raise InputError(
            f"{path}: no label map for image {key!r}; make them with `python -m datasets.label` for this folder."
        )
    pixels = read_pixels(path)
    if pixels.ndim != 2 or pixels.dtype != np.uint8:
        raise InputError(
            f"{path}: a label map is one channel of 8 bits (class ids), got {pixels.dtype} {pixels.shape}; "
            "write ids, not colours."
        )
    return pixels


def read_ids(folder: Path, key: str, classes: int) -> np.ndarray:
    """The label map of an image, (h, w) uint8, whose ids are below `classes`.

    Raises:
        InputError: as `read_label`; an id is not.
    """
    label = read_label(folder, key)
    if label.max() >= classes:
        raise InputError(
            f"{label_path(folder, key)}: has the id {label.max()}, labels.json says {classes} classes; label again."
        )
    return label


def write_label(folder: Path, key: str, label: np.ndarray) -> None:
    """Write a label map (h, w) uint8 for the image `key`."""
    write_png(label_path(folder, key), label)


def write_facts(folder: Path, facts: dict[str, object]) -> None:
    """Write `labels.json`: how the maps of this folder were made."""
    write_text(folder / "labels.json", json.dumps(facts, indent=1) + "\n")


def read_facts(folder: Path) -> dict[str, object]:
    """What `labels.json` tells.

    Raises:
        InputError: no label folder, or a damaged file.
    """
    path = folder / "labels.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable ({error}); make label maps with `python -m datasets.label`.") from error
    count = facts.get("classes") if isinstance(facts, dict) else None
    if not isinstance(facts, dict) or type(count) is not int or not 1 <= count <= 256:
        raise InputError(f"{path}: lacks the number of `classes`, 1 .. 256; make the label maps again.")
    return facts


def check_alike(folder: Path, facts: Mapping[str, object], wanted: Mapping[str, object], like: Path) -> None:
    """Refuse label maps of another taxonomy.

    Args:
        folder: of the label maps, whose `labels.json` tells `facts`.
        wanted: what that of other maps told.
        like: where those are, for the message.

    Raises:
        InputError: names what differs.
    """
    for name in TAXONOMY:
        if facts.get(name) != wanted.get(name):
            raise InputError(
                f"{folder}: {name} of the labels is {facts.get(name)!r}, wanted {wanted.get(name)!r} as in {like}; "
                "label both folders in one call of `python -m datasets.label`, or one with --clusters of the other"
            )
