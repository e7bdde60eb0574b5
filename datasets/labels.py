"""Label maps: the class of each pixel of an image, computed in the same way for frames and photographs.

    LABELS/<key>.png      (h, w) uint8, class per pixel, with the image's aspect ratio; any size, resized by nearest
    LABELS/labels.json    method, number of classes, digests of what determines the meaning of an id; class names and
                          `other`, the id of pixels without a class, if the method knows them

The discriminator and sKVD need the same taxonomy on both sides (Richter et al. 2021, sec. 3.3 and 4.1: "robust"
labels from one network, run on both renderings and photographs).
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from datasets.images import write_png
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.atomic import write_text
from gbuffer_tools.io.images import read_pixels
from gbuffer_tools.io.label_maps import plane
from gbuffer_tools.io.recognise import refusal

TAXONOMY = ("method", "classes", "digests")
"""The entries of `labels.json` that identify a taxonomy: if they are equal, ids have the same meaning."""


def label_path(folder: Path, key: str) -> Path:
    """Return the path of the label map of the image `key`."""
    return folder / f"{key}.png"


def read_label(folder: Path, key: str) -> np.ndarray:
    """Read the label map of an image, (h, w) uint8: a palette's indices, or one of the channels of grey RGB.

    Raises:
        InputError: the label map does not exist, cannot be read, or is a colour image.
    """
    path = label_path(folder, key)
    if not path.is_file():
        raise InputError(
            f"{path}: no label map for image {key!r}; make them with `python -m datasets.label` for this folder."
        )
    pixels = plane(read_pixels(path))
    if pixels.ndim != 2 or pixels.dtype != np.uint8:
        raise InputError(
            f"{path}: got {pixels.dtype} {pixels.shape}, wanted a label map of one 8-bit channel (class ids); "
            "write ids, not colours."
        )
    return pixels


def read_ids(folder: Path, key: str, classes: int) -> np.ndarray:
    """Read the label map of an image, (h, w) uint8, and check that its ids are below `classes`.

    Raises:
        InputError: as in `read_label`, or an id is too large.
    """
    label = read_label(folder, key)
    if label.max() >= classes:
        raise InputError(
            f"{label_path(folder, key)}: has the id {label.max()}, labels.json has {classes} classes; label again."
        )
    return label


def write_label(folder: Path, key: str, label: np.ndarray) -> None:
    """Write a label map (h, w) uint8 for the image `key`."""
    write_png(label_path(folder, key), label)


def forget_facts(folder: Path) -> None:
    """Remove `labels.json` before maps are rewritten: half-written, their new ids would have the old ids' names."""
    (folder / "labels.json").unlink(missing_ok=True)


def write_facts(folder: Path, facts: dict[str, object]) -> None:
    """Write `labels.json`, which records how the label maps of this folder were made."""
    write_text(folder / "labels.json", json.dumps(facts, indent=1) + "\n")


def read_facts(folder: Path) -> dict[str, object]:
    """Read `labels.json`.

    Raises:
        InputError: the file does not exist or is damaged.
    """
    path = folder / "labels.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        details = f" ({error}); make label maps with `python -m datasets.label`."
        raise refusal(path, "not readable", details, text=True) from error
    count = facts.get("classes") if isinstance(facts, dict) else None
    if not isinstance(facts, dict) or type(count) is not int or not 1 <= count <= 256:
        raise InputError(f"{path}: lacks the number of `classes`, 1 .. 256; make the label maps again.")
    return facts


def other_class(folder: Path) -> int | None:
    """Return the id that a folder's label maps give to pixels without a class, or None if all pixels have one.

    Raises:
        InputError: as in `read_facts`, or `other` is not a class.
    """
    facts = read_facts(folder)
    other = facts.get("other")
    if other is not None and (type(other) is not int or not 0 <= other < int(str(facts["classes"]))):
        raise InputError(f"{folder / 'labels.json'}: `other` is {str(other)[:40]}, wanted a class id; label again.")
    return other


def check_alike(folder: Path, facts: Mapping[str, object], wanted: Mapping[str, object], like: Path) -> None:
    """Check that two folders of label maps have the same taxonomy.

    Args:
        folder: folder of label maps.
        facts: contents of its `labels.json`.
        wanted: contents of the other folder's `labels.json`.
        like: the other folder, for the message.

    Raises:
        InputError: the taxonomies differ; the message says how.
    """
    for name in TAXONOMY:
        if facts.get(name) != wanted.get(name):
            raise InputError(
                f"{folder}: {name} of the labels is {facts.get(name)!r}, wanted {wanted.get(name)!r} as in {like}; "
                "label both folders in one call of `python -m datasets.label`, or one with --clusters, --classes or "
                "--segmenter of the other"
            )
