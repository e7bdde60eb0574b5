"""sKVD's kernel and estimators: unbiased MMD², the kernel distance of two sets, under KID's cubic polynomial kernel.

sKVD and cKVD apply it to features of matched crops (`paired_mmd2`), KVD to those of crops (`eval.kvd.layers`), KID to
those of Inception v3 (`eval.measuring.set_distances`). Gretton et al., "A Kernel Two-Sample Test", JMLR 2012, lemma 6;
the kernel is that of Binkowski et al., "Demystifying MMD GANs", ICLR 2018, section 4.

All functions start from inner products, not from features: flattened features have millions of dimensions, and there
are a few hundred samples (`eval.features.inner_products`). For many samples of few dimensions see
`eval.metrics.kid_cmmd`.

Shapes: N samples x, M samples y, ... any leading axes of counts.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def cubic_kernel(products: Array) -> Array:
    """The kernel of sKVD and KID, k(x, y) = (x·y / d + 1)³, of any shape.

    Args:
        products: inner products x·y, already divided by the dimension d of the features.
    """
    return (products + 1.0) ** 3


def mmd2(
    xx: Array,
    xy: Array,
    yy: Array,
    *,
    x_groups: NDArray[np.int64],
    y_groups: NDArray[np.int64],
    x_counts: Array | None = None,
    y_counts: Array | None = None,
) -> Array:
    """Unbiased MMD² from kernel values; slightly below 0 where the two sets look alike.

    Two samples of one group (crops of one image) are not independent draws, so their pair says nothing about
    the distributions: such pairs count neither in the sums nor in the means. With every sample in a
    group of its own this is the usual estimate, which only leaves out k(x, x). A count is how often a sample occurs in
    the set, as in a bootstrap resample; a sample never forms a pair with its own copies.

    Args:
        xx: (N, N) kernel values within x.
        xy: (N, M) kernel values between x and y.
        yy: (M, M) kernel values within y.
        x_groups: (N,) the image that each x comes from, as any number.
        y_groups: (M,) the image that each y comes from. A number on both sides is one image on both sides.
        x_counts: (..., N) at least 0; ones when None.
        y_counts: (..., M) at least 0; ones when None. Leading axes as in `x_counts`.

    Returns:
        (...) float64; NaN where no pair is left, as when all samples that one side counts are in one group.

    Raises:
        ValueError: shapes that do not fit together.
    """
    n, m = xy.shape
    x_counts = np.ones(n) if x_counts is None else x_counts
    y_counts = np.ones(m) if y_counts is None else y_counts
    fits = xx.shape == (n, n) and yy.shape == (m, m) and x_groups.shape == (n,) and y_groups.shape == (m,)
    if not fits or x_counts.shape[-1] != n or y_counts.shape[-1] != m:
        raise ValueError(
            f"got kernels {xx.shape}, {xy.shape}, {yy.shape}, groups {x_groups.shape}, {y_groups.shape}, "
            f"counts {x_counts.shape}, {y_counts.shape}; wanted (N, N), (N, M), (M, M), (N,), (M,), (…, N), (…, M)."
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        return (
            _mean(xx, x_groups[:, None] != x_groups, x_counts, x_counts)
            + _mean(yy, y_groups[:, None] != y_groups, y_counts, y_counts)
            - 2.0 * _mean(xy, x_groups[:, None] != y_groups, x_counts, y_counts)
        )


def paired_mmd2(
    xx: Array,
    xy: Array,
    yy: Array,
    *,
    x_groups: NDArray[np.int64],
    y_groups: NDArray[np.int64],
    counts: Array | None = None,
) -> Array:
    """Unbiased MMD² of two sets whose samples were matched: y_i shows what x_i shows (lemma 6, equation 4).

    The mean of k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i) over pairs i, j. All four values then refer to the
    same two layouts. Separate means would not: two crops of one photograph say nothing about photographs, and a pair
    that is left out among the y, but not among the x, leaves the two sides with different layout frequencies.

    A pair i, j counts if it has no image twice: not among the x, not among the y, and not one as x_i and y_j. A count
    is how often a sample occurs in the set, as in a bootstrap resample.

    Args:
        xx, xy, yy: (N, N) kernel values.
        x_groups: (N,) the image that each x comes from, as any number.
        y_groups: (N,) the image that each y comes from. A number on both sides is one image on both sides.
        counts: (..., N) at least 0; ones when None.

    Returns:
        (...) float64; NaN where no pair is left.

    Raises:
        ValueError: shapes that do not fit together.
    """
    n = len(x_groups)
    counts = np.ones(n) if counts is None else counts
    shapes = xx.shape, xy.shape, yy.shape, y_groups.shape, counts.shape[-1:]
    if shapes != ((n, n),) * 3 + ((n,),) * 2:
        raise ValueError(f"got {shapes} for {n} pairs; wanted kernels (N, N), groups (N,), counts (…, N).")
    crossed = x_groups[:, None] == y_groups
    apart = (x_groups[:, None] != x_groups) & (y_groups[:, None] != y_groups) & ~crossed & ~crossed.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return _mean(xx + yy - xy - xy.T, apart, counts, counts)


def _mean(values: Array, apart: NDArray[np.bool_], row_counts: Array, column_counts: Array) -> Array:
    """Mean of values over the pairs that are `apart`, each weighted by how often its samples count."""
    total = ((row_counts @ (values * apart)) * column_counts).sum(axis=-1)
    return total / ((row_counts @ apart.astype(np.float64)) * column_counts).sum(axis=-1)
