"""Flow from a frame to the next one, from depth and cameras or by optical flow, and the warping error along it.

Flows are (H, W, 2) float64, pixels to the right and down; NaN where a pixel has no place in the other frame.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from gbuffer_tools.geometry import position

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
Pixels = NDArray[np.uint8]
CameraMatrices = tuple[Array, Array]
"""View and projection, (4, 4) each, as frame files have them."""


def flow_of_cameras(depth: Array, here: CameraMatrices, there: CameraMatrices) -> Array:
    """Flow of a scene in which only the camera moves; what was not drawn is infinitely far away.

    Args:
        depth: (H, W) of the frame, along the view axis; inf where nothing was drawn.
        here, there: cameras of the frame and of the other one.
    """
    height, width = depth.shape
    drawn = np.isfinite(depth)
    points = np.concatenate([position(np.where(drawn, depth, 1.0), here[1]), drawn[..., None].astype(float)], axis=-1)
    # A point that is infinitely far away has last coordinate 0: it turns with the camera but does not shift.
    clip = points @ (there[1] @ there[0] @ np.linalg.inv(here[0])).T
    with np.errstate(divide="ignore", invalid="ignore"):
        ndc = np.where(clip[..., 3:] > 0, clip[..., :2] / clip[..., 3:], np.nan)
    column, row = (ndc[..., 0] + 1) / 2 * width, (1 - ndc[..., 1]) / 2 * height
    return np.stack([column - (np.arange(width) + 0.5), row - (np.arange(height) + 0.5)[:, None]], axis=-1)


def optical_flow(here: Pixels, there: Pixels) -> Array:
    """Flow between two pictures (H, W, 3): Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    before, after = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (here, there))
    return np.asarray(search.calc(before, after, None), np.float64)


def warped(there: Array, flow: Array) -> Array:
    """The other frame (H, W, C) sampled where the flow leads, bilinearly: (H, W, C), NaN outside it."""
    height, width = flow.shape[:2]
    column, row = flow[..., 0] + np.arange(width), flow[..., 1] + np.arange(height)[:, None]
    inside = (column >= 0) & (column <= width - 1) & (row >= 0) & (row <= height - 1)
    places = [np.where(inside, x, 0) for x in (row, column)]
    # Not cv2.remap, which rounds places to 1/32 of a pixel.
    found = np.stack([map_coordinates(channel, places, order=1) for channel in np.moveaxis(there, -1, 0)], axis=-1)
    return np.where(inside[..., None], found, np.nan)


def seen_again(forward: Array, backward: Array) -> Bools:
    """Which pixels the next frame still shows, (H, W), by the test that Lai et al. adopt.

    Sundaram, Brox, Keutzer, "Dense Point Trajectories by GPU-Accelerated Large Displacement Optical Flow", 2010, eq. 5
    and 6: the way there and back ends where it began, and the pixel is not on a motion boundary.

    Args:
        forward: flow from this frame to the next.
        backward: flow from the next frame to this one.
    """
    back = warped(backward, forward)
    with np.errstate(invalid="ignore"):
        lengths = np.square(forward).sum(-1) + np.square(back).sum(-1)
        returns = np.square(forward + back).sum(-1) <= 0.01 * lengths + 0.5
        slopes = sum(np.square(np.gradient(forward[..., i], axis=axis)) for i in (0, 1) for axis in (0, 1))
        smooth = slopes <= 0.01 * np.square(forward).sum(-1) + 0.002
    found: Bools = returns & smooth
    return found


def warping_error(here: Pixels, there: Pixels, flow: Array, seen: Bools) -> float:
    """Warping error: the mean squared difference of colours in [0, 1] over what both frames show; NaN for nothing.

    Lai et al., "Learning Blind Video Temporal Consistency", ECCV 2018, eq. 11.

    Args:
        here, there: (H, W, 3).
        flow: from here to there.
        seen: from `seen_again`.
    """
    apart = warped(there / 255.0, flow) - here / 255.0
    return float(np.square(apart[seen]).mean()) if seen.any() else float("nan")
