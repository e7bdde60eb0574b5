"""The tone curve of a grade: brightness moves to where the target has the same fraction of pixels below.

Matched quantiles (Gonzalez, Woods, "Digital Image Processing", sec. 3.3), followed by a curve that is smooth and
whose slope is limited, so nothing is banded or crushed. It is one curve for red, green and blue, like the master curve
of an editor.

A set is described by the mean of its pictures' quantiles (the barycentre of their distributions of luma; Agueh,
Carlier, "Barycenters in the Wasserstein Space", SIAM J. Math. Anal. 43(2), 2011), not by pooling the pixels of all
pictures. A pool of dark and bright photographs has more contrast than any of them.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]

LUMA = np.array([0.2126, 0.7152, 0.0722])
"""Weights of red, green and blue as stored (ITU-R BT.709, item 3.2)."""
KNOTS = 33
SLOPES = (0.4, 2.5)
"""Bounds on the curve's slope."""
SMOOTHNESS = 1e-4
"""Weight of the squared change in slope from knot to knot, relative to squared errors of the curve in [0, 1]."""
LEVELS = (np.arange(500) + 0.5) / 500
"""Levels of the quantiles."""


def luma(rgb: Array) -> Array:
    """Luma (...) of RGB (..., 3), both on the scale of the input."""
    return rgb @ LUMA


def quantiles(images: Iterable[Pixels]) -> Array:
    """Luma quantiles, averaged over (H, W, 3) uint8 pictures: (len(LEVELS),) in [0, 1], ascending.

    Raises:
        ValueError: no pictures.
    """
    total, count = np.zeros(len(LEVELS)), 0
    for image in images:
        total, count = total + np.quantile(luma(image / 255.0), LEVELS), count + 1
    if not count:
        raise ValueError("no pictures to take statistics of")
    return total / count


def fit(source: Array, target: Array) -> Array:
    """The curve that maps one set's quantiles to the other's.

    Least squares with bounds (scipy's `lsq_linear`) in the value at black and the slopes between knots.

    Args:
        source, target: from `quantiles`.

    Returns:
        (KNOTS,) values at evenly spaced levels of [0, 1], ascending; the first and the last may lie outside [0, 1].
    """
    width = 1 / (KNOTS - 1)
    # A value is that at black, plus each slope times how far its piece reaches below the value.
    reach = np.clip(source[:, None] - width * np.arange(KNOTS - 1), 0, width)
    bending = np.sqrt(SMOOTHNESS * len(LEVELS)) * np.diff(np.eye(KNOTS - 1), axis=0)
    system = np.block([[np.ones((len(LEVELS), 1)), reach], [np.zeros((KNOTS - 2, 1)), bending]])
    bounds = ([-np.inf, *[SLOPES[0]] * (KNOTS - 1)], [np.inf, *[SLOPES[1]] * (KNOTS - 1)])
    found = lsq_linear(system, np.concatenate([target, np.zeros(KNOTS - 2)]), bounds, method="bvls").x
    return found[0] + np.concatenate([[0.0], np.cumsum(found[1:] * width)])


def apply(rgb: Array, curve: Array) -> Array:
    """Values (..., 3) in [0, 1] moved along a curve, each channel by itself: (..., 3), clipped to [0, 1]."""
    return np.clip(np.interp(rgb, np.linspace(0, 1, len(curve)), curve), 0, 1)
