"""What a set of reference photographs is like: how many kinds there are, and how close together they lie.

Distances to a reference set depend on the set. A set from one camera in one town is narrow and dense, a set of
photographs from everywhere is wide and sparse, and what is near one may be far from the other.

Shapes: M photographs, D dimensions of their features.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NEIGHBOUR = 3
"""k: which neighbour counts for the density; as in `eval.metrics.precision_recall`."""


def effective_rank(features: NDArray[np.floating]) -> float:
    """In how many directions features vary: exp of the entropy of the covariance's eigenvalues, 1 to min(M - 1, D).

    Roy, Vetterli, "The Effective Rank: A Measure of Effective Dimensionality", EUSIPCO 2007, of the covariance matrix.

    Args:
        features: (M, D).

    Raises:
        ValueError: all vectors are equal.
    """
    centred = features.astype(np.float64) - features.mean(0, dtype=np.float64)
    values = np.square(np.linalg.svd(centred, compute_uv=False))
    if not values.sum() > 0:
        raise ValueError("vectors that are all equal have no effective rank; wanted two that differ.")
    fractions = values / values.sum()
    return float(np.exp(-np.sum(fractions * np.log(np.where(fractions > 0, fractions, 1.0)))))


def sparseness(features: NDArray[np.floating], k: int = NEIGHBOUR) -> float:
    """Mean distance to the k-th neighbour, as a fraction of the root mean square distance of all pairs.

    Near 1, all photographs are about equally far from each other; the lower it is, the more densely they are grouped.

    Args:
        features: (M, D).
        k: which neighbour.

    Raises:
        ValueError: no more than k vectors, or all are equal.
    """
    rows = features.astype(np.float64)
    if len(rows) <= k:
        raise ValueError(f"the {k}-th neighbour needs more than {k} vectors, got {len(rows)}.")
    apart = np.sqrt(np.maximum(np.square(rows[:, None] - rows).sum(-1), 0))
    pairs = apart[np.triu_indices(len(rows), 1)]
    if not pairs.max() > 0:
        raise ValueError("vectors that are all equal have no neighbours; wanted two that differ.")
    return float(np.sort(apart, axis=1)[:, k].mean() / np.sqrt(np.square(pairs).mean()))


def coordinates(products: NDArray[np.generic]) -> Array:
    """Vectors (M, M) of given inner products (M, M): ranks and distances are those of the vectors behind them."""
    values, axes = np.linalg.eigh(products.astype(np.float64))
    found: Array = axes * np.sqrt(np.maximum(values, 0))
    return found
