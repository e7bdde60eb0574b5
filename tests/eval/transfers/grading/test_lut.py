"""Lookup tables against closed forms, and .cube files against a reader of their own."""

from pathlib import Path

import numpy as np
import pytest

from eval.transfers.grading import lut

COLOURS = np.random.default_rng(0).uniform(size=(3000, 3))


def read_cube(path: Path) -> np.ndarray:
    """A reader that knows the specification alone: table[red, green, blue] is a colour."""
    size, rows = 0, []
    for line in path.read_text().splitlines():
        words = line.split()
        if words[0] == "LUT_3D_SIZE":
            size = int(words[1])
        elif words[0][0] in "-.0123456789":
            rows.append([float(word) for word in words])
    table = np.empty((size, size, size, 3))
    for number, row in enumerate(rows):
        table[number % size, number // size % size, number // size**2] = row
    assert len(rows) == size**3
    return table


def looked_up(table: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Trilinear interpolation, written out."""
    size, found = len(table), np.zeros(3)
    low = np.minimum((colour * (size - 1)).astype(int), size - 2)
    part = colour * (size - 1) - low
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod([part[i] if corner[i] else 1 - part[i] for i in range(3)])
        found += weight * table[tuple(low + corner)]
    return found


def test_the_file_holds_the_table_that_is_applied(tmp_path: Path) -> None:
    table = lut.sampled(lambda colours: colours[:, [1, 2, 0]] ** [0.7, 1.2, 2.0])
    lut.write_cube(table, tmp_path / "a.cube", "a")
    read = read_cube(tmp_path / "a.cube")
    assert len(read) == 33
    applied = lut.apply(COLOURS[:50], table)
    # Six decimals in the file and in the table; the rest is the order of sums.
    np.testing.assert_allclose(applied, [looked_up(read, colour) for colour in COLOURS[:50]], atol=1e-9)


def test_a_table_of_an_affine_change_is_that_change() -> None:
    turn = np.array([[0.6, 0.2, 0.1], [0.1, 0.4, 0.2], [0.0, 0.3, 0.6]])
    table = lut.sampled(lambda colours: colours @ turn + 0.05)
    # Trilinear interpolation is exact; the nodes have six decimals.
    np.testing.assert_allclose(lut.apply(COLOURS, table), COLOURS @ turn + 0.05, atol=1e-6)


def test_fits_smooth_changes() -> None:
    moved = COLOURS + 0.1 * np.sin(2 * np.pi * COLOURS[:, [1, 2, 0]]) * [1, 0.5, -1]
    error = lut.apply(COLOURS, lut.fit(COLOURS, moved)) - moved
    assert np.sqrt((error**2).mean()) < 1 / 255


def test_what_stays_stays_exactly() -> None:
    np.testing.assert_allclose(lut.fit(COLOURS, COLOURS), lut.nodes(lut.FITTED), atol=1e-12)


def test_a_change_that_would_band_is_made_gentle() -> None:
    steps = np.round(COLOURS * 4) / 4
    table = lut.fit(COLOURS, steps)
    for channel in range(3):
        slopes = np.diff(table[..., channel], axis=channel) * (lut.FITTED - 1)
        assert lut.SLOPES[0] <= slopes.min() <= slopes.max() <= lut.SLOPES[1]


def test_one_colour_is_only_shifted() -> None:
    """Where there is nothing to learn slopes from, the displacement is even."""
    table = lut.fit(np.full((100, 3), 0.4), np.full((100, 3), 0.5))
    assert lut.apply(np.full((1, 3), 0.4), table) == pytest.approx(0.5, abs=1e-3)
    np.testing.assert_allclose(table - lut.nodes(lut.FITTED), 0.1, atol=0.01)
