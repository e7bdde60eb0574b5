"""Resizing that keeps everything in place: whatever lies at a fraction of a picture's sides stays at that fraction.

Pixels are areas with centres at halves. One matrix resizes each axis; borders are repeated. The bicubic kernel is
Keys's with a = -0.5 ("Cubic convolution interpolation", 1981), which keeps ramps straight. torch's and OpenCV's -0.75
does not: a picture resized by a factor near 1 shifts by up to 0.05 px.

Shapes: H W pixels, n m pixels along an axis before and after.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
Weights = NDArray[np.float64]
Mode = Literal["area", "bilinear", "bicubic"]
MODES: tuple[Mode, ...] = ("area", "bilinear", "bicubic")


def triangle(x: Weights) -> Weights:
    """The kernel of bilinear interpolation."""
    return np.clip(1 - np.abs(x), 0, None)


def cubic(x: Weights) -> Weights:
    """Keys's kernel of bicubic interpolation, a = -0.5."""
    x = np.abs(x)
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


KERNELS: dict[Mode, tuple[Callable[[Weights], Weights], int]] = {"bilinear": (triangle, 1), "bicubic": (cubic, 2)}
"""Kernel and its radius."""


@lru_cache(64)
def weights(before: int, after: int, mode: Mode, antialias: bool) -> Weights:
    """The matrix (m, n) that resizes an axis; its rows sum to 1."""
    if mode == "area":
        return area_weights(before, after)
    kernel, radius = KERNELS[mode]
    stretch = max(before / after, 1) if antialias else 1
    centres = (np.arange(after) + 0.5) * before / after - 0.5
    taps = np.arange(-int(np.ceil(radius * stretch)), int(np.ceil(radius * stretch)) + 1)
    positions = np.floor(centres)[:, None] + taps
    found = kernel((positions - centres[:, None]) / stretch)
    made = np.zeros((after, before))
    np.add.at(made, (np.arange(after)[:, None], np.clip(positions, 0, before - 1).astype(int)), found)
    return made / made.sum(axis=1, keepdims=True)


def area_weights(before: int, after: int) -> Weights:
    """Weights for the mean over the area that a new pixel covers: the fraction of it that each old pixel has."""
    edges = np.arange(after + 1) * before / after
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(before)
    covered = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None)
    return covered / covered.sum(axis=1, keepdims=True)


def resized(picture: Picture, size: tuple[int, int], mode: Mode, antialias: bool = False) -> Picture:
    """Resize a picture.

    Args:
        picture: (H, W, C).
        size: height and width of the result.
        mode: the kernel; "area" is the mean over each new pixel.
        antialias: whether the other kernels are stretched by the shrink factor, so that no pixel is skipped.

    Returns:
        (height, width, C); where the kernel overshoots, values lie outside the picture's range.
    """
    down, across = (
        weights(before, after, mode, antialias).astype(np.float32)
        for before, after in zip(picture.shape[:2], size, strict=True)
    )
    rows = np.tensordot(down, picture, axes=(1, 0))
    return np.ascontiguousarray(np.tensordot(rows, across, axes=(1, 1)).swapaxes(1, 2))
