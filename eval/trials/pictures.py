"""The pictures of a trial: at one height, with their label maps and digests."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets.images import Images
from datasets.labels import read_label
from datasets.photos import PhotoFilter, to_height
from eval.digests import folder_digest, picture_numbers, pixel_digest
from eval.inputs import generator_for, spread
from eval.trials.degradations import Degradation
from gbuffer_tools.errors import InputError

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class PictureSet:
    """Some pictures of a folder, as a trial sees them.

    Attributes:
        folder: where they are.
        keys: the pictures' keys.
        pixels: (H, W, 3) uint8 each, of the trial's height or less.
        labels: (h, w) uint8 label map of each, of any size; None if there are none.
        originals: what each picture was before it was degraded; None if nothing was.
    """

    folder: Path
    keys: tuple[str, ...]
    pixels: tuple[Pixels, ...]
    labels: tuple[Pixels, ...] | None
    originals: tuple[Pixels, ...] | None = None

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def contents(self) -> Mapping[str, bytes]:
        """SHA-256 of each picture, by key."""
        return {key: pixel_digest(picture) for key, picture in zip(self.keys, self.pixels, strict=True)}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of pictures and originals, as hexadecimal digits; label maps do not matter."""
        originals = zip(self.keys, self.originals or (), strict=False)
        return folder_digest({**self.contents, **{f"original {key}": pixel_digest(x) for key, x in originals}})

    @property
    def numbers(self) -> NDArray[np.int64]:
        """(N,) a number for each picture; equal pictures have equal numbers."""
        return picture_numbers(self.keys, self.contents)


def read_pictures(
    folder: Path, height: int, labels: Path | None, keys: tuple[str, ...], photo_filter: PhotoFilter = "area"
) -> PictureSet:
    """Read pictures of a folder.

    Args:
        folder: holds images or frame files.
        height: the height that taller pictures are reduced to.
        labels: folder of their label maps.
        keys: which pictures to read.
        photo_filter: see `datasets.photos.to_height`.

    Raises:
        InputError: a picture or a label map that cannot be read or does not fit.
    """
    images = Images(folder)
    numbers = {key: index for index, key in enumerate(images.keys)}
    pixels = tuple(to_height(images[numbers[key]], height, photo_filter) for key in keys)
    maps = tuple(read_label(labels, key) for key in keys) if labels else None
    for key, picture, label in zip(keys, pixels, maps or (), strict=False):
        (h, w), (rows, columns) = label.shape, picture.shape[:2]
        if abs(h * columns - w * rows) > max(h, w, rows, columns):
            raise InputError(
                f"{labels}/{key}.png: got a map of {w}x{h} for a picture of {columns}x{rows}, wanted its aspect; "
                "make the labels of this folder again"
            )
    return PictureSet(folder, keys, pixels, maps)


def chosen_keys(folder: Path, max_count: int | None) -> tuple[str, ...]:
    """The keys of a folder, or at most `max_count` of them, evenly spaced.

    Raises:
        InputError: there are fewer than four.
    """
    keys = Images(folder).keys
    found = spread(keys, max_count) if max_count else tuple(keys)
    if len(found) < 4:
        raise InputError(f"{folder}: {len(found)} pictures, wanted four or more; add pictures.")
    return found


def degraded(pictures: PictureSet, degradation: Degradation, strength: float, seed: int) -> PictureSet:
    """Degraded pictures, whose label maps stay as they are: what they show is still the same.

    The noise of a picture depends on its key and the seed, and is the same pattern at all strengths.
    """
    found = tuple(
        degradation(picture, strength, generator_for(key, seed))
        for key, picture in zip(pictures.keys, pictures.pixels, strict=True)
    )
    return PictureSet(pictures.folder, pictures.keys, found, pictures.labels, pictures.pixels)
