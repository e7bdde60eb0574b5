"""The vignette of a grade: how much darker a set of pictures is towards the corners than in the centre.

Brightness is 1 + k r², where r is the distance from the centre, 1 in the corners. The sky is above and the ground
below, so a plain radial profile tells about scenes, not about lenses. Only what varies along a row is used here. Even
so, a subject in the middle looks like a vignette, so a falloff counts only if it is certain over the pictures.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ERRORS = 2.0
"""A falloff is certain if it is at least this many standard errors away from 0."""
STRONGEST = -0.8


@dataclass(frozen=True)
class Falloff:
    """The mean of k over the pictures of a set, and its standard error (0 for a single picture)."""

    mean: float
    error: float


def radius_squared(height: int, width: int) -> Array:
    """r² of the centre of each pixel, (H, W), 1 in the corners of the picture."""
    y, x = (np.arange(side) - (side - 1) / 2 for side in (height, width))
    return (y[:, None] ** 2 + x**2) * 4 / (height**2 + width**2)


def falloff(lumas: Iterable[Array]) -> Falloff:
    """Measure k over pictures (H, W) of luma, by least squares with a free mean for each row.

    Raises:
        ValueError: no pictures.
    """
    found = np.array([_falloff(luma) for luma in lumas])
    if not len(found):
        raise ValueError("no pictures to take statistics of")
    error = found.std(ddof=1) / np.sqrt(len(found)) if len(found) > 1 else 0.0
    return Falloff(float(found.mean()), float(error))


def _falloff(luma: Array) -> float:
    squares = radius_squared(*luma.shape)
    along = squares - squares.mean(1, keepdims=True)
    slope = (luma * along).sum() / (along**2).sum()
    # Luma is centre (1 + k r²), so its mean also contains k.
    centre = luma.mean() - slope * squares.mean()
    return float(slope / centre) if centre > 0 else 0.0


def fit(source: Falloff, target: Falloff) -> float:
    """The k, 0 or less, that the source lacks; 0 if the target shows no falloff, or no more than the source."""
    lacking = target.mean - source.mean
    certain = target.mean + ERRORS * target.error < 0 and lacking + ERRORS * np.hypot(source.error, target.error) < 0
    return max(lacking, STRONGEST) if certain else 0.0


def apply(rgb: Array, k: float) -> Array:
    """Darken the corners of a picture (H, W, 3) and brighten its centre, keeping its mean; not clipped."""
    squares = radius_squared(*rgb.shape[:2])
    return rgb * (1 + k * (squares - squares.mean()))[..., None] if k else rgb
