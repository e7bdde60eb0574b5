"""PSNR, the peak signal-to-noise ratio of two pictures, with one convention for equal pictures."""

import numpy as np
from numpy.typing import NDArray

PEAK = 255.0
"""The largest pixel value."""
MAX_PSNR = 100.0
"""dB of equal pictures, and of all that are as close: an infinite value would have no mean and no place in JSON."""


def psnr(a: NDArray[np.number], b: NDArray[np.number]) -> float:
    """10 log10(255² / mean squared difference) over all pixels and channels, in dB; `MAX_PSNR` at most.

    Args:
        a, b: two pictures of the same shape, such as (H, W, 3), in 0 .. 255, of any numeric types.

    Raises:
        ValueError: the shapes differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"pictures of {a.shape} and {b.shape}; wanted one shape.")
    error = float(np.square(a.astype(np.float64) - b).mean())
    return min(float(10 * np.log10(PEAK**2 / error)), MAX_PSNR) if error else MAX_PSNR
