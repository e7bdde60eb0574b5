"""Effective rank and sparseness of sets whose values are known."""

import numpy as np
import pytest

from eval.trials.reference_set import coordinates, effective_rank, sparseness


def test_effective_rank_counts_directions() -> None:
    axes = np.concatenate([np.eye(5), -np.eye(5)])
    assert effective_rank(np.pad(axes, ((0, 0), (0, 7)))) == pytest.approx(5)
    # Shares 0.9 and 0.1 of the variance.
    uneven = axes[[0, 5, 1, 6]] * np.array([3, 1, 0, 0, 0])
    assert effective_rank(uneven) == pytest.approx(np.exp(-0.9 * np.log(0.9) - 0.1 * np.log(0.1)))
    assert effective_rank(uneven[:2]) == pytest.approx(1)


def test_effective_rank_knows_neither_scale_nor_place() -> None:
    x = np.random.default_rng(0).normal(size=(30, 6))
    turned = x @ np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    assert effective_rank(40 * turned + 3) == pytest.approx(effective_rank(x))
    with pytest.raises(ValueError, match="all equal"):
        effective_rank(np.ones((4, 3)))


def test_corners_of_a_simplex_are_equally_far_from_each_other() -> None:
    assert sparseness(np.eye(6)) == pytest.approx(1)


def test_groups_are_dense() -> None:
    """Two groups of four corners, √2 apart within and far across: neighbours are near, the rest is not."""
    a = np.concatenate([np.pad(np.eye(4), ((0, 0), (0, 4))), np.pad(np.eye(4), ((0, 0), (4, 0)))])
    far = a * 1.0
    far[4:] += 100 / np.sqrt(8)  # 100 along the diagonal
    across = np.square(far[:4, None] - far[None, 4:]).sum(-1).mean()
    wanted = np.sqrt(2) / np.sqrt((12 * 2 + 16 * across) / 28)
    assert sparseness(far) == pytest.approx(wanted)
    assert sparseness(far) < 0.03
    with pytest.raises(ValueError, match="more than 3 vectors, got 3"):
        sparseness(np.eye(3))


def test_coordinates_have_the_inner_products_of_what_they_stand_for() -> None:
    x = np.random.default_rng(0).normal(size=(5, 40))
    found = coordinates(x @ x.T)
    assert np.allclose(found @ found.T, x @ x.T)
    assert effective_rank(found) == pytest.approx(effective_rank(x))
    assert sparseness(found) == pytest.approx(sparseness(x))
