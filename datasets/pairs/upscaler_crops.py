"""Crops for training an upscaler: a large picture, the small one that was made from it or rendered, and guides.

A sample is a pure function of (seed, index), as in datasets/matched_pairs.py.
"""

import copy
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from datasets.channels import channel_names
from datasets.crops import Box, channels_first, check_size, draw_box
from datasets.degradations.degradations import Degrade
from datasets.degradations.resizing import Picture
from datasets.degradations.steps import as_picture, sharpened
from datasets.flaws import check_fit
from datasets.frames import Frames
from datasets.images import Images
from gbuffer_tools.errors import InputError

MARGIN = 72
"""Pixels around a crop that are degraded with it, so that what filters mirror at a border is cut off. Real-ESRGAN cuts
256 of 400 pixels."""


class UpscalerCrop(NamedTuple):
    """A crop of a picture in two sizes.

    Attributes:
        small: (3, h, h) float32, sRGB in [0, 1].
        large: (3, S, S) float32, sRGB in [0, 1]; S = s h with the scale s.
        sharp: the large crop, sharpened (`datasets.degradations.steps.sharpened`) if requested.
        guides: (G, S, S) float32, normalised per channel; G is 0 without guides.
    """

    small: Tensor
    large: Tensor
    sharp: Tensor
    guides: Tensor


class LargePictures:
    """A folder of pictures, in memory at their own size, cut to multiples of the scale; or frame files with guides.

    Args:
        folder: of images or frame files.
        scale: s; the last rows and columns beyond a multiple of it are cut off.
        guides: the same frames, read with the features that guide; None: no guides.

    Raises:
        InputError: there are no pictures, or the guides belong to other frames.
    """

    def __init__(self, folder: Path, scale: int, guides: Frames | None = None) -> None:
        images = Images(folder)
        self.folder, self.keys, self.guides = folder, images.keys, guides
        self._pixels = [cut_to_multiple(images[i], scale) for i in range(len(images))]
        self._number: dict[str, int] = {}
        if guides is not None:
            self._number = {key: number for number, key in enumerate(guides.keys)}
            missing = [key for key in self.keys if key not in self._number]
            if missing:
                raise InputError(f"{guides.folder}: has no frame {missing[0]!r}, which {folder} has.")

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> np.ndarray:
        """Return picture `index`, (H, W, 3) uint8 sRGB."""
        return self._pixels[index]

    def split(self, patterns: Sequence[str]) -> tuple["LargePictures", "LargePictures"]:
        """Divide the pictures into those to train on and those that are held out.

        Args:
            patterns: shell patterns of what is held out: keys, or sub-folders (frame files) with everything in them,
                so that pictures of one scene stay together.

        Raises:
            InputError: a pattern matches nothing, or nothing is left.
        """
        for pattern in patterns:
            if not any(held_out(key, [pattern]) for key in self.keys):
                there = ", ".join(self.keys)[:200]
                raise InputError(f"--held_out {pattern}: fits no picture of {self.folder}; there are {there}, …")
        chosen = [held_out(key, patterns) for key in self.keys]
        if all(chosen):
            raise InputError(f"--held_out {' '.join(patterns)}: leaves no picture of {self.folder} to train on.")
        return self._those([not apart for apart in chosen]), self._those(chosen)

    def _those(self, wanted: list[bool]) -> "LargePictures":
        part = copy.copy(self)
        part.keys = tuple(key for key, here in zip(self.keys, wanted, strict=True) if here)
        part._pixels = [pixels for pixels, here in zip(self._pixels, wanted, strict=True) if here]
        return part

    def guide(self, index: int, box: Box, *, flip: bool) -> Tensor:
        """Return the guides of a crop, (G, h, w); (0, h, w) without guides.

        Raises:
            InputError: the frame has values that are not finite, or far from all that training can use.
        """
        rows, cols = box
        if self.guides is None:
            return torch.zeros(0, rows.stop - rows.start, cols.stop - cols.start)
        number = self._number[self.keys[index]]
        found = self.guides.read(number, rows, cols, flip=flip).gbuffers
        check_fit(found, channel_names(self.guides.reading.features), self.guides.where(number))
        return found


