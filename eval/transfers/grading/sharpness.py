"""The sharpness of a grade: an unsharp mask or a blur that makes fine detail fall off as in the photographs.

Natural pictures have a power spectrum that falls as a power of the frequency (Field, "Relations between the statistics
of natural images and the response properties of cortical cells", JOSA A 4(12), 1987). Sharpening and blurring multiply
it by a known function, so the strength that turns one slope into another is found without filtering anything.

Strength s: for s > 0 an unsharp mask of that amount and a radius of 1 px, on luma; for s < 0 a Gaussian blur of -s px.
"""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.transfers.grading.tone_curve import luma

Array = NDArray[np.float64]
Bands = NDArray[np.bool_]

FREQUENCIES = (np.arange(8, 29) + 0.5) / 64
"""Centres of the bands that are used, in cycles per pixel: 1/8 to 29/64, just below the finest."""
RADIUS = 1.0
WEAKEST, STRONGEST = -2.0, 0.65
"""A blur of 2 px, and an unsharp mask that makes a step overshoot by a fifth of its height on either side.

Frames without noise and fine texture have a steeper spectrum than any photograph. The mask that corrects the slope of
such frames draws a halo around every edge, which nobody looking at the picture would accept.
"""
EQUAL = 0.02
"""Slopes that differ by less count as equal: a blur of 0.1 px changes them by more."""
CLEAN = 3.0
"""How much stronger than the noise the rest of a band's power must be for the band to count."""
STEPS, DIRECTIONS, MIN_BANDS = 40, 64, 4


def spectrum(lumas: Iterable[Array]) -> Array:
    """The mean power of pictures in frequency bands, all directions together.

    Args:
        lumas: (H, W) each, of any size from 64 pixels up. White noise has its variance in every band.

    Returns:
        (len(FREQUENCIES),).

    Raises:
        ValueError: no pictures, or one that is too small.
    """
    total, count = np.zeros(len(FREQUENCIES)), 0
    for picture in lumas:
        height, width = picture.shape
        if min(height, width) < 64:
            raise ValueError(f"{width}x{height} pixels, wanted 64 or more a side")
        window = np.outer(np.hanning(height), np.hanning(width))
        power = np.abs(np.fft.rfft2((picture - picture.mean()) * window)) ** 2 / (window**2).sum()
        radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
        band = (radius * 64).astype(int).ravel()
        sums, sizes = np.bincount(band, power.ravel()), np.bincount(band)
        total, count = total + (sums / np.maximum(sizes, 1))[8:29], count + 1
    if not count:
        raise ValueError("no pictures to take statistics of")
    return total / count


def slope(power: Array, bands: Bands) -> float:
    """The exponent of the power law that fits a spectrum best in some bands, by least squares of logarithms."""
    return float(np.polyfit(np.log(FREQUENCIES[bands]), np.log(power[bands]), 1)[0])


def kernel(sigma: float) -> Array:
    """A sampled Gaussian of odd length; its sum is 1."""
    half = max(1, int(np.ceil(4 * sigma)))
    weights = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * sigma**2))
    return weights / weights.sum()


def gain(strength: float) -> Array:
    """The factor by which the filter multiplies the power in each band, averaged over all directions."""
    if strength == 0:
        return np.ones(len(FREQUENCIES))
    weights = kernel(RADIUS if strength > 0 else -strength)
    places = np.arange(len(weights)) - len(weights) // 2
    angles = np.linspace(0, np.pi / 2, DIRECTIONS)
    blurred = np.prod(
        [
            (weights * np.cos(2 * np.pi * np.outer(FREQUENCIES, turn(angles))[..., None] * places)).sum(-1)
            for turn in (np.cos, np.sin)
        ],
        axis=0,
    )
    response = 1 + strength * (1 - blurred) if strength > 0 else blurred
    return (response**2).mean(1)


def fit(source: Array, target: Array, noises: tuple[float, float]) -> float:
    """The strength that gives a set the target's slope, both without their noise, by bisection.

    White noise has no slope, and sharpening does not create it. Its variance is subtracted, and bands in which it is
    more than a quarter of the power are left out; if fewer than `MIN_BANDS` remain, nothing is sharpened.

    Args:
        source, target: from `spectrum`.
        noises: noise variances of source and target, on the scale of the pictures.
    """
    clean = [power - noise for power, noise in zip((source, target), noises, strict=True)]
    bands = np.all([part > CLEAN * noise for part, noise in zip(clean, noises, strict=True)], axis=0)
    if bands.sum() < MIN_BANDS:
        return 0.0
    wanted = slope(clean[1], bands)

    def reached(strength: float) -> float:
        return slope(clean[0] * gain(strength), bands) - wanted

    if abs(reached(0.0)) < EQUAL:
        return 0.0
    low, high = WEAKEST, STRONGEST
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) < 0 else (low, middle)
    return (low + high) / 2


def apply(rgb: Array, strength: float) -> Array:
    """Sharpen or blur a picture (H, W, 3) in [0, 1]: (H, W, 3), not clipped."""
    if strength == 0:
        return rgb
    weights = kernel(RADIUS if strength > 0 else -strength)
    looked_at = luma(rgb) if strength > 0 else rgb
    blurred = cv2.sepFilter2D(looked_at, -1, weights, weights, borderType=cv2.BORDER_REFLECT)
    return rgb + (strength * (looked_at - blurred))[..., None] if strength > 0 else blurred
