"""Distances between two sets of feature vectors, as eval.sets reports them.

Each function takes `FeatureSets` and returns values (1 + B,), or (1,) where a resample would cost too much; B is the
number of resamples. The arithmetic is in eval.metrics.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eval.features.inner_products import inner_products
from eval.metrics import kid_cmmd
from eval.metrics.mmd import cubic_kernel, mmd2

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

MAX_RESAMPLED = 4096
"""Pictures of a side up to which kernel values of all pairs are kept, and resampled."""
SUBSET = 1000
KID_PAIRS = (
    f"over all pairs up to {MAX_RESAMPLED:,} pictures a side; above, without intervals, over 100 subsets of "
    f"{SUBSET:,}, or over all pairs again where a side has fewer than {SUBSET:,}"
)
"""What `resampled_kid` averages over, in words."""
UNIT = 1000.0


@dataclass(frozen=True)
class FeatureSets:
    """The features of the pictures that are judged and of the photographs.

    Attributes:
        judged: (N, D).
        real: (M, D), of the photographs.
        judged_numbers, real_numbers: (N,), (M,) the picture of each row by a number; one picture on both sides has one
            number.
        draws: (1 + B, N) how often each judged picture was drawn; row 0 is ones.
    """

    judged: Floats
    real: Floats
    judged_numbers: Indices
    real_numbers: Indices
    draws: Array


def plain(measure: Callable[[Tensor, Tensor], float]) -> Callable[[FeatureSets], Array]:
    """A metric of two sets of vectors, (N, D) judged and (M, D) real, as one that is not resampled.

    It has no value (NaN) where the metric raises a ValueError, as precision does of too few vectors.
    """

    def measured(sets: FeatureSets) -> Array:
        try:
            return np.array([measure(torch.from_numpy(sets.judged), torch.from_numpy(sets.real))])
        except ValueError:
            return np.array([np.nan])

    return measured


def kernel_distance(sets: FeatureSets, kernel: Callable[[Array], Array], square: float) -> Array:
    """(1 + B,) unbiased MMD² of a kernel of inner products that are divided by D and by `square`."""
    x, y = torch.from_numpy(sets.judged), torch.from_numpy(sets.real)
    xx, xy, yy = (kernel(inner_products(a, b).numpy() / square) for a, b in ((x, x), (x, y), (y, y)))
    return mmd2(
        xx, xy, yy, x_groups=sets.judged_numbers, y_groups=sets.real_numbers,
        x_counts=sets.draws, y_counts=np.ones((len(sets.draws), len(y))),
    )  # fmt: skip


def resampled_kid(sets: FeatureSets, square: float = 1.0) -> Array:
    """1000 x KID's MMD² of features whose inner products are divided by `square`.

    (1 + B,), or (1,) where a side has more than `MAX_RESAMPLED` pictures; `KID_PAIRS` says of which pairs.
    """
    if max(len(sets.judged), len(sets.real)) <= MAX_RESAMPLED:
        return UNIT * kernel_distance(sets, cubic_kernel, square)
    x, y = (torch.from_numpy(side) / square**0.5 for side in (sets.judged, sets.real))
    if min(len(x), len(y)) < SUBSET:
        return np.array([UNIT * kid_cmmd.mmd2_in_blocks(x, y, kid_cmmd.kid_kernel, unbiased=True)])
    return np.array([UNIT * kid_cmmd.kid(x, y, size=SUBSET).mean])


def scaled_kid(sets: FeatureSets) -> Array:
    """KID's formula for features that are divided by their root mean square over the photographs."""
    return resampled_kid(sets, float(np.square(sets.real, dtype=np.float64).mean()))


def unit_cmmd(x: Tensor, y: Tensor) -> float:
    """CMMD's formula for (N, D) and (M, D), whose rows are first brought to length 1."""
    judged, real = (rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-12) for rows in (x, y))
    return kid_cmmd.cmmd(judged, real)


def style_distance(sets: FeatureSets) -> Array:
    """(1 + B,) squared distance between the mean Gram matrices, as a fraction of the photographs' own square.

    The vectors are those of `eval.features.vgg_statistics.triangle`.
    """
    rows = torch.from_numpy(sets.real)
    products = inner_products(rows, rows).numpy()
    apart = sets.real_numbers[:, None] != sets.real_numbers
    return kernel_distance(sets, lambda values: values, float(products[apart].mean()))
