"""Crops of frames that were rendered twice, cheaply and well, for training towards the better rendering.

A sample is a pure function of (seed, index), as in datasets/matched_pairs.py.
"""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from datasets.channels import channel_names
from datasets.crops import as_tensor, check_size, draw_box
from datasets.flaws import check_fit
from datasets.frames import Frames
from datasets.images import Images
from datasets.matched_pairs import crop_box_of
from gbuffer_tools.errors import InputError


class Rendered(NamedTuple):
    """A crop of a frame, the same crop of its better rendering, and a crop of another frame's better rendering.

    Attributes:
        image: (3, s, s) float32, sRGB in [0, 1].
        gbuffers: (G, s, s) float32, normalised.
        classes: (s, s) int64, class stream per pixel.
        target: (3, s, s) float32, sRGB in [0, 1], the wanted result for `image`.
        crop_box: (4,) float32, box of the crop in its frame, as in `datasets.matched_pairs.MatchedCrops`.
        reference: (3, s, s) float32, sRGB in [0, 1], a crop of another target: it has the style of the targets, but
            reveals nothing about this one.
    """

    image: Tensor
    gbuffers: Tensor
    classes: Tensor
    target: Tensor
    crop_box: Tensor
    reference: Tensor


class Targets:
    """Better renderings of frames, found by the frames' names.

    Their sizes may be integer multiples of the frames'. They are then averaged to the frames' size, as in
    super-sampling.

    Args:
        folder: folder of frame files or images.
        frames: the frames; each must have a target.

    Raises:
        InputError: a frame has no target, or one of an unsuitable size.
    """

    def __init__(self, folder: Path, frames: Frames) -> None:
        # Checked through another object, because open files cannot be sent to a worker process.
        images = Images(folder)
        number = {key: i for i, key in enumerate(images.keys)}
        for key, (height, width) in zip(frames.keys, frames.sizes, strict=True):
            if key not in number:
                raise InputError(f"{folder}: has no {key!r}, but {frames.folder} has; render the same frames.")
            found = images.size(number[key])
            if found != (height * (found[0] // height), width * (found[0] // height)):
                raise InputError(
                    f"{folder}/{key}: is {found[1]}x{found[0]}; wanted {width}x{height}, or a multiple of it."
                )
        self.images, self._number, self._sizes = Images(folder), [number[key] for key in frames.keys], frames.sizes

    def __len__(self) -> int:
        return len(self._number)

    def __getitem__(self, index: int) -> np.ndarray:
        """Return the target of frame `index`, (H, W, 3) uint8, sRGB, at the frame's size."""
        pixels = self.images[self._number[index]]
        height, width = self._sizes[index]
        if pixels.shape[:2] == (height, width):
            return pixels
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)


class RenderPairs(Dataset[Rendered]):
    """Crops of frames and their targets, mirrored together with probability 1/2.

    Args:
        frames: the cheap renderings, with G-buffers; two or more, so that references can come from other frames.
        targets: the better renderings of the same frames.
        size: side of a sample in pixels.
        length: number of samples.
        seed: seed of all draws.

    Raises:
        InputError: there are too few frames, or they are too small; on access, a frame is unfit for training.
    """

    def __init__(self, frames: Frames, targets: Targets, *, size: int, length: int, seed: int) -> None:
        if len(frames) < 2:
            raise InputError(f"{frames.folder}: has 1 frame, wanted 2 or more; styles come from other frames' targets.")
        for key, shape in zip(frames.keys, frames.sizes, strict=True):
            check_size(f"{frames.folder}/{key}", shape, size)
        self.frames, self.targets, self.size, self.length, self.seed = frames, targets, size, length, seed
        self._channels = channel_names(frames.reading.features)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Rendered:
        rng = np.random.default_rng((self.seed, index))
        count = len(self.frames)
        number = int(rng.integers(count))
        other = (number + 1 + int(rng.integers(count - 1))) % count
        rows, cols = draw_box(self.frames.sizes[number], self.size, rng)
        flip = bool(rng.integers(2))
        sample = self.frames.read(number, rows, cols, flip=flip)
        check_fit(sample.gbuffers, self._channels, self.frames.where(number))
        shown = self.targets[other]
        return Rendered(
            *sample,
            target=as_tensor(self.targets[number][rows, cols], flip=flip),
            crop_box=crop_box_of(rows, cols, self.frames.sizes[number], flip=flip),
            reference=as_tensor(shown[draw_box(shown.shape, self.size, rng)], flip=False),
        )
