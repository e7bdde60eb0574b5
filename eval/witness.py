"""Which crops of a method are least like photographs: the witness function of MMD.

Gretton et al., "A Kernel Two-Sample Test", JMLR 2012, sec. 2.3: of all functions it is the one whose means over the two
sets lie farthest apart. It is high where a method's crops are, and photographs are not: with MMD² its mean difference,
it says of every crop what that adds.

Shapes: N crops of a method, M crops of photographs.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


def witness(xx: Array, xy: Array, *, x_groups: Indices, y_groups: Indices) -> Array:
    """(N,) how much more alike a crop is to the method's other crops than to the photographs.

    Args:
        xx: (N, N) kernel values within the method.
        xy: (N, M) kernel values to the photographs' crops.
        x_groups: (N,) the image that each crop comes from, by any number; crops of its own image do not count.
        y_groups: (M,) likewise; a number that both sides have is one image on both sides.

    Returns:
        NaN for a crop that has no others to be compared with.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        within, across = (
            (kernel * apart).sum(1) / apart.sum(1)
            for kernel, apart in (
                (xx, (x_groups[:, None] != x_groups).astype(np.float64)),
                (xy, (x_groups[:, None] != y_groups).astype(np.float64)),
            )
        )
    found: Array = within - across
    return found


def worst(values: Array, groups: Indices, count: int) -> Indices:
    """The crops with the highest values, highest first, at most one of an image; (≤ count,) indices."""
    found: list[int] = []
    taken: set[int] = set()
    for index in np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable"):
        if len(found) < count and int(groups[index]) not in taken and np.isfinite(values[index]):
            taken.add(int(groups[index]))
            found.append(int(index))
    return np.array(found, dtype=np.int64)
