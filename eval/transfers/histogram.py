"""Histogram matching between two sets of pictures, for red, green and blue separately.

Gonzalez, Woods, "Digital Image Processing", sec. 3.3: a value moves to where the target has the same fraction of pixels
below. Histograms are those of whole sets, so one table serves all pictures and a sequence does not flicker.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]


def histogram(images: Iterable[Pixels]) -> Array:
    """How often each value of each channel occurs, as fractions (3, 256) of all pixels of (H, W, 3) uint8 pictures.

    Raises:
        ValueError: no pictures.
    """
    counts = np.zeros((3, 256))
    for image in images:
        counts += [np.bincount(channel, minlength=256) for channel in image.reshape(-1, 3).T]
    if not counts.any():
        raise ValueError("no pictures to take statistics of")
    return counts / counts.sum(1, keepdims=True)


def table(source: Array, target: Array) -> Array:
    """The value that each value of each channel becomes, (3, 256) in 0 .. 255, not rounded.

    A value's place in its set is the middle of its step in the cumulative histogram, which leaves equal sets unchanged.

    Args:
        source, target: from `histogram`.
    """
    values = np.arange(256)
    found = np.empty((3, 256))
    for channel in range(3):
        ours, theirs = (np.cumsum(fractions[channel]) - fractions[channel] / 2 for fractions in (source, target))
        there = target[channel] > 0
        found[channel] = np.interp(ours, theirs[there], values[there])
    return found


def match(image: Pixels, where: Array) -> Array:
    """Replace each value of a picture (H, W, 3) uint8 with the table's: (H, W, 3) RGB in [0, 1]."""
    return np.stack([where[channel][image[..., channel]] for channel in range(3)], axis=-1) / 255
