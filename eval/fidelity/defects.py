"""Defects that enhancers are known for, as numbers: halos, pale colours, dark corners.

All are changes relative to the render, so the render's own defects are not held against a method. Two more that people
see at once are elsewhere: a turned hue (`eval.measuring.class_colours`) and a weave (`eval.metrics.spectrum`).

Shapes: H W pixels.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.no_value import NoValueError

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]

FRINGE, SURROUNDINGS = (1, 3), (6, 10)
"""Ranges of distance from an edge in pixels, ends included: where halos are, and what they are compared with."""
JUMP = 0.2
"""Depth difference, relative to the nearer of two neighbours, above which that one hides the other."""
BLOCK = 64
"""Side in pixels of the blocks within which a halo is one, bright or dark."""
SATURATED, MIN_PIXELS = 40.0, 64
"""Chroma (CIELAB) at which a colour counts as strong, and how many such pixels a frame must have."""
CORNER, CENTRE = 0.85, 0.5
"""Distances from the middle, relative to a corner's."""


def beyond_grading(light: Array, rendered: Pixels) -> Array:
    """The part of a picture's light that no grade explains: light minus the best cubic polynomial of render colours.

    A colour curve for the whole frame changes objects and their surroundings by different amounts; that is not a halo.

    Args:
        light: (H, W) of the picture.
        rendered: (H, W, 3) uint8 sRGB.

    Returns:
        (H, W).
    """
    r, g, b = (rendered[..., i].ravel() / 255 for i in range(3))
    powers = [(i, j, k) for i in range(4) for j in range(4 - i) for k in range(4 - i - j)]
    system = np.stack([r**i * g**j * b**k for i, j, k in powers], axis=1)
    # A frame's colours can lie on a line or a plane, so there may be more than one best polynomial.
    fitted = np.linalg.lstsq(system.T @ system, system.T @ light.ravel(), rcond=1e-12)[0]
    return light - (system @ fitted).reshape(light.shape)


def halo(change: Array, depth: NDArray[np.floating]) -> float:
    """How much brighter or darker the fringes of objects became than what is beside the fringes.

    At each depth jump, the mean change in light 1 to 3 px from it minus that 6 to 10 px from it, on the nearer and on
    the farther side; root mean square over blocks of 64 px, so bright and dark fringes do not cancel.

    Args:
        change: (H, W) light that the render did not have, from `beyond_grading`.
        depth: (H, W) metres along the view axis, inf where nothing was drawn.

    Raises:
        NoValueError: nothing hides anything else.
    """
    near = 1 / np.maximum(depth.astype(np.float64), 1e-6)
    side = np.ones((3, 3), np.uint8)
    high, low = cv2.dilate(near, side), cv2.erode(near, side)
    jumps = high > (1 + JUMP) * low
    if not jumps.any():
        raise NoValueError("no jumps of depth")
    distance, label = cv2.distanceTransformWithLabels(
        (~jumps).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE, labelType=cv2.DIST_LABEL_PIXEL
    )
    middle = np.zeros(label.max() + 1)
    middle[label[jumps]] = (high[jumps] + low[jumps]) / 2
    in_front = near > middle[label]
    # A jump is marked on both sides, so the pixel beside the mark is the second on its side.
    fringe, surroundings = ((distance >= first - 1) & (distance <= last - 1) for first, last in (FRINGE, SURROUNDINGS))
    blocks = (np.arange(near.shape[0]) // BLOCK)[:, None] * (near.shape[1] // BLOCK + 1)
    key = 2 * (blocks + np.arange(near.shape[1]) // BLOCK) + in_front
    (sums, counts), (around, others) = (_by_key(change, key, where) for where in (fringe, surroundings))
    both = (counts > 0) & (others > 0)
    if not both.any():
        raise NoValueError("nothing beside the jumps of depth")
    differences = sums[both] / counts[both] - around[both] / others[both]
    return float(np.sqrt(np.average(np.square(differences), weights=counts[both])))


def _by_key(values: Array, key: NDArray[np.int64], where: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Sums and counts of values, by key."""
    length = int(key.max()) + 1
    chosen = key[where]
    sums = np.bincount(chosen, values[where], length).astype(np.float64)
    return sums, np.bincount(chosen, minlength=length).astype(np.float64)


def chroma_kept(lab: Array, rendered: Array) -> float:
    """The fraction of their chroma that strong colours kept: below 1 they are paler.

    Args:
        lab, rendered: (H, W, 3) in CIELAB, of the picture and of the render.

    Raises:
        NoValueError: the render has hardly any strong colours.
    """
    before, after = (np.hypot(colours[..., 1], colours[..., 2]) for colours in (rendered, lab))
    strong = before >= SATURATED
    if strong.sum() < MIN_PIXELS:
        raise NoValueError("no strong colours")
    return float(after[strong].sum() / before[strong].sum())


def corner_lightness(change: Array) -> float:
    """How much lighter the corners became than the middle; below 0 they became darker.

    Args:
        change: (H, W) lightness L* of the picture minus that of the render.
    """
    y, x = ((np.arange(side) + 0.5) / side * 2 - 1 for side in change.shape)
    radius = np.hypot(y[:, None], x) / 2**0.5
    return float(change[radius >= CORNER].mean() - change[radius <= CENTRE].mean())
