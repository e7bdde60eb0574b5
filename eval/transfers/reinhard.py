"""Colour transfer between two sets of pictures: mean and deviation per axis of the l-alpha-beta space.

Reinhard, Ashikhmin, Gooch, Shirley, "Color Transfer between Images", IEEE CG&A 21(5), 2001. Two things differ from the
paper: statistics are taken over whole sets, so one map serves all pictures and a sequence does not flicker; and the way
back uses the exact inverse of the paper's RGB-to-LMS matrix instead of its printed, rounded one. RGB values are used as
stored, without linearisation.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]

# RGB to cone responses, as printed in the paper.
LMS = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
# Logarithmic cone responses to l, alpha, beta; orthonormal, so that the transpose leads back.
AXES = np.diag(1 / np.sqrt([3.0, 6.0, 2.0])) @ np.array([[1.0, 1, 1], [1, 1, -2], [1, -1, 0]])
# The logarithm of black does not exist. A quarter of an 8-bit step still rounds back to black.
FLOOR = 0.25 / 255
# Standard deviation below which an axis has no spread to stretch: rounding leaves 1e-16 in pictures that have none (all
# greys in alpha and beta), while one 8-bit step is 1e-3.
FLAT = 1e-6


@dataclass(frozen=True)
class LabMoments:
    """Mean and standard deviation (3,) of all pixels of a set, per axis of l-alpha-beta."""

    mean: Array
    std: Array


def to_lab(rgb: Array) -> Array:
    """RGB (..., 3) in [0, 1] to l, alpha, beta (..., 3): decimal logarithms of cone responses, rotated."""
    return np.log10(np.maximum(rgb @ LMS.T, FLOOR)) @ AXES.T


def to_rgb(lab: Array) -> Array:
    """l, alpha, beta (..., 3) to RGB (..., 3), not clipped: values may lie outside [0, 1]."""
    return 10.0 ** (lab @ AXES) @ np.linalg.inv(LMS).T


def moments(images: Iterable[Pixels]) -> LabMoments:
    """Mean and deviation over all pixels of a set of (H, W, 3) uint8 pictures.

    Raises:
        ValueError: no pictures.
    """
    count, total, squares = 0, np.zeros(3), np.zeros(3)
    shift: Array | None = None
    for image in images:
        lab = to_lab(image.reshape(-1, 3) / 255.0)
        # Sums about the first picture's mean: sums about 0 would cancel where the spread is small.
        shift = lab.mean(axis=0) if shift is None else shift
        count += len(lab)
        total += (lab - shift).sum(axis=0)
        squares += ((lab - shift) ** 2).sum(axis=0)
    if shift is None:
        raise ValueError("no pictures to take statistics of")
    mean = total / count
    return LabMoments(mean + shift, np.sqrt(np.maximum(squares / count - mean**2, 0.0)))


def transfer(image: Pixels, source: LabMoments, target: LabMoments) -> Array:
    """Move a picture's colours from the source's statistics to the target's: shift, stretch, shift.

    Args:
        image: (H, W, 3) uint8.
        source: statistics of the set that `image` belongs to. An axis without spread is only shifted.
        target: statistics to reach.

    Returns:
        (H, W, 3) RGB in [0, 1], not clipped.
    """
    gain = np.where(source.std > FLAT, target.std / np.maximum(source.std, FLAT), 1.0)
    return to_rgb((to_lab(image / 255.0) - source.mean) * gain + target.mean)
