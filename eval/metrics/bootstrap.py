"""Bootstrap intervals. Whole images are resampled: crops of one image are drawn together.

Cluster bootstrap with percentile intervals: Davison & Hinkley, "Bootstrap Methods and their
Application", 1997, sections 3.8 and 5.3.
"""

import numpy as np
from numpy.typing import NDArray


def resample_counts(groups: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw images with replacement, as many as there are, `count` times.

    Args:
        groups: (N,) image index of each sample, 0 .. G-1.
        count: number of resamples.
        rng: source of randomness.

    Returns:
        (count, N) how often the image of each sample was drawn.
    """
    images = int(groups.max()) + 1
    drawn = rng.multinomial(images, np.full(images, 1.0 / images), size=count)
    return drawn[:, groups].astype(np.float64)


def draw_resamples(groups: NDArray[np.int64], *, count: int, seed: int, stream: int = 1) -> NDArray[np.float64]:
    """How often each sample counts, in the plain estimate and in every resample.

    All methods and layers of a command use the same draws, so they can be compared draw by draw. Photographs are not
    resampled: they are the yardstick, the same for all methods.

    Args:
        groups: (N,) image index of each sample, 0 .. G-1; with one sample per image, `np.arange(N)`.
        count: number of resamples B.
        seed: seed for the draws.
        stream: sets of pictures that are drawn independently of each other have streams of their own.

    Returns:
        (1 + B, N); row 0 is all ones, for the plain estimate.
    """
    drawn = resample_counts(groups, count, np.random.default_rng([seed, stream]))
    return np.concatenate([np.ones((1, len(groups))), drawn])


def interval(values: NDArray[np.float64], level: float) -> tuple[float, float] | None:
    """Central percentile interval of resampled values.

    Args:
        values: (count,) one value per resample; NaN where the resample had no value.
        level: coverage, such as 0.95.

    Returns:
        Low and high end, or None when more than one resample in ten had no value: too few images.
    """
    defined = values[np.isfinite(values)]
    if len(defined) < 0.9 * len(values):
        return None
    low, high = np.quantile(defined, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)
