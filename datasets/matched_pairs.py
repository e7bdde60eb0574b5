"""Matched crops for training: a piece of a frame, and a piece of a photograph that shows alike things.

A sample is a pure function of (seed, index), so a run that was stopped goes on with the very samples it would have
seen, in any number of worker processes. A draw that must not be fed to a network (datasets/flaws.py) is followed by the
next one of the same index.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from datasets.channels import channel_names
from datasets.flaws import Flaw, flaw
from datasets.frames import Frames
from datasets.labels import read_facts, read_ids
from datasets.photos import Photos
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.arrays import read_npz
from gbuffer_tools.resampling import nearest


class MatchedCrops(NamedTuple):
    """A training sample; the default collation stacks each entry along a first axis B.

    Attributes:
        image: (3, s, s) float32, sRGB in [0, 1].
        gbuffers: (G, s, s) float32, normalised.
        classes: (s, s) int64, class stream per pixel.
        frame_labels: (s, s) int64, robust labels of the frame.
        photo: (3, s, s) float32, sRGB in [0, 1].
        photo_labels: (s, s) int64.
        crop_box: (4,) float32, top, left, bottom and right of the crop in its frame, as fractions of its sides.
    """

    image: Tensor
    gbuffers: Tensor
    classes: Tensor
    frame_labels: Tensor
    photo: Tensor
    photo_labels: Tensor
    crop_box: Tensor


# Draws for one sample before the data are called unusable.
ATTEMPTS = 100


def crop_label(label: np.ndarray, size: tuple[int, int], rows: slice, cols: slice) -> np.ndarray:
    """The part of a label map (of any resolution) under a crop of its image, nearest, (h, w) int64.

    Args:
        label: (lh, lw) uint8, over the whole image.
        size: height and width of the image, in whose pixels the crop is given.
        rows, cols: the crop, with start and stop.
    """
    return nearest(label, size, rows, cols).astype(np.int64)


def crop_box_of(rows: slice, cols: slice, size: tuple[int, int], *, flip: bool) -> Tensor:
    """(4,) float32: top, left, bottom, right of a crop of a frame (H, W), as fractions, mirrored if wanted."""
    left, right = cols.start / size[1], cols.stop / size[1]
    if flip:
        left, right = 1 - right, 1 - left
    return torch.tensor([rows.start / size[0], left, rows.stop / size[0], right], dtype=torch.float32)


# What `datasets.match` writes: kinds of elements, and number of axes.
ARRAYS = {
    "frame_keys": ("U", 1), "photo_keys": ("U", 1), "frame": ("i", 2), "photo": ("i", 2), "weight": ("f", 1),
    "crop": ("i", 0), "photo_height": ("i", 0),
}  # fmt: skip


class Matches:
    """The pairs that `datasets.match` wrote, drawn by weight.

    Raises:
        InputError: made for other frames, photographs or sizes.
    """

    def __init__(self, path: Path, frames: Frames, photos: Photos) -> None:
        arrays = read_npz(path, ARRAYS)
        if int(arrays["photo_height"]) != photos.height:
            raise InputError(
                f"{path}: made for photographs {int(arrays['photo_height'])} px high, now {photos.height}; match again."
            )
        weight = arrays["weight"]
        if not len(arrays["frame"]) == len(arrays["photo"]) == len(weight) or not len(weight):
            raise InputError(f"{path}: arrays of different lengths, or no pairs; match again.")
        if not np.isfinite(weight).all() or (weight <= 0).any():
            raise InputError(f"{path}: weights that are not positive numbers; match again.")
        if {arrays["frame"].shape[1], arrays["photo"].shape[1]} != {3}:
            raise InputError(f"{path}: crops that are not image, top, left; match again.")
        self.crop = int(arrays["crop"])
        sizes = [photos[i].shape[:2] for i in range(len(photos))]
        self.frame = self._boxes(path, arrays["frame"], arrays["frame_keys"], frames.keys, frames.sizes)
        self.photo = self._boxes(path, arrays["photo"], arrays["photo_keys"], photos.keys, sizes)
        self._until = np.cumsum(weight, dtype=np.float64)

    def _boxes(
        self,
        path: Path,
        boxes: np.ndarray,
        stored: np.ndarray,
        keys: Sequence[str],
        sizes: Sequence[tuple[int, int]],
    ) -> np.ndarray:
        """The boxes (P, 3) with the file's image numbers replaced by those of the images at hand."""
        boxes = boxes.astype(np.int64)  # sums of what a file says must not wrap around
        number = {key: i for i, key in enumerate(keys)}
        missing = [key for key in stored.tolist() if key not in number]
        if missing:
            raise InputError(f"{path}: made for an image {missing[0]!r} that is not there now; match again.")
        if (boxes < 0).any() or (boxes[:, 0] >= len(stored)).any():
            raise InputError(f"{path}: crops of images that it does not name; match again.")
        image = np.array([number[key] for key in stored.tolist()])[boxes[:, 0]]
        if (boxes[:, 1:] + self.crop > np.array(sizes)[image]).any():
            raise InputError(f"{path}: crops that reach over the images at hand; match again.")
        return np.column_stack([image, boxes[:, 1:]])

    def draw(self, rng: np.random.Generator) -> int:
        """Index of a pair, with probability proportional to its weight; O(log n)."""
        return int(np.searchsorted(self._until, rng.random() * self._until[-1], side="right"))


