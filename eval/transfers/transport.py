"""Linear optimal transport of colours: the map of least movement that gives a set the target's mean and covariance.

Pitie, Kokaram, "The Linear Monge-Kantorovitch Linear Colour Mapping for Example-Based Colour Transfer", CVMP 2007,
eq. 10. Means and covariances are those of whole sets, so one map serves all pictures. RGB is used as stored.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]

# Variance below which an axis of colour has no spread to stretch: a tenth of an 8-bit step.
FLAT = (0.1 / 255) ** 2


@dataclass(frozen=True)
class ColourMoments:
    """Mean (3,) and covariance (3, 3) of the colours of a set, RGB in [0, 1]."""

    mean: Array
    covariance: Array


def moments(images: Iterable[Pixels]) -> ColourMoments:
    """Mean and covariance over all pixels of (H, W, 3) uint8 pictures.

    Raises:
        ValueError: no pictures.
    """
    # Sums of 8-bit integers and their products are exact in int64.
    count, total, products = 0, np.zeros(3, np.int64), np.zeros((3, 3), np.int64)
    for image in images:
        colours = image.reshape(-1, 3).astype(np.int64)
        count += len(colours)
        total += colours.sum(0)
        products += colours.T @ colours
    if not count:
        raise ValueError("no pictures to take statistics of")
    mean = total / count
    return ColourMoments(mean / 255, (products / count - np.outer(mean, mean)) / 255**2)


def root(matrix: Array, power: float, flat: float = FLAT) -> Array:
    """A power of a symmetric matrix with eigenvalues of 0 or more.

    Args:
        matrix: (3, 3).
        power: such as 0.5, or -0.5.
        flat: eigenvalues up to this become 0; for a covariance, these are the directions without spread.
    """
    values, axes = np.linalg.eigh(matrix)
    powers = np.where(values > flat, np.maximum(values, flat) ** power, 0.0)
    return (axes * powers) @ axes.T


def transport(source: ColourMoments, target: ColourMoments) -> Array:
    """The map between two sets: the symmetric A (3, 3) with A S A = T for their covariances S and T."""
    half, back = root(source.covariance, 0.5), root(source.covariance, -0.5)
    # Products of two variances, to which FLAT does not apply; anything below 0 is rounding.
    return back @ root(half @ target.covariance @ half, 0.5, flat=0.0) @ back


def transfer(image: Pixels, source: ColourMoments, target: ColourMoments) -> Array:
    """Map a picture of the source set, (H, W, 3) uint8, to (H, W, 3) RGB in [0, 1], not clipped."""
    return (image / 255 - source.mean) @ transport(source, target) + target.mean
