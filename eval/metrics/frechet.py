"""Fréchet (Frechet) distance between two normal distributions: FID if the features are Inception v3's.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", NeurIPS 2017, eq. 6;
Dowson, Landau, "The Frechet Distance between Multivariate Normal Distributions", 1982.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from eval.no_value import NoValueError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FeatureGaussian:
    """The normal distribution fitted to N feature vectors: mean (D,), covariance (D, D; divided by N - 1)."""

    mean: Array
    covariance: Array
    count: int


def fit_gaussian(blocks: Iterable[NDArray[np.floating]]) -> FeatureGaussian:
    """Fit a normal distribution to features that come in blocks (n, D), so they need not fit into memory.

    Raises:
        NoValueError: fewer than two vectors.
    """
    count, shift = 0, np.zeros(0)
    total, products = np.zeros(0), np.zeros((0, 0))
    for block in blocks:
        values = block.astype(np.float64)
        if not count:
            # Sums about the first block's mean: sums about 0 would cancel where the spread is small.
            shift = values.mean(0)
            total, products = np.zeros(len(shift)), np.zeros((len(shift), len(shift)))
        values -= shift
        count += len(values)
        total += values.sum(0)
        products += values.T @ values
    if count < 2:
        raise NoValueError(f"a covariance takes two vectors or more, got {count}.")
    mean = total / count
    return FeatureGaussian(mean + shift, (products - count * np.outer(mean, mean)) / (count - 1), count)


def frechet(a: FeatureGaussian, b: FeatureGaussian) -> float:
    """Fréchet distance of two normal distributions: |mean difference|² + trace(A + B - 2 (A B)^½).

    The trace of the root is the sum of roots of the eigenvalues of A^½ B A^½, a symmetric matrix: no complex roots, and
    no trouble if fewer vectors than dimensions leave the covariances singular.
    """
    values, axes = np.linalg.eigh(a.covariance)
    half = (axes * np.sqrt(np.maximum(values, 0))) @ axes.T
    roots = np.sqrt(np.maximum(np.linalg.eigvalsh(half @ b.covariance @ half), 0))
    apart = float(np.square(a.mean - b.mean).sum())
    return apart + float(np.trace(a.covariance) + np.trace(b.covariance) - 2 * roots.sum())


def frechet_of_few(x: Array, y: Array) -> float:
    """Fréchet distance between features (N, D) and (M, D), for N and M that are small compared with D.

    With A = X Xᵀ and B = Y Yᵀ of centred vectors as columns, the roots of the eigenvalues of A B are the singular
    values of Xᵀ Y, an N x M matrix.

    Raises:
        NoValueError: a set has fewer than two vectors.
    """
    if min(len(x), len(y)) < 2:
        raise NoValueError(f"a covariance takes two vectors or more, got {len(x)} and {len(y)}.")
    centred = [(rows - rows.mean(0)) / np.sqrt(len(rows) - 1) for rows in (x, y)]
    roots = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False)
    apart = float(np.square(x.mean(0) - y.mean(0)).sum())
    return apart + sum(float(np.square(rows).sum()) for rows in centred) - 2 * float(roots.sum())


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """Fréchet distance between two sets of feature vectors, (N, D) and (M, D) on the CPU: FID's formula.

    Raises:
        NoValueError: a set has fewer than two vectors.
    """
    if len(x) + len(y) < x.shape[1]:
        return frechet_of_few(x.double().numpy(), y.double().numpy())
    return frechet(fit_gaussian([x.numpy()]), fit_gaussian([y.numpy()]))
