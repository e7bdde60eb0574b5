"""Gram-MMD: the kernel distance between two sets of pictures, by their Gram matrices in a network.

Napolitano, Nguyen, "Gram-MMD: A Texture-Aware Metric for Image Realism Assessment", 2026 (arXiv 2604.03064): a
picture's vector is the upper triangle of a layer's Gram matrix, which keeps texture and forgets where things are, and
MMD is taken between the vectors of real pictures (the anchor) and of judged ones.

Only the paper's abstract and summaries of it could be read here. What they leave open is chosen as follows:

- Gram matrices are F Fᵀ / (H W) (Gatys et al., CVPR 2016, eq. 3, divided by the number of places), so picture size does
  not matter; off-diagonal entries count once.
- The kernel is Gaussian, like CMMD's, which they compare with. Its σ is the median distance between photographs
  (Gretton et al., "A Kernel Two-Sample Test", JMLR 2012, sec. 8): from the anchor alone, so it is the same for all
  methods.
- MMD² is the unbiased estimate, as for all kernel distances here except CMMD, times 1000.
- The network is VGG16; theirs are VGG19 and others.

Values are therefore not comparable with the paper's.

Shapes: N pictures x (judged), M pictures y (photographs), C channels, D = C (C + 1) / 2 entries of a triangle.
"""

import math

import numpy as np
from numpy.typing import NDArray

from eval.no_value import NoValueError

Array = NDArray[np.float64]


def upper_triangle(weighted: NDArray[np.floating]) -> NDArray[np.floating]:
    """Upper triangles (N, D) as they are in Gram matrices, each entry once.

    Args:
        weighted: (N, D) row by row, as from `eval.features.vgg_statistics.triangle`: off-diagonal entries times √2.

    Raises:
        ValueError: D entries do not form a triangle.
    """
    side = (math.isqrt(8 * weighted.shape[1] + 1) - 1) // 2
    if side * (side + 1) // 2 != weighted.shape[1]:
        raise ValueError(f"{weighted.shape[1]} entries are no upper triangle; wanted C (C + 1) / 2.")
    upper, right = np.triu_indices(side)
    return weighted / np.where(upper == right, 1.0, 2**0.5).astype(weighted.dtype)


def squared_distances(products: Array, x_squares: Array, y_squares: Array) -> Array:
    """|x - y|² (N, M) from inner products (N, M) and squared lengths (N,), (M,); never below 0."""
    return np.maximum(x_squares[:, None] + y_squares - 2 * products, 0)


def median_square(yy: Array, groups: NDArray[np.int64]) -> float:
    """σ²: the square of the median distance between two photographs.

    Args:
        yy: (M, M) inner products of the photographs' triangles.
        groups: (M,) the picture that each one is, as a number; copies of one picture form no pair.

    Raises:
        NoValueError: no two of them differ.
    """
    squares = np.diag(yy)
    pairs = np.triu(groups[:, None] != groups, 1)
    apart = squared_distances(yy, squares, squares)[pairs]
    found = float(np.median(np.sqrt(apart)) ** 2) if len(apart) else 0.0
    if not found > 0:
        raise NoValueError(f"{len(groups)} photographs of which no two differ have no bandwidth; wanted two that do.")
    return found


def gaussian_kernel(squares: Array, sigma_square: float) -> Array:
    """exp(-|x - y|² / 2σ²) of squared distances, of any shape."""
    return np.exp(-0.5 * squares / sigma_square)
