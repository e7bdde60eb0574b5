"""Precision and recall of a set of pictures: do they look real, and is everything real among them?

Kynkaanniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", NeurIPS 2019, sec. 2: a
set's manifold is the union of balls around its feature vectors, each up to the k-th nearest other one.

Shapes: N vectors x (pictures that are judged), M vectors y (real ones), D dimensions.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK = 2048


@dataclass(frozen=True)
class PrecisionRecall:
    """Share of what is judged inside the real manifold, and of what is real inside the judged one."""

    precision: float
    recall: float


def distances(x: Tensor, y: Tensor) -> Tensor:
    """(n, m) Euclidean distances, float64: by the norms and products of float32 nearest neighbours would be wrong."""
    return torch.cdist(x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist")


def radii(x: Tensor, k: int) -> Tensor:
    """(N,): from each vector to its k-th nearest other one."""
    return torch.cat([distances(rows, x).kthvalue(k + 1).values for rows in x.split(BLOCK)])


def share_inside(x: Tensor, y: Tensor, radius: Tensor) -> float:
    """Share of x (N, D) inside a ball around any y (M, D); radius (M,)."""
    inside = [(distances(rows, y) <= radius).any(1) for rows in x.split(BLOCK)]
    return float(torch.cat(inside).double().mean())


@torch.no_grad()
def precision_recall(x: Tensor, y: Tensor, k: int = 3) -> PrecisionRecall:
    """Both, of (N, D) judged and (M, D) real vectors.

    Raises:
        ValueError: no more than k vectors on a side.
    """
    if min(len(x), len(y)) <= k:
        raise ValueError(f"the {k}-th neighbour needs more than {k} vectors, got {len(x)} and {len(y)}.")
    return PrecisionRecall(share_inside(x, y, radii(y, k)), share_inside(y, x, radii(x, k)))
