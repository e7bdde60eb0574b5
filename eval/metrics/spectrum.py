"""Power spectra of pictures: how much fine detail there is, and whether it is more or less than in photographs.

The radially averaged power spectrum of natural pictures falls about as 1 / f² (Field, "Relations between the statistics
of natural images and the response properties of cortical cells", JOSA A 4(12), 1987). Sharpening lifts its end, blur
lowers it, and noise flattens it. Compared in decibels, band by band, the difference to photographs has a sign.

A picture's luma (BT.601, sRGB values in [0, 1]) is cut into patches of 64 x 64 pixels that overlap by half. A patch's
mean is subtracted, a Hann window is applied, and its periodogram (Welch, "The Use of Fast Fourier Transform for the
Estimation of Power Spectra", 1967) is averaged over rings of half an octave. Decibels are averaged over patches, so
each patch counts the same, whatever its contrast. What 8 bits cannot hold is not detail: the power of their rounding,
1/12 of a step squared, is added before the logarithm.

Shapes: H W pixels, N patches, K bands.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from eval.no_value import NoValueError

Array = NDArray[np.float64]
Labels = NDArray[np.uint8]

SIDE = 64
"""Pixels of a patch."""
STEP = SIDE // 2
CENTRES = 2.0 ** np.arange(-6, -0.9, 0.5)
"""Middle of each band, in cycles per pixel: from one cycle per patch to half a cycle per pixel."""
HIGH = CENTRES > 0.3
"""High-frequency bands: 0.30 to 0.5 cycles per pixel, the finest detail that a picture can hold."""
BESIDE = slice(22, 29)
"""Frequencies just below the highest one, 22/64 to 28/64 cycles per pixel."""
ROUNDING = (1 / 255) ** 2 / 12
"""Power per pixel of rounding to 8 bits."""
LUMA = np.array([0.299, 0.587, 0.114])
COVERED = 0.5
"""A patch belongs to a class if more than this fraction of its window shows it."""


def hann() -> Array:
    """A patch's window, (64, 64), with mean square 1."""
    row = np.sin(np.pi * (np.arange(SIDE) + 0.5) / SIDE) ** 2
    window = np.outer(row, row)
    return window / np.sqrt(np.mean(window**2))


def rings() -> list[NDArray[np.intp]]:
    """For each band, the places in a patch's flattened `fft2` that belong to it.

    Frequencies above 0.5 cycles per pixel, in the corners, belong to no band: there are none along rows and columns.
    """
    f = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)).ravel()
    band = np.round(2 * np.log2(np.maximum(f, 1e-9) / CENTRES[0])).astype(int)
    return [np.flatnonzero((band == k) & (f <= 0.5)) for k in range(len(CENTRES))]


WINDOW, RINGS = hann(), rings()


def luma(picture: NDArray[np.uint8]) -> Array:
    """Luma (H, W) in [0, 1] of a picture (H, W, 3) uint8 sRGB."""
    return picture @ LUMA / 255


def periodograms(light: Array) -> Array:
    """The periodogram of each patch, (N, 64, 64), patches row by row; white noise has its variance everywhere.

    Raises:
        NoValueError: the picture is smaller than a patch.
    """
    if min(light.shape) < SIDE:
        raise NoValueError(f"{light.shape[1]}x{light.shape[0]} pixels, wanted {SIDE} or more a side for a spectrum")
    patches = sliding_window_view(light, (SIDE, SIDE))[::STEP, ::STEP].reshape(-1, SIDE, SIDE)
    centred = patches - (patches * WINDOW).sum((1, 2), keepdims=True) / WINDOW.sum()
    return np.square(np.abs(np.fft.fft2(centred * WINDOW))) / SIDE**2