class UpscalerCrops(Dataset[UpscalerCrop]):
    """Crops of pictures in two sizes, mirrored with probability 1/2.

    Args:
        pictures: the large ones.
        small: the same pictures rendered small, by key; None: the large ones are degraded.
        degradation: how they are degraded; used only if `small` is None.
        scale: s.
        size: side of a large crop, a multiple of the scale.
        sharpen: whether to sharpen the targets, also before they are degraded.
        length: number of samples.
        seed: seed of all draws.

    Raises:
        InputError: a picture is too small, or has no small version of the right size.
    """

    def __init__(
        self,
        pictures: LargePictures,
        small: Images | None,
        degradation: Degrade,
        *,
        scale: int,
        size: int,
        sharpen: bool,
        length: int,
        seed: int,
    ) -> None:
        for number, key in enumerate(pictures.keys):
            check_size(f"{pictures.folder}/{key}", pictures[number].shape, size)
        self.pictures, self.degradation, self.sharpen = pictures, degradation, sharpen
        self.scale, self.size, self.length, self.seed = scale, size, length, seed
        self._rendered = None if small is None else rendered_small(pictures, small, scale)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> UpscalerCrop:
        rng = np.random.default_rng((self.seed, index))
        number, flip = int(rng.integers(len(self.pictures))), bool(rng.integers(2))
        if self._rendered is None:
            box = draw_box(self.pictures[number].shape, self.size, rng)
        else:
            rows, cols = draw_box(self._rendered[number].shape, self.size // self.scale, rng)
            box = scaled(rows, self.scale), scaled(cols, self.scale)
        return self._cut(number, box, rng, flip=flip)

    def whole(self, number: int) -> UpscalerCrop:
        """Return picture `number` (not a random one) in both sizes, not mirrored; degraded the same way each time."""
        height, width = self.pictures[number].shape[:2]
        return self._cut(number, (slice(0, height), slice(0, width)), np.random.default_rng((self.seed, number)))

    def _cut(self, number: int, box: Box, rng: np.random.Generator, *, flip: bool = False) -> UpscalerCrop:
        """Cut a box out of a picture; its borders are multiples of the scale if pictures are rendered small."""
        pixels = self.pictures[number]
        if self._rendered is None:
            small, large, sharp = self._degraded(pixels, box, rng)
        else:
            rows, cols = (slice(side.start // self.scale, side.stop // self.scale) for side in box)
            small, large = as_picture(self._rendered[number][rows, cols]), as_picture(pixels[box])
            sharp = sharpened(large) if self.sharpen else large
        guides = self.pictures.guide(number, box, flip=flip)
        low, high, target = (channels_first(x, flip=flip) for x in (small, large, sharp))
        return UpscalerCrop(low, high, target, guides)

    def _degraded(self, pixels: np.ndarray, box: Box, rng: np.random.Generator) -> tuple[Picture, Picture, Picture]:
        """Return a crop, degraded with its surroundings: small, large and sharpened."""
        around, inner = with_margin(box, pixels.shape, self.scale)
        large = as_picture(pixels[around])
        sharp = sharpened(large) if self.sharpen else large
        small = self.degradation(sharp, self.scale, rng)
        return (
            small[tuple(slice(s.start // self.scale, s.stop // self.scale) for s in inner)],
            large[inner],
            sharp[inner],
        )


def held_out(key: str, patterns: Sequence[str]) -> bool:
    """Return whether a pattern matches a key, or a folder that it is in."""
    path = PurePosixPath(key)
    names = [key, *(parent.as_posix() for parent in path.parents if parent.name)]
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def scaled(side: slice, factor: int) -> slice:
    """Return a slice of pixels, scaled to a picture that is larger by a factor."""
    return slice(side.start * factor, side.stop * factor)


def with_margin(box: Box, shape: tuple[int, ...], scale: int) -> tuple[Box, Box]:
    """Return a box with up to `MARGIN` pixels around it within a picture, and the original box within that one.

    The original box starts at a multiple of the scale within the larger one, whose sides are multiples, too.
    """
    outer, inner = [], []
    for side, length in zip(box, shape[:2], strict=True):
        before = min(MARGIN, side.start) // scale * scale
        after = min(MARGIN, length - side.stop) // scale * scale
        outer.append(slice(side.start - before, side.stop + after))
        inner.append(slice(before, before + side.stop - side.start))
    return (outer[0], outer[1]), (inner[0], inner[1])


def cut_to_multiple(pixels: np.ndarray, scale: int) -> np.ndarray:
    """Cut off the last rows and columns of a picture (H, W, 3) that are beyond a multiple of the scale."""
    height, width = (side // scale * scale for side in pixels.shape[:2])
    return pixels[:height, :width]


def rendered_small(pictures: LargePictures, small: Images, scale: int) -> list[np.ndarray]:
    """Return the small renderings of pictures, (h, w, 3) uint8, in the same order.

    Raises:
        InputError: one is missing or has the wrong size.
    """
    number, found = {key: i for i, key in enumerate(small.keys)}, []
    for index, key in enumerate(pictures.keys):
        if key not in number:
            raise InputError(f"{small.folder}: has no {key!r}, but {pictures.folder} has; render the same frames.")
        pixels, (height, width) = small[number[key]], pictures[index].shape[:2]
        if (pixels.shape[0] * scale, pixels.shape[1] * scale) != (height, width):
            raise InputError(
                f"{small.folder}/{key}: is {pixels.shape[1]}x{pixels.shape[0]}, wanted {width // scale}x"
                f"{height // scale}: {scale} times smaller than in {pictures.folder}."
            )
        found.append(pixels)
    return found
