"""What a pinhole camera would have seen from where a panorama was taken."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray


def perspective(
    panorama: NDArray[np.uint8], yaw: float, pitch: float, field: float, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Return a perspective view from an equirectangular panorama.

    Rays are sampled bilinearly on a grid as fine as the panorama, and averaged over the view's pixels.

    Args:
        panorama: (h, 2 h, 3) uint8; columns go round clockwise from the back, rows from the zenith down.
        yaw: where the camera looks, in degrees clockwise from the panorama's middle column.
        pitch: in degrees above the horizon.
        field: horizontal field of view in degrees, below 180.
        size: height and width of the view in pixels.

    Returns:
        (*size, 3) uint8.

    Raises:
        ValueError: the panorama does not go all the way round: it is not twice as wide as it is high.
    """
    rows, columns = panorama.shape[:2]
    if columns != 2 * rows:
        raise ValueError(f"got a picture of {columns}x{rows}; wanted a panorama, twice as wide as high")
    height, width = size
    focal = width / 2 / math.tan(math.radians(field) / 2)
    finer = max(1, math.ceil(columns / (2 * math.pi * focal)))  # samples along a side of each of the view's pixels
    right = (np.arange(width * finer) + 0.5) / finer - width / 2
    down = ((np.arange(height * finer) + 0.5) / finer - height / 2)[:, None]
    tilt = math.radians(pitch)
    ahead = focal * math.cos(tilt) + down * math.sin(tilt)
    up = focal * math.sin(tilt) - down * math.cos(tilt)
    azimuth = np.arctan2(right, ahead) + math.radians(yaw)
    elevation = np.arctan2(up, np.hypot(right, ahead))
    x = (azimuth / (2 * math.pi) + 0.5) % 1 * columns - 0.5
    y = (0.5 - elevation / math.pi) * rows - 0.5
    seen = cv2.remap(panorama, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, None, cv2.BORDER_WRAP)
    return cv2.resize(seen, (width, height), interpolation=cv2.INTER_AREA)