def weave(light: Array) -> float:
    """How far the finest pattern stands out, in decibels: stripes of one pixel, or a chequerboard.

    Power at 1/2 cycle per pixel along rows or columns, relative to that at frequencies just below. Sharpening and noise
    lift both; resampling in a network (Odena, Dumoulin, Olah, "Deconvolution and Checkerboard Artifacts", Distill 2016)
    lifts only the first. White noise has 0, natural pictures are within a decibel of that.

    Args:
        light: (H, W) in [0, 1].

    Raises:
        NoValueError: the picture is smaller than a patch.
    """
    power = periodograms(light).mean(0) + ROUNDING
    half = SIDE // 2
    # Along both directions; a chequerboard is where they meet.
    finest = np.concatenate([power[:, half], power[half]]).mean()
    below = np.concatenate([power[:, BESIDE].T, power[BESIDE]]).mean()
    return float(10 * np.log10(finest / below))


def patch_spectra(light: Array) -> Array:
    """Power of each patch and band in decibels, (N, K), patches row by row.

    White noise of variance v has 10 log10(v + `ROUNDING`). In the lowest bands it is lower, by 4, 2, 1 and 0.4 dB: the
    mean is subtracted, and the logarithm of a mean over few frequencies is low. Both sides of a comparison share this.

    Args:
        light: (H, W) in [0, 1].

    Raises:
        NoValueError: the picture is smaller than a patch.
    """
    power = periodograms(light).reshape(-1, SIDE**2)
    bands = np.stack([power[:, places].mean(1) for places in RINGS], axis=1)
    return 10 * np.log10(bands + ROUNDING)


def spectrum(picture: NDArray[np.uint8]) -> Array:
    """Mean power per band of a picture (H, W, 3) uint8 sRGB, in decibels, (K,).

    Raises:
        NoValueError: the picture is smaller than a patch.
    """
    return patch_spectra(luma(picture)).mean(0)


def class_fractions(labels: Labels, size: tuple[int, int], classes: int) -> Array:
    """The fraction of each patch's window that shows each class, (N, classes).

    Args:
        labels: (h, w) label map of a whole picture; any size, the picture's aspect.
        size: height and width of the picture.
        classes: how many there are; ids beyond belong to none.
    """
    rows, columns = (((np.arange(n) + 0.5) * m / n).astype(int) for n, m in zip(size, labels.shape, strict=True))
    patches = sliding_window_view(labels[np.ix_(rows, columns)], (SIDE, SIDE))[::STEP, ::STEP].reshape(-1, SIDE, SIDE)
    weight = WINDOW / WINDOW.sum()
    return np.stack([((patches == k) * weight).sum((1, 2)) for k in range(classes)], axis=1)


def class_spectra(picture: NDArray[np.uint8], labels: Labels, classes: int) -> tuple[Array, Array]:
    """Power per class and band, summed over each class's patches (classes, K), and the number of patches (classes,).

    Args:
        picture: (H, W, 3) uint8 sRGB.
        labels, classes: as in `class_fractions`.

    Raises:
        NoValueError: the picture is smaller than a patch.
    """
    found = patch_spectra(luma(picture))
    inside = (class_fractions(labels, picture.shape[:2], classes) > COVERED).astype(np.float64)
    return inside.T @ found, inside.sum(0)


def distance(square: Array) -> Array:
    """The size of the difference between two mean spectra, in decibels: its root mean square over bands.

    The mean spectra of two finite sets differ even if the pictures are alike, and the square of that difference is too
    large. So the square is estimated without bias, as MMD² under the kernel x·y / K, and may come out below 0; the root
    then keeps its sign.

    Args:
        square: estimates of the squared difference, mean over bands, of any shape.
    """
    return np.sign(square) * np.sqrt(np.abs(square))


def high_excess(difference: Array) -> Array:
    """How much more power there is at high frequencies, in decibels: mean over the bands `HIGH`; (..., K) -> (...).

    Args:
        difference: spectra of the judged pictures minus those of the photographs. Above 0, the pictures have more fine
            detail than photographs (sharpened, noisy); below 0 less (blurred).
    """
    return difference[..., HIGH].mean(-1)
