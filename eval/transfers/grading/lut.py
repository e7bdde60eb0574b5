"""The 3D lookup table of a grade: fitted to moved colours, smooth, and stored as a .cube file.

The fit is lattice regression (Garcia, Gupta, "Lattice Regression", NIPS 2009): the table whose trilinear interpolation
is nearest to the moved colours, with a penalty on its roughness. File format: Adobe, "Cube LUT Specification", version
1.0. `N` nodes along each axis; nodes are (red, green, blue).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.ndimage import map_coordinates
from scipy.sparse.linalg import splu

from gbuffer_tools.io.atomic import write_text

Array = NDArray[np.float64]

FITTED, WRITTEN = 17, 33
"""Nodes along an axis: while the table is fitted, and in the file."""
BENDING, STRETCHING = 1e-5, 1e-8
"""Weights of squared second and first differences of the displacement between neighbouring nodes, summed over the
lattice, against the mean squared error over colours in [0, 1]. The first keeps the table smooth; the second lets the
displacement fade out evenly where there are no colours."""
SLOPES = (0.2, 3.0)
"""Bounds on the slope of each of the table's channels along its own axis."""
MAX_TRIES = 30


def nodes(size: int) -> Array:
    """The table that changes nothing: (size, size, size, 3) RGB in [0, 1]."""
    grid: Array = np.moveaxis(np.indices((size,) * 3), 0, -1) / (size - 1)
    return grid


def sampled(change: Callable[[Array], Array], size: int = WRITTEN) -> Array:
    """The table of a colour change (N, 3) in [0, 1], clipped, with the six decimals that the file keeps."""
    values = change(nodes(size).reshape(-1, 3)).reshape(size, size, size, 3)
    return np.clip(values, 0, 1).round(6)


def apply(rgb: Array, table: Array) -> Array:
    """Look up colours (..., 3) in [0, 1] in a table (N, N, N, 3), with trilinear interpolation: (..., 3)."""
    places = np.moveaxis(rgb, -1, 0) * (len(table) - 1)
    return np.stack([map_coordinates(table[..., c], places, order=1, mode="nearest") for c in range(3)], axis=-1)


def fit(colours: Array, moved: Array) -> Array:
    """The smooth table that takes colours to where they were moved.

    Roughness is penalised more and more, until every slope is within `SLOPES`.

    Args:
        colours, moved: (M, 3) RGB, the former in [0, 1].

    Returns:
        (FITTED, FITTED, FITTED, 3), not clipped.
    """
    weights = _trilinear(colours, FITTED)
    data, right = (weights.T @ weights) / len(colours), weights.T @ (moved - colours) / len(colours)
    bent, stretched = _differences(FITTED, 2), _differences(FITTED, 1)
    bending = BENDING
    for _ in range(MAX_TRIES):
        system = data + bending * (bent.T @ bent) + STRETCHING * bending / BENDING * (stretched.T @ stretched)
        table = nodes(FITTED) + splu(system.tocsc()).solve(right).reshape(FITTED, FITTED, FITTED, 3)
        if _is_gentle(table):
            break
        bending *= 2
    return table


def _is_gentle(table: Array) -> bool:
    slopes = [np.diff(table[..., c], axis=c) * (len(table) - 1) for c in range(3)]
    return min(s.min() for s in slopes) >= SLOPES[0] and max(s.max() for s in slopes) <= SLOPES[1]


def _trilinear(colours: Array, size: int) -> sparse.csr_matrix:
    """The weights (M, size^3) of the nodes around each colour."""
    places = np.clip(colours, 0, 1) * (size - 1)
    low = np.minimum(places.astype(int), size - 2)
    part = places - low
    total = sparse.csr_matrix((len(colours), size**3))
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, part, 1 - part), axis=1)
        index = np.ravel_multi_index(tuple((low + corner).T), (size,) * 3)
        total = total + sparse.csr_matrix((weight, (np.arange(len(colours)), index)), total.shape)
    return total


def _differences(size: int, order: int) -> sparse.csr_matrix:
    """First or second differences (D, size^3) of a lattice along its axes, and mixed second ones."""
    whole = sparse.identity(size)
    first = sparse.diags([-1.0, 1.0], [0, 1], (size - 1, size))
    second = sparse.diags([1.0, -2.0, 1.0], [0, 1, 2], (size - 2, size))
    if order == 1:
        factors = [(first, whole, whole), (whole, first, whole), (whole, whole, first)]
    else:
        factors = [(second, whole, whole), (whole, second, whole), (whole, whole, second)]
        # Twice in the sum over ordered pairs of axes.
        root = np.sqrt(2) * first
        factors += [(root, first, whole), (root, whole, first), (whole, root, first)]
    return sparse.vstack([sparse.kron(sparse.kron(r, g), b) for r, g, b in factors]).tocsr()


def write_cube(table: Array, path: Path, title: str) -> None:
    """Write a table (N, N, N, 3) in [0, 1] as a .cube file, red running fastest, whole or not at all."""
    size = len(table)
    head = [f'TITLE "{title}"', f"LUT_3D_SIZE {size}", "DOMAIN_MIN 0.0 0.0 0.0", "DOMAIN_MAX 1.0 1.0 1.0"]
    rows = np.transpose(table, (2, 1, 0, 3)).reshape(-1, 3)
    write_text(path, "\n".join([*head, *(" ".join(f"{value:.6f}" for value in row) for row in rows)]) + "\n")
