"""PSNR and SSIM: how alike two pictures of the same thing are. For reconstructions, where there is a right answer.

Shapes: (H, W, 3) uint8.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.no_value import NoValueError
from gbuffer_tools.io.psnr import PEAK
from gbuffer_tools.io.psnr import psnr as peak_ratio

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]

# Wang et al. 2004: an 11 x 11 Gaussian window of deviation 1.5, and constants that keep quotients finite.
WINDOW, DEVIATION = 11, 1.5
C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2


def check(a: Pixels, b: Pixels) -> None:
    """Refuse anything but two pictures (H, W, 3) uint8 of one size.

    Raises:
        ValueError: other shapes or types.
    """
    if a.shape != b.shape or a.ndim != 3 or a.dtype != np.uint8 or b.dtype != np.uint8:
        raise ValueError(f"wanted two pictures (H, W, 3) uint8, got {a.shape} {a.dtype} and {b.shape} {b.dtype}.")


def psnr(a: Pixels, b: Pixels) -> float:
    """Peak signal-to-noise ratio of two pictures (H, W, 3) uint8 over all channels, in dB; 100 dB for equal ones.

    Raises:
        ValueError: other shapes or types.
    """
    check(a, b)
    return peak_ratio(a, b)


def ssim(a: Pixels, b: Pixels) -> float:
    """Structural similarity (SSIM), 1 for equal pictures: the mean over channels and positions of the window.

    Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004, eq. 13.

    Raises:
        ValueError: other shapes or types.
        NoValueError: pictures smaller than the window.
    """
    check(a, b)
    if min(a.shape[:2]) < WINDOW:
        raise NoValueError(f"SSIM's window has {WINDOW} pixels a side, the pictures {a.shape[1]}x{a.shape[0]}.")
    x, y = a.astype(np.float64), b.astype(np.float64)
    mean_x, mean_y = blurred(x), blurred(y)
    variance_x, variance_y = blurred(x * x) - mean_x**2, blurred(y * y) - mean_y**2
    covariance = blurred(x * y) - mean_x * mean_y
    above = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    below = (mean_x**2 + mean_y**2 + C1) * (variance_x + variance_y + C2)
    return float((above / below).mean())


def blurred(x: Array) -> Array:
    """Gaussian means (H - 10, W - 10, 3)."""
    edge = WINDOW // 2
    found: Array = cv2.GaussianBlur(x, (WINDOW, WINDOW), DEVIATION)[edge:-edge, edge:-edge]
    return found