class MatchedPairs(Dataset[MatchedCrops]):
    """Crops of matched pairs.

    The matched crops are 196 px; a sample is a square of `size` px at the same random place in both, so that what
    was matched stays together. Both are mirrored together with probability 1/2.

    Args:
        frames, photos: what was matched.
        matches: matches.npz.
        frame_labels, photo_labels: folders of label maps, one taxonomy.
        size: side of a sample, at most the matched crop's.
        length: number of samples; index i is the i-th that training sees.
        seed: of all draws.
        drop_buffers: probability with which each stored buffer is left out of a sample, all channels that need it
            being 0, their mean.

    Raises:
        InputError: files that do not belong together; a missing label map.
    """

    def __init__(
        self,
        frames: Frames,
        photos: Photos,
        matches: Path,
        *,
        frame_labels: Path,
        photo_labels: Path,
        size: int,
        length: int,
        seed: int,
        drop_buffers: float = 0.0,
    ) -> None:
        self.drop_buffers = drop_buffers
        self.frames, self.photos, self.size, self.length, self.seed = frames, photos, size, length, seed
        self.matches = Matches(matches, frames, photos)
        if not 0 < size <= self.matches.crop:
            raise InputError(f"crop {size}: wanted 1 .. {self.matches.crop}, the side of the matched crops.")
        counts = [int(str(read_facts(folder)["classes"])) for folder in (frame_labels, photo_labels)]
        if counts[0] != counts[1]:
            raise InputError(
                f"{photo_labels}: {counts[1]} classes, {frame_labels} has {counts[0]}; label both at once."
            )
        self.label_classes = counts[0]
        self._channels = channel_names(frames.reading.features)
        self._frame_labels = [read_ids(frame_labels, key, counts[0]) for key in frames.keys]
        self._photo_labels = [read_ids(photo_labels, key, counts[0]) for key in photos.keys]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> MatchedCrops:
        return self.with_flaws(index)[0]

    def with_flaws(self, index: int) -> tuple[MatchedCrops, list[Flaw]]:
        """Sample `index`, and what is wrong with the draws that were left out for it, mostly nothing.

        Raises:
            InputError: nothing but flawed draws.
        """
        flaws: list[Flaw] = []
        for attempt in range(ATTEMPTS):
            # Further draws have seeds of their own, so that other samples stay as they are.
            rng = np.random.default_rng((self.seed, index, attempt) if attempt else (self.seed, index))
            image, sample = self._draw(rng)
            what = flaw(sample.gbuffers, self._channels)
            if what is None:
                return sample, flaws
            flaws.append(Flaw(self.frames.where(image), what))
        raise InputError(f"{flaws[-1]}; {ATTEMPTS} draws in a row were like it. Run the check, extract again.")

    def _draw(self, rng: np.random.Generator) -> tuple[int, MatchedCrops]:
        """The number of a frame, and a sample of it."""
        pair = self.matches.draw(rng)
        down, right = rng.integers(self.matches.crop - self.size + 1, size=2)
        flip = bool(rng.integers(2))
        # Last, so that the same crops are drawn with and without.
        chances = rng.random(len(self.frames.buffers))
        dropped = {name for name, x in zip(self.frames.buffers, chances, strict=True) if x < self.drop_buffers}

        def box(corner: np.ndarray) -> tuple[int, slice, slice]:
            number, top, left = (int(n) for n in corner)
            return number, slice(top + down, top + down + self.size), slice(left + right, left + right + self.size)

        image, rows, cols = box(self.matches.frame[pair])
        sample = self.frames.read(image, rows, cols, flip=flip, dropped=dropped)
        crop_box = crop_box_of(rows, cols, self.frames.sizes[image], flip=flip)
        frame_labels = crop_label(self._frame_labels[image], self.frames.sizes[image], rows, cols)

        photo_image, rows, cols = box(self.matches.photo[pair])
        pixels = self.photos[photo_image]
        photo = pixels[rows, cols].astype(np.float32) / 255
        photo_labels = crop_label(self._photo_labels[photo_image], pixels.shape[:2], rows, cols)
        if flip:
            frame_labels, photo, photo_labels = frame_labels[:, ::-1], photo[:, ::-1], photo_labels[:, ::-1]
        return image, MatchedCrops(
            *sample,
            frame_labels=torch.from_numpy(np.ascontiguousarray(frame_labels)),
            photo=torch.from_numpy(np.ascontiguousarray(photo)).movedim(-1, 0).contiguous(),
            photo_labels=torch.from_numpy(np.ascontiguousarray(photo_labels)),
            crop_box=crop_box,
        )
