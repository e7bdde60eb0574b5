"""The grain of a grade: the noise that flat areas of photographs have and renderings lack.

The noise of a picture is measured with the mask of Immerkaer, "Fast Noise Variance Estimation", Computer Vision and
Image Understanding 64(2), 1996, which cancels whatever is linear, at the flattest blocks of the picture. These are
chosen on a blurred copy, so the choice hardly depends on the noise.
"""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.inputs import generator_for

Array = NDArray[np.float64]

MASK = np.array([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6
"""White noise of deviation 1 has a response of deviation 1."""
BLOCK, BLUR = 16, 2.0
FLATTEST = 0.1
"""The fraction of a picture's blocks that is used."""
FAINTEST = 0.25 / 255
"""Weaker noise would round to nothing in most pixels of flat areas."""
BLACK, WHITE = 0.06, 0.94
"""Blocks whose mean is outside are left out: clipped values have no noise."""


def noise(lumas: Iterable[Array]) -> float:
    """The noise deviation of a set: the median over luma pictures (H, W) that have usable blocks.

    Raises:
        ValueError: no pictures.
    """
    found = [_noise(luma) for luma in lumas]
    if not found:
        raise ValueError("no pictures to take statistics of")
    return float(np.nanmedian(found)) if np.isfinite(found).any() else 0.0


def _noise(luma: Array) -> float:
    smooth = _blocks(cv2.GaussianBlur(luma, (0, 0), BLUR))
    response = _blocks(cv2.filter2D(luma, -1, MASK, borderType=cv2.BORDER_REFLECT_101))
    means = smooth.mean(1)
    usable = (means > BLACK) & (means < WHITE)
    if not usable.any():
        return float("nan")
    spread, response = smooth.std(1)[usable], response[usable]
    flattest = np.argsort(spread, kind="stable")[: max(1, round(FLATTEST * len(means)))]
    # The median over blocks: some of them show a wire in front of the sky.
    return float(np.sqrt(np.median((response[flattest] ** 2).mean(1))))


def _blocks(plane: Array) -> Array:
    """The whole blocks of a plane (H, W): (number, BLOCK * BLOCK)."""
    rows, columns = plane.shape[0] // BLOCK, plane.shape[1] // BLOCK
    cut = plane[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    return cut.swapaxes(1, 2).reshape(rows * columns, BLOCK * BLOCK)


def fit(source: float, target: float) -> float:
    """The deviation of the noise that the source lacks against the target: variances add up. 0 below `FAINTEST`."""
    lacking = float(np.sqrt(max(target**2 - source**2, 0.0)))
    return lacking if lacking >= FAINTEST else 0.0


def apply(rgb: Array, deviation: float, key: str, seed: int) -> Array:
    """Add normal noise to a picture (H, W, 3), the same to red, green and blue.

    Args:
        rgb: in [0, 1].
        deviation: deviation of the noise, on the same scale.
        key: the picture's key; with the seed it determines the noise, whatever other pictures there are.
        seed: shared by all pictures.
    """
    if deviation == 0:
        return rgb
    return rgb + deviation * generator_for(key, seed).standard_normal((*rgb.shape[:2], 1))
