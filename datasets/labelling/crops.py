"""Crops of labelled pictures for training a segmenter: scaled, cut, mirrored, and changed in colour at random.

A sample is a pure function of (seed, index), as in datasets/matched_pairs.py.
"""

from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from datasets.labelling.labelled_images import LabelledImages
from datasets.labelling.taxonomy import NONE, Labels
from gbuffer_tools.resampling import nearest


class SegmenterCrop(NamedTuple):
    """A crop of a picture and the classes of its pixels.

    Attributes:
        image: (3, s, s) float32, sRGB in [0, 1].
        labels: (s, s) int64, class or `NONE`.
    """

    image: Tensor
    labels: Tensor


class SegmenterCrops(Dataset[SegmenterCrop]):
    """Crops of labelled pictures.

    Args:
        pictures: what they are cut from.
        size: side of a sample in pixels.
        zoom: largest factor by which a picture is enlarged or reduced; log-uniform between the two; 1 for none.
        jitter: how much colours change, as in `jittered`; 0 for not at all.
        length: number of samples.
        seed: seed of all draws.
    """

    def __init__(
        self, pictures: LabelledImages, *, size: int, zoom: float, jitter: float, length: int, seed: int
    ) -> None:
        self.pictures, self.size, self.zoom, self.jitter = pictures, size, zoom, jitter
        self.length, self.seed = length, seed

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> SegmenterCrop:
        rng = np.random.default_rng((self.seed, index))
        pixels, labels = self.pictures[int(rng.integers(len(self.pictures)))]
        scale = float(np.exp(rng.uniform(-1, 1) * np.log(self.zoom)))
        side = max(1, round(self.size / scale))  # of the crop, in pixels of the picture
        pixels, labels = self._cut(pixels, labels, side, rng)
        if rng.integers(2):
            pixels, labels = pixels[:, ::-1], labels[:, ::-1]
        image = jittered(pixels.astype(np.float32) / 255, rng, self.jitter)
        return SegmenterCrop(
            torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))),
            torch.from_numpy(np.ascontiguousarray(labels, np.int64)),
        )

    def _cut(
        self, pixels: np.ndarray, labels: Labels, side: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, Labels]:
        """Cut a random square, resized to a sample's size. Beyond a smaller picture, it is black and has no class."""
        missing = [max(0, side - length) for length in labels.shape]
        if any(missing):
            pixels = np.pad(pixels, (*((0, more) for more in missing), (0, 0)))
            labels = np.pad(labels, tuple((0, more) for more in missing), constant_values=NONE)
        top, left = (int(rng.integers(length - side + 1)) for length in labels.shape)
        box = slice(top, top + side), slice(left, left + side)
        how = cv2.INTER_AREA if side > self.size else cv2.INTER_LINEAR
        cut = np.ascontiguousarray(pixels[box])
        size = (self.size, self.size)
        return cv2.resize(cut, size, interpolation=how), nearest(labels[box], size).astype(np.int16)


def jittered(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Change contrast, brightness, saturation and white balance at random.

    Args:
        image: (H, W, 3) float32, sRGB in [0, 1].
        rng: source of the changes.
        strength: standard deviation of brightness and of the logarithms of the other factors; white balance changes
            half as much. At 0 nothing changes.

    Returns:
        (H, W, 3) float32 in [0, 1].
    """
    contrast, saturation = np.exp(strength * rng.normal(size=2))
    balance = np.exp(strength / 2 * rng.normal(size=3))
    grey = image.mean(axis=-1, keepdims=True)
    image = (grey + saturation * (image - grey)) * balance
    mean = image.mean()
    return np.clip(mean + contrast * (image - mean) + strength * rng.normal(), 0, 1).astype(np.float32)
