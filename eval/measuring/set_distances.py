"""Distances between two sets of feature vectors, with intervals where a resample costs little.

Shapes: N judged pictures x, M photographs y, D dimensions, B resamples.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eval.features.inner_products import gram
from eval.metrics import kid_cmmd
from eval.metrics.frechet import frechet, moments
from eval.metrics.mmd import cubic, mmd2
from eval.metrics.precision_recall import precision_recall

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

LARGEST = 4096
"""Pictures of a side up to which kernel values of all pairs are kept, and resampled."""
SUBSET = 1000
PAIRS = (
    f"over all pairs up to {LARGEST:,} pictures a side; above, without intervals, over 100 subsets of {SUBSET:,}, or "
    f"over all pairs again where a side has fewer than {SUBSET:,}"
)
"""What `kid_of` averages over, in words."""
NEIGHBOUR = 3
UNIT = 1000.0


@dataclass(frozen=True)
class Sides:
    """What is compared.

    Attributes:
        x: (N, D) of the judged pictures.
        y: (M, D) of the photographs.
        x_groups, y_groups: the picture of each row by a number; one picture on both sides has one number.
        weights: (1 + B, N) how often each judged picture was drawn; row 0 is ones.
    """

    x: Floats
    y: Floats
    x_groups: Indices
    y_groups: Indices
    weights: Array


def kernel_distance(sides: Sides, kernel: Callable[[Array], Array], square: float) -> Array:
    """(1 + B,) unbiased MMD² of a kernel of scalar products that are divided by D and by `square`."""
    x, y = torch.from_numpy(sides.x), torch.from_numpy(sides.y)
    xx, xy, yy = (kernel(gram(a, b).numpy() / square) for a, b in ((x, x), (x, y), (y, y)))
    return mmd2(
        xx, xy, yy, x_groups=sides.x_groups, y_groups=sides.y_groups,
        x_weights=sides.weights, y_weights=np.ones((len(sides.weights), len(y))),
    )  # fmt: skip


def small(sides: Sides) -> bool:
    """Whether kernel values of all pairs are kept."""
    return max(len(sides.x), len(sides.y)) <= LARGEST


def frechet_of(sides: Sides) -> Array:
    """(1,)"""
    return np.array([frechet(moments([sides.x]), moments([sides.y]))])


def neighbours_of(sides: Sides) -> tuple[Array, Array]:
    """Precision and recall, (1,) each; NaN where a side has too few pictures."""
    if min(len(sides.x), len(sides.y)) <= NEIGHBOUR:
        return np.array([np.nan]), np.array([np.nan])
    found = precision_recall(torch.from_numpy(sides.x), torch.from_numpy(sides.y), NEIGHBOUR)
    return np.array([found.precision]), np.array([found.recall])


def kid_of(sides: Sides, square: float) -> Array:
    """1000 x KID's MMD²: with resamples, or, where there are very many pictures, (1,); `PAIRS` says of which pairs."""
    if small(sides):
        return UNIT * kernel_distance(sides, cubic, square)
    x, y = (torch.from_numpy(side) / square**0.5 for side in (sides.x, sides.y))
    if min(len(x), len(y)) < SUBSET:
        return np.array([UNIT * kid_cmmd.mmd2(x, y, kid_cmmd.cubic, unbiased=True)])
    return np.array([UNIT * kid_cmmd.kid(x, y, size=SUBSET).mean])


def gaussian_of(sides: Sides) -> Array:
    """(1,) CMMD's formula, of vectors of unit length."""
    x, y = (unit(torch.from_numpy(side)) for side in (sides.x, sides.y))
    return np.array([kid_cmmd.cmmd(x, y)])


def unit(x: Tensor) -> Tensor:
    """Rows of length 1."""
    return x / x.norm(dim=1, keepdim=True).clamp_min(1e-12)


def mean_square(y: Floats) -> float:
    """Mean square of a row, per dimension."""
    return float(np.square(y, dtype=np.float64).mean())


def style_distance(sides: Sides) -> Array:
    """(1 + B,) squared distance between the mean Gram matrices, as a share of the photographs' own square."""
    rows = torch.from_numpy(sides.y)
    products = gram(rows, rows).numpy()
    apart = sides.y_groups[:, None] != sides.y_groups
    return kernel_distance(sides, lambda values: values, float(products[apart].mean()))
