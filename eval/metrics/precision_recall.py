"""Precision and recall of a set of pictures: do they look real, and do they cover everything real?

Kynkaanniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", NeurIPS 2019, sec. 2: a
set's manifold is the union of balls around its feature vectors, each reaching to the k-th nearest other one.

Shapes: N vectors x (pictures that are judged), M vectors y (real ones), D dimensions.
"""

import torch
from torch import Tensor

from eval.no_value import NoValueError

NEIGHBOURS = 3
"""k: a ball reaches up to the third nearest vector of its own set."""
BLOCK = 2048
"""Vectors whose distances are held at a time."""


def distances(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean distances between all rows of two sets: (n, D) and (m, D) -> (n, m) float64.

    They are computed from differences: with norms and products in float32, nearest neighbours would be wrong.
    """
    return torch.cdist(x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist")


def radii(x: Tensor, k: int) -> Tensor:
    """Distance from each vector of a set to its k-th nearest other one: (N, D) -> (N,)."""
    return torch.cat([distances(rows, x).kthvalue(k + 1).values for rows in x.split(BLOCK)])


def fraction_inside(x: Tensor, y: Tensor, radius: Tensor) -> float:
    """Fraction of x (N, D) that lies in a ball around at least one y (M, D), whose radii are (M,)."""
    inside = [(distances(rows, y) <= radius).any(1) for rows in x.split(BLOCK)]
    return float(torch.cat(inside).double().mean())


@torch.no_grad()
def precision(judged: Tensor, real: Tensor, k: int = NEIGHBOURS) -> float:
    """Precision: the fraction of the judged pictures that lie inside the manifold of the real ones, in [0, 1].

    Args:
        judged: (N, D) features of the pictures that are judged.
        real: (M, D) features of photographs.
        k: which neighbour a ball reaches.

    Raises:
        NoValueError: a side has no more than k vectors.
    """
    if min(len(judged), len(real)) <= k:
        raise NoValueError(f"the {k}-th neighbour needs more than {k} vectors, got {len(judged)} and {len(real)}.")
    return fraction_inside(judged, real, radii(real, k))


def recall(judged: Tensor, real: Tensor, k: int = NEIGHBOURS) -> float:
    """Recall: the fraction of the real pictures that lie inside the manifold of the judged ones, in [0, 1].

    Args and errors as for `precision`.
    """
    return precision(real, judged, k)
