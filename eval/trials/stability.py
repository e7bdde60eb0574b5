"""How many frames a measure needs before it says the same as with all of them.

Frames are drawn without replacement, as a smaller data set would have been. Subsets of more than half of the frames
share most of them with each other and with the whole, so they agree whatever the measure; sizes stop there.

Shapes: N frames, S subsets.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SubsetSizes = NDArray[np.int64]

AGREEING = 0.95
"""The fraction of subsets that must have the sign of the whole set."""
MIN_FRAMES = 2
"""Frames in the smallest subset: fewer have no kernel distance."""


def subsets(count: int, frames: tuple[int, ...], seed: int) -> tuple[SubsetSizes, tuple[Array, ...]]:
    """Random subsets of some sets of frames, of all sizes from 2 to half of the smallest set.

    Args:
        count: subsets of each size.
        frames: how many frames each set has; sets with equal numbers are drawn alike only if they are one set.
        seed: seed for the draws.

    Returns:
        (S,) size of each subset; by set, (S, N): 1 for frames that are in the subset, otherwise 0.
    """
    sizes = np.repeat(np.arange(MIN_FRAMES, min(frames) // 2 + 1), count)
    drawn = []
    for index, total in enumerate(frames):
        order = np.random.default_rng([seed, 2, index]).permuted(np.tile(np.arange(total), (len(sizes), 1)), axis=1)
        drawn.append((order < sizes[:, None]).astype(np.float64))
    return sizes, tuple(drawn)


def frames_needed(differences: Array, sizes: SubsetSizes, whole: float) -> int | None:
    """The smallest size from which subsets agree with the whole set; None if there is none.

    Args:
        differences: (S,) of the subsets; NaN where one has no value, which counts as not agreeing.
        sizes: (S,) of the subsets.
        whole: the difference of the whole sets.

    Returns:
        The smallest n such that, for every size from n up, at least 95 % of the subsets have the sign of `whole`.
    """
    needed = None
    for size in sorted(set(sizes.tolist()), reverse=True):
        agreeing = np.sign(differences[sizes == size]) == np.sign(whole)
        if whole == 0 or agreeing.mean() < AGREEING:
            break
        needed = size
    return needed
