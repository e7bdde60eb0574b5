"""Matched crops for training: a crop of a frame, and a crop of a photograph that shows similar content.

A sample is a pure function of (seed, index), so a resumed run receives the same samples as an uninterrupted one, with
any number of worker processes. A draw that is unfit for training (datasets/flaws.py) is replaced by the next draw of
the same index.
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
from datasets.labels import check_alike, read_facts, read_ids
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
        photo_labels: (s, s) int64, robust labels of the photograph.
        crop_box: (4,) float32, top, left, bottom and right of the crop in its frame, as fractions of its sides.
    """

    image: Tensor
    gbuffers: Tensor
    classes: Tensor
    frame_labels: Tensor
    photo: Tensor
    photo_labels: Tensor
    crop_box: Tensor


# Draws for one sample before the data are reported as unusable.
ATTEMPTS = 100


def crop_label(label: np.ndarray, size: tuple[int, int], rows: slice, cols: slice) -> np.ndarray:
    """Crop a label map, resampled by nearest neighbour to the resolution of its image, (h, w) int64.

    Args:
        label: label map (lh, lw) uint8 of the whole image, at any resolution.
        size: height and width of the image.
        rows, cols: slices of the crop in pixels of the image, with start and stop.
    """
    return nearest(label, size, rows, cols).astype(np.int64)


def crop_box_of(rows: slice, cols: slice, size: tuple[int, int], *, flip: bool) -> Tensor:
    """Return top, left, bottom and right of a crop, (4,) float32, as fractions of the frame's size (H, W).

    `flip` mirrors the box left to right.
    """
    left, right = cols.start / size[1], cols.stop / size[1]
    if flip:
        left, right = 1 - right, 1 - left
    return torch.tensor([rows.start / size[0], left, rows.stop / size[0], right], dtype=torch.float32)


# The arrays that `datasets.match` writes: kind of elements, and number of axes.
ARRAYS = {
    "frame_keys": ("U", 1), "photo_keys": ("U", 1), "frame": ("i", 2), "photo": ("i", 2), "weight": ("f", 1),
    "crop": ("i", 0), "photo_height": ("i", 0),
}  # fmt: skip


class Matches:
    """The pairs that `datasets.match` wrote, sampled by weight.

    Args:
        path: matches.npz.
        frames, photos: the frames and photographs that were matched.

    Raises:
        InputError: the file is damaged, or was made for other frames, photographs or sizes.
    """

    def __init__(self, path: Path, frames: Frames, photos: Photos) -> None:
        arrays = read_npz(path, ARRAYS)
        if int(arrays["photo_height"]) != photos.height:
            raise InputError(
                f"{path}: made for photographs {int(arrays['photo_height'])} px high, got {photos.height}; match again."
            )
        weight = arrays["weight"]
        if not len(arrays["frame"]) == len(arrays["photo"]) == len(weight) or not len(weight):
            raise InputError(f"{path}: has arrays of different lengths, or no pairs; match again.")
        if not np.isfinite(weight).all() or (weight <= 0).any():
            raise InputError(f"{path}: has weights that are not positive numbers; match again.")
        if {arrays["frame"].shape[1], arrays["photo"].shape[1]} != {3}:
            raise InputError(f"{path}: has crops that are not image, top, left; match again.")
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
        """Check the boxes (P, 3), and replace the file's image indices by those of the current images."""
        boxes = boxes.astype(np.int64)  # sums of values from a file must not wrap around
        number = {key: i for i, key in enumerate(keys)}
        missing = [key for key in stored.tolist() if key not in number]
        if missing:
            raise InputError(f"{path}: made for an image {missing[0]!r} that does not exist now; match again.")
        if (boxes < 0).any() or (boxes[:, 0] >= len(stored)).any():
            raise InputError(f"{path}: has crops of images that it does not list; match again.")
        image = np.array([number[key] for key in stored.tolist()])[boxes[:, 0]]
        if (boxes[:, 1:] + self.crop > np.array(sizes)[image]).any():
            raise InputError(f"{path}: has crops that extend beyond their images; match again.")
        return np.column_stack([image, boxes[:, 1:]])

    def draw(self, rng: np.random.Generator) -> int:
        """Draw the index of a pair, with probability proportional to its weight, in O(log n)."""
        return int(np.searchsorted(self._until, rng.random() * self._until[-1], side="right"))


class MatchedPairs(Dataset[MatchedCrops]):
    """Crops of matched pairs.

    The matched crops are 196 px; a sample is a square of `size` px at the same random position in both, so that matched
    content stays together. Both are mirrored together with probability 1/2.

    Args:
        frames, photos: the frames and photographs that were matched.
        matches: matches.npz.
        frame_labels, photo_labels: folders of label maps with the same taxonomy.
        size: side of a sample in pixels, at most that of the matched crops.
        length: number of samples; training receives them in order of their index.
        seed: seed of all draws.
        drop_buffers: probability with which each stored buffer is dropped from a sample; all channels that need it are
            then 0, their mean.

    Raises:
        InputError: the files do not belong together, or a label map is missing.
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
        facts = [read_facts(folder) for folder in (frame_labels, photo_labels)]
        counts = [int(str(of["classes"])) for of in facts]
        if counts[0] != counts[1]:
            raise InputError(
                f"{photo_labels}: has {counts[1]} classes, {frame_labels} has {counts[0]}; label both at once."
            )
        if all("digests" in of for of in facts):  # label maps that a user made may lack them
            check_alike(photo_labels, facts[1], facts[0], frame_labels)
        self.label_classes = counts[0]
        self._channels = channel_names(frames.reading.features)
        self._frame_labels = [read_ids(frame_labels, key, counts[0]) for key in frames.keys]
        self._photo_labels = [read_ids(photo_labels, key, counts[0]) for key in photos.keys]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> MatchedCrops:
        return self.with_flaws(index)[0]

    def with_flaws(self, index: int) -> tuple[MatchedCrops, list[Flaw]]:
        """Return sample `index`, and the flaws of the draws that were rejected before it, usually none.

        Raises:
            InputError: all draws are flawed.
        """
        flaws: list[Flaw] = []
        for attempt in range(ATTEMPTS):
            # Further draws have their own seeds, so that other samples do not change.
            rng = np.random.default_rng((self.seed, index, attempt) if attempt else (self.seed, index))
            image, sample = self._draw(rng)
            what = flaw(sample.gbuffers, self._channels)
            if what is None:
                return sample, flaws
            flaws.append(Flaw(self.frames.where(image), what))
        raise InputError(
            f"{flaws[-1]}; {ATTEMPTS} draws in a row were flawed. Run gbuffer_tools.check, and extract again."
        )

    def _draw(self, rng: np.random.Generator) -> tuple[int, MatchedCrops]:
        """Draw a sample; return it with the index of its frame."""
        pair = self.matches.draw(rng)
        down, right = rng.integers(self.matches.crop - self.size + 1, size=2)
        flip = bool(rng.integers(2))
        # Drawn last, so that the crops are the same with and without dropped buffers.
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
