"""The same frames rendered twice, cheaply and well: crops of both, for training towards the better rendering.

A sample is a pure function of (seed, index), as those of datasets/matched_pairs.py.
"""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from datasets.channels import channel_names
from datasets.crops import as_tensor, check_size, draw_box
from datasets.flaws import flaw
from datasets.frames import Frames
from datasets.images import Images
from datasets.matched_pairs import crop_box_of
from gbuffer_tools.errors import InputError


class Rendered(NamedTuple):
    """A piece of a frame, the same piece of its better rendering, and a piece of another better rendering.

    Attributes:
        image: (3, s, s) float32, sRGB in [0, 1].
        gbuffers: (G, s, s) float32, normalised.
        classes: (s, s) int64, class stream per pixel.
        target: (3, s, s) float32, sRGB in [0, 1]; what is to become of `image`.
        crop_box: (4,) float32, of the crop in its frame, as in `datasets.matched_pairs.MatchedCrops`.
        reference: (3, s, s) float32, sRGB in [0, 1], of another target: it shows how targets look, and gives nothing
            of this one away.
    """

    image: Tensor
    gbuffers: Tensor
    classes: Tensor
    target: Tensor
    crop_box: Tensor
    reference: Tensor


class Targets:
    """Better renderings of frames, by the frames' names.

    They may have more pixels, a whole number for each of the frame's: then each pixel of a target is their mean, as in
    super-sampling.

    Args:
        folder: of frame files or pictures.
        frames: all of them must have a target.

    Raises:
        InputError: a frame without a target, or one of another shape.
    """

    def __init__(self, folder: Path, frames: Frames) -> None:
        # Looked at through another object: open files do not survive the way into a worker process.
        images = Images(folder)
        number = {key: i for i, key in enumerate(images.keys)}
        for key, (height, width) in zip(frames.keys, frames.sizes, strict=True):
            if key not in number:
                raise InputError(f"{folder}: has no {key!r}, as {frames.folder} has; render the same frames.")
            found = images.size(number[key])
            if found != (height * (found[0] // height), width * (found[0] // height)):
                raise InputError(
                    f"{folder}/{key}: is {found[1]}x{found[0]}; wanted {width}x{height}, or a multiple of it."
                )
        self.images, self._number, self._sizes = Images(folder), [number[key] for key in frames.keys], frames.sizes

    def __len__(self) -> int:
        return len(self._number)

    def __getitem__(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8, sRGB, of frame `index`'s size."""
        pixels = self.images[self._number[index]]
        height, width = self._sizes[index]
        if pixels.shape[:2] == (height, width):
            return pixels
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)


class RenderPairs(Dataset[Rendered]):
    """Crops, mirrored with probability 1/2, frame and target together.

    Args:
        frames: the cheap renderings, with G-buffers.
        targets: the good ones; two or more, so that a style can come from another.
        size: side of a sample.
        length: number of samples.
        seed: of all draws.

    Raises:
        InputError: too few or too small frames; a frame that must not be fed to a network, when it is drawn.
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
        what = flaw(sample.gbuffers, self._channels)
        if what is not None:
            raise InputError(f"{self.frames.where(number)}: {what}; run the check, extract again.")
        shown = self.targets[other]
        return Rendered(
            *sample,
            target=as_tensor(self.targets[number][rows, cols], flip=flip),
            crop_box=crop_box_of(rows, cols, self.frames.sizes[number], flip=flip),
            reference=as_tensor(shown[draw_box(shown.shape, self.size, rng)], flip=False),
        )
