"""Taxonomies: classes by name, and the YAML file in which a user says what they are called elsewhere.

    classes:
      road: {segmenter: [0], game: [road, lane]}
      plants: {segmenter: [8, 9], game: [tree, grass]}
    input:
      mean: [0.485, 0.456, 0.406]
      std: [0.229, 0.224, 0.225]
      multiple_of: 32

`game` lists names from the frame files' `classes`, whatever game, simulator or data set they are from. What is not
listed has no class (`NONE`). `segmenter` lists the output numbers of a third-party segmenter, and `input` says how to
feed it; without such a segmenter, leave both out. A key of `input` that is left out gets the value above.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from epe.networks.backbones.vgg import IMAGENET_MEAN, IMAGENET_STD
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.yaml import read_sections

Labels = NDArray[np.int16]

NONE = -1
"""No class: for a pixel that nobody labelled, or whose class is not in the taxonomy."""
OTHER = "other"
"""Name of the last class of label maps, which is that of pixels without a class."""
NAMELESS = frozenset({"unlabelled", "unlabeled", "void", OTHER})
"""Names by which data sets say that a pixel has no class, in lower case."""
MAX_CLASSES, MAX_ID, MAX_MULTIPLE = 1000, 65535, 1024


@dataclass(frozen=True)
class ClassMeaning:
    """What a class is called on both sides.

    Attributes:
        game: the frame files' names for it.
        segmenter: the segmenter's numbers for it.
    """

    game: tuple[str, ...]
    segmenter: tuple[int, ...] = ()


@dataclass(frozen=True)
class SegmenterInput:
    """How pictures are fed: RGB in [0, 1], (value - mean) / std, sides a multiple of `multiple_of` pixels."""

    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    multiple_of: int = 32

    def __post_init__(self) -> None:
        if not len(self.mean) == len(self.std) == 3 or not all(0 < value < np.inf for value in self.std):
            raise ValueError("wanted three means and three deviations above 0")
        if not 1 <= self.multiple_of <= MAX_MULTIPLE:
            raise ValueError(f"multiple_of is {self.multiple_of}, wanted 1 .. {MAX_MULTIPLE}")


@dataclass(frozen=True)
class SegmenterTaxonomy:
    """The content of the YAML file: classes by name, and how pictures are fed."""

    classes: dict[str, ClassMeaning]
    input: SegmenterInput = field(default_factory=SegmenterInput)

    def __post_init__(self) -> None:
        if len(self.classes) > MAX_CLASSES:
            raise ValueError(f"classes: {len(self.classes)}, wanted at most {MAX_CLASSES}")
        for kind in ("segmenter", "game"):
            listed = [item for meaning in self.classes.values() for item in getattr(meaning, kind)]
            twice = [item for item in listed if listed.count(item) > 1]
            if twice:
                raise ValueError(f"classes: {kind} {twice[0]!r} is listed twice, wanted one class for it")
        ids = [number for meaning in self.classes.values() for number in meaning.segmenter]
        if ids and not all(0 <= number <= MAX_ID for number in ids):
            raise ValueError(f"classes: segmenter {min(ids)} .. {max(ids)}, wanted 0 .. {MAX_ID}")

    def of_segmenter(self) -> Labels:
        """Class by the segmenter's number; the last entry is for all larger numbers."""
        table = np.full(MAX_ID + 2, NONE, np.int16)
        for index, meaning in enumerate(self.classes.values()):
            table[list(meaning.segmenter)] = index
        return table

    def of_game(self, names: tuple[str, ...]) -> Labels:
        """Class by the number of a frame file's class, (256,).

        Args:
            names: `classes` of the frame file.
        """
        table = np.full(256, NONE, np.int16)
        for index, meaning in enumerate(self.classes.values()):
            table[[number for number, name in enumerate(names) if name in meaning.game]] = index
        return table

    def digest(self) -> str:
        """SHA-256 of the class names and of what each stands for: equal if ids mean the same."""
        meant = [[name, sorted(meaning.game), sorted(meaning.segmenter)] for name, meaning in self.classes.items()]
        text = json.dumps(meant)
        return hashlib.sha256(text.encode()).hexdigest()


def read_taxonomy(path: Path) -> SegmenterTaxonomy:
    """Read the YAML file.

    Raises:
        InputError: the file is not a taxonomy, or names no class; the message names the key that does not fit.
    """
    taxonomy = read_sections(path, SegmenterTaxonomy)
    if not taxonomy.classes:
        raise InputError(f"{path}: classes: 0, wanted 1 .. {MAX_CLASSES}")
    return taxonomy


def shared_taxonomy(names: Sequence[Collection[str]]) -> SegmenterTaxonomy:
    """Return the taxonomy of the class names that all folders share, in alphabetical order.

    Args:
        names: `classes` of each folder's frame files; `NAMELESS` ones are not classes.
    """
    common = set(names[0]).intersection(*names[1:])
    return SegmenterTaxonomy(
        {name: ClassMeaning(game=(name,)) for name in sorted(common) if name.lower() not in NAMELESS}
    )
