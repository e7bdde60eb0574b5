"""Distances between two sets of feature vectors, as eval.sets reports them.

Each function takes `FeatureSets` and returns values (1 + B,), or (1,) if resampling would cost too much; B is the
number of resamples. The arithmetic is in eval.metrics.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eval.features.inner_products import inner_products
from eval.metrics import kid_cmmd, spectrum
from eval.metrics.gram_mmd import gaussian_kernel, median_square, squared_distances, upper_triangle
from eval.metrics.mmd import cubic_kernel, mmd2
from eval.no_value import value_or_nan

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

MAX_RESAMPLED = 4096
"""Up to this many pictures per side, the kernel values of all pairs are kept and resampled."""
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
        judged_numbers, real_numbers: (N,), (M,) each row's picture as a number; a picture on both sides has one number.
        draws: (1 + B, N) how often each judged picture was drawn; row 0 is ones.
    """

    judged: Floats
    real: Floats
    judged_numbers: Indices
    real_numbers: Indices
    draws: Array


def plain(measure: Callable[[Tensor, Tensor], float]) -> Callable[[FeatureSets], Array]:
    """A metric of two sets of vectors, (N, D) judged and (M, D) real, as one that is not resampled.

    It has no value (NaN) if the metric raises `NoValueError`, as precision does for too few vectors.
    """
    return lambda sets: np.array([value_or_nan(measure, torch.from_numpy(sets.judged), torch.from_numpy(sets.real))])


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

    (1 + B,), or (1,) if a side has more than `MAX_RESAMPLED` pictures; `KID_PAIRS` says over which pairs.
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
    """CMMD's formula for (N, D) and (M, D), whose rows are first normalised to length 1."""
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


def gram_mmd(sets: FeatureSets) -> Array:
    """(1 + B,) 1000 x Gram-MMD (`eval.metrics.gram_mmd`), from vectors of `eval.features.vgg_statistics.triangle`.

    NaN if no two photographs differ.
    """
    x, y = (torch.from_numpy(upper_triangle(side)) for side in (sets.judged, sets.real))
    xx, xy, yy = (inner_products(a, b).numpy() for a, b in ((x, x), (x, y), (y, y)))
    return gram_mmd_of_products(xx, xy, yy, sets.judged_numbers, sets.real_numbers, sets.draws)


def gram_mmd_of_products(
    xx: Array, xy: Array, yy: Array, x_numbers: Indices, y_numbers: Indices, draws: Array
) -> Array:
    """Gram-MMD from inner products of upper triangles: (N, N), (N, M), (M, M), all in the same unit; see `gram_mmd`.

    Args:
        xx, xy, yy: among judged pictures, between them and photographs, among photographs.
        x_numbers, y_numbers, draws: as in `FeatureSets`.
    """
    sigma_square = value_or_nan(median_square, yy, y_numbers)
    if np.isnan(sigma_square):
        return np.full(len(draws), np.nan)
    a, b = np.diag(xx), np.diag(yy)
    squares = (squared_distances(xx, a, a), squared_distances(xy, a, b), squared_distances(yy, b, b))
    kernels = (gaussian_kernel(apart, sigma_square) for apart in squares)
    return UNIT * mmd2(
        *kernels, x_groups=x_numbers, y_groups=y_numbers,
        x_counts=draws, y_counts=np.ones((len(draws), len(yy))),
    )  # fmt: skip


def spectral_distance(sets: FeatureSets) -> Array:
    """(1 + B,) `eval.metrics.spectrum.distance` between mean spectra (N, K) and (M, K), in decibels.

    Pictures without a spectrum (NaN) do not count; NaN if a side has fewer than two.
    """
    seen, real = _with_spectrum(sets)
    centre = sets.real[real].mean(0, dtype=np.float64)
    x, y = (rows.astype(np.float64) - centre for rows in (sets.judged[seen], sets.real[real]))
    bands = sets.real.shape[1]
    square = mmd2(
        x @ x.T / bands, x @ y.T / bands, y @ y.T / bands,
        x_groups=sets.judged_numbers[seen], y_groups=sets.real_numbers[real],
        x_counts=sets.draws[:, seen], y_counts=np.ones((len(sets.draws), len(y))),
    )  # fmt: skip
    return spectrum.distance(square)


def spectral_excess(sets: FeatureSets) -> Array:
    """(1 + B,) `eval.metrics.spectrum.high_excess` of the judged pictures, in decibels.

    NaN if a side has no spectrum.
    """
    seen, real = _with_spectrum(sets)
    drawn = sets.draws[:, seen]
    with np.errstate(invalid="ignore", divide="ignore"):
        judged = drawn @ sets.judged[seen].astype(np.float64) / drawn.sum(1, keepdims=True)
        return spectrum.high_excess(judged - sets.real[real].sum(0, dtype=np.float64) / real.sum())


def _with_spectrum(sets: FeatureSets) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pictures of either side have a spectrum."""
    seen, real = (np.logical_and.reduce(np.isfinite(side), axis=1) for side in (sets.judged, sets.real))
    return seen, real
