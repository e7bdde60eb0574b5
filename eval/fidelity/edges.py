"""Edges shared by two pictures, or by a picture and its geometry.

Canny's edges of both (Canny, "A Computational Approach to Edge Detection", PAMI 8(6), 1986), and the F1 score of one
set against the other, as in NVIDIA's Cosmos Cookbook ("Transfer Model Evaluation", Canny-F1 score). There an edge
counts in its own pixel only. Here it counts within `TOLERANCE` pixels, as in the boundary score of Csurka et al., "What
is a Good Evaluation Measure for Semantic Segmentation?", BMVC 2013, because a texture moves an edge by a pixel.

The thresholds follow each picture's own gradients, so contrast alone neither adds nor removes edges.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.no_value import NoValueError

Edges = NDArray[np.bool_]
Pixels = NDArray[np.uint8]

TOLERANCE = 1
"""Edges this many pixels apart, diagonals included, count as the same."""
SIGMA = 1.0
"""Blur in pixels, before gradients are taken."""
STRONG, WEAK = 0.9, 0.4
"""The high threshold is the gradient that a tenth of the pixels exceed, the low one 0.4 of it."""
JUMP = 0.05
"""A bend of inverse depth from pixel to pixel, relative to the largest, that a plane no longer has."""


def canny(picture: Pixels) -> Edges:
    """The edges (H, W) of a picture (H, W, 3) uint8 sRGB; none if nine tenths of it are flat."""
    blurred = cv2.GaussianBlur(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY), (0, 0), SIGMA)
    x, y = (cv2.Sobel(blurred, cv2.CV_16S, *order) for order in ((1, 0), (0, 1)))
    high = float(np.quantile(np.hypot(x.astype(float), y.astype(float)), STRONG))
    if high == 0:
        return np.zeros(blurred.shape, bool)
    return cv2.Canny(x, y, WEAK * high, high, L2gradient=True) > 0


def of_geometry(classes: NDArray[np.uint8] | None, depth: NDArray[np.floating] | None) -> Edges:
    """Where classes change or depth jumps: (H, W), true on both sides.

    On a plane, inverse depth is linear in the picture, however steep the view; where it bends, something else begins.
    Normals are not used: games put texture bumps into theirs.

    Args:
        classes: (H, W) ids.
        depth: (H, W) metres along the view axis, inf where nothing was drawn.

    Raises:
        ValueError: both are None.
    """
    if classes is None and depth is None:
        raise ValueError("wanted classes or depth")
    planes = [plane for plane in (classes, depth) if plane is not None]
    found = np.zeros(planes[0].shape, bool)
    for edges, ids, inverse in ((found, classes, depth), (found.T, _turned(classes), _turned(depth))):
        if ids is not None:
            change = ids[1:] != ids[:-1]
            edges[1:] |= change
            edges[:-1] |= change
        if inverse is not None:
            near = 1 / np.maximum(inverse.astype(np.float64), 1e-6)
            largest = np.maximum(np.maximum(near[2:], near[:-2]), near[1:-1])
            edges[1:-1] |= np.abs(near[2:] - 2 * near[1:-1] + near[:-2]) > JUMP * largest
    return found


def _turned(plane: NDArray[np.generic] | None) -> NDArray[np.generic] | None:
    return None if plane is None else plane.T


def fraction_found(edges: Edges, among: Edges) -> float:
    """The fraction of edge pixels that have an edge of the other set within the tolerance.

    Args:
        edges, among: (H, W) each.

    Raises:
        NoValueError: there are no edges to be found.
    """
    if not edges.any():
        raise NoValueError("no edges")
    side = 2 * TOLERANCE + 1
    near = cv2.dilate(among.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    return float((edges & near).sum() / edges.sum())


def f1(precision: float, recall: float) -> float:
    """The harmonic mean of two fractions; 0 if both are 0."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
