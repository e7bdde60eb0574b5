"""Edge PSNR: PSNR where the right answer has edges, which is where enlarged pictures differ.

After EPSNR of ITU-T J.144 (2004), which takes pixels whose gradient is above a fixed threshold; here they are a fixed
share, so dark pictures have edges too.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.metrics.psnr_ssim import check
from eval.no_value import NoValueError
from gbuffer_tools.io.psnr import psnr

Pixels = NDArray[np.uint8]

EDGE_FRACTION = 0.1
"""The fraction of a picture's pixels that are edges: those with the steepest gradients."""


def edges(truth: Pixels) -> NDArray[np.bool_]:
    """Mark the steepest tenth of a picture's pixels, (H, W, 3) uint8 -> (H, W), and any as steep as the last of them.

    The gradient is Sobel's, of the sum of the channels.

    Raises:
        NoValueError: the picture is flat.
    """
    grey = truth.sum(-1, dtype=np.float64)
    gradient = np.hypot(*(cv2.Sobel(grey, cv2.CV_64F, 1 - axis, axis, ksize=3) for axis in (0, 1)))
    min_gradient = np.quantile(gradient, 1 - EDGE_FRACTION, method="lower")
    if not gradient.any():
        raise NoValueError("the picture is flat, so it has no edges.")
    return (gradient >= min_gradient) & (gradient > 0)


def edge_psnr(a: Pixels, truth: Pixels) -> float:
    """PSNR over all channels of the pixels where the right answer has edges, in dB; 100 dB for equal ones.

    Args:
        a: a picture (H, W, 3) uint8.
        truth: what it should be, of the same shape.

    Raises:
        ValueError: other shapes or types.
        NoValueError: the right answer is flat.
    """
    check(a, truth)
    there = edges(truth)
    return psnr(a[there], truth[there])
