"""Which crops lie farthest from photographs: distances to the photographs' mean, in the kernel's own space.

A kernel maps a crop x to a point φ(x), and MMD is the distance between the means of two sets of such points (Gretton
et al., "A Kernel Two-Sample Test", JMLR 2012, sec. 2.2). |φ(x) - mean φ(y)|² = k(x, x) - 2 mean k(x, y) + mean k(y, y):
the last term is the same for all crops.

Shapes: N crops of a method, M crops of photographs.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


def remoteness(own: Array, across: Array, *, groups: Indices, y_groups: Indices) -> Array:
    """The squared distance of each crop to the photographs' mean in the kernel's space, up to a constant: (N,).

    Args:
        own: (N,) kernel value of each crop with itself.
        across: (N, M) kernel values to the photographs' crops.
        groups: (N,) the image that each crop comes from, as any number.
        y_groups: (M,) likewise; photograph crops from the crop's own image do not count.

    Returns:
        (N,); NaN for a crop that has nothing to compare with.
    """
    apart = (groups[:, None] != y_groups).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Array = own - 2 * (across * apart).sum(1) / apart.sum(1)
    return found


def worst(values: Array, groups: Indices, count: int) -> Indices:
    """Indices of the crops with the highest values, highest first, at most one per image.

    Args:
        values: (N,); values that are not finite are left out.
        groups: (N,) image of each crop.
        count: the most crops to return.
    """
    found: list[int] = []
    taken: set[int] = set()
    for index in np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable"):
        if len(found) < count and int(groups[index]) not in taken and np.isfinite(values[index]):
            taken.add(int(groups[index]))
            found.append(int(index))
    return np.array(found, dtype=np.int64)
