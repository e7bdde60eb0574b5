"""Gram-MMD against a closed form, and against its definition written out in NumPy."""

import numpy as np
import pytest
import torch

from eval.features.vgg_statistics import triangle
from eval.measuring.set_distances import FeatureSets, gram_mmd
from eval.metrics.gram_mmd import gaussian_kernel, median_square, squared_distances, upper_triangle


def sides(x: np.ndarray, y: np.ndarray, draws: np.ndarray | None = None) -> FeatureSets:
    """Weighted triangles as vectors of different pictures."""
    numbers = np.arange(len(x) + len(y))
    rows = (side.astype(np.float32) for side in (x, y))
    return FeatureSets(*rows, numbers[: len(x)], numbers[len(x) :], np.ones((1, len(x))) if draws is None else draws)


def test_entries_of_the_triangle_count_once() -> None:
    torch.manual_seed(0)
    maps = torch.randn(2, 4, 3, 5)
    rows = torch.stack([triangle(x) for x in maps]).numpy()
    grams = [x.flatten(1) @ x.flatten(1).T / 15 for x in maps]
    wanted = np.stack([gram[np.triu_indices(4)] for gram in grams])
    assert np.allclose(upper_triangle(rows), wanted, rtol=1e-5)
    with pytest.raises(ValueError, match="11 entries are no upper triangle"):
        upper_triangle(np.zeros((2, 11), np.float32))


def test_bandwidth_is_the_median_distance_of_different_photographs() -> None:
    y = np.array([[0.0], [0.0], [1.0], [10.0]])
    # Distances of different pictures: 1, 10, 1, 10, 9; the two at 0 are one picture.
    assert median_square(y @ y.T, np.array([5, 5, 6, 7])) == pytest.approx(81)
    with pytest.raises(ValueError, match="no two differ"):
        median_square(np.ones((3, 3)), np.array([1, 2, 3]))


def test_closed_form() -> None:
    """One channel: a Gram matrix is a number. Photographs at 0 and 2, judged pictures at 5 and 7."""
    y, x = np.array([[0.0], [2.0]]), np.array([[5.0], [7.0]])

    # sigma = 2; within either side the one pair is 2 apart; across 5, 3, 7, 5.
    def kernel(d: float) -> float:
        return float(np.exp(-(d**2) / 8))

    wanted = 2 * kernel(2) - 2 * (kernel(5) + kernel(3) + kernel(7) + kernel(5)) / 4
    # 1e-5: inner products are of float32 features.
    assert gram_mmd(sides(x, y))[0] == pytest.approx(1000 * wanted, rel=1e-5)


def test_against_the_definition() -> None:
    """Loops over pairs in float64, from Gram matrices; the command's path goes through float32 inner products."""
    rng = np.random.default_rng(0)
    maps = [rng.normal(size=(5, 12)) * (1 + 0.3 * i) for i in range(9)]
    grams = [m @ m.T / 12 for m in maps]
    rows = np.stack([triangle(torch.from_numpy(m).view(5, 3, 4)).numpy() for m in maps])
    vectors = [gram[np.triu_indices(5)] for gram in grams]
    x, y = vectors[:4], vectors[4:]
    apart = [np.linalg.norm(a - b) for i, a in enumerate(y) for b in y[:i]]

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.exp(-np.sum((a - b) ** 2) / (2 * np.median(apart) ** 2)))

    def within(side: list[np.ndarray]) -> float:
        return float(np.mean([kernel(a, b) for i, a in enumerate(side) for j, b in enumerate(side) if i != j]))

    wanted = within(x) + within(y) - 2 * np.mean([kernel(a, b) for a in x for b in y])
    assert gram_mmd(sides(rows[:4], rows[4:]))[0] == pytest.approx(1000 * wanted, rel=1e-4)


def test_same_pictures_have_no_distance() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(6, 10)).astype(np.float32)
    same = FeatureSets(rows, rows, np.arange(6), np.arange(6), np.ones((1, 6)))
    assert gram_mmd(same)[0] == pytest.approx(0, abs=1e-9)


def test_unbiased_where_both_sides_are_of_one_distribution() -> None:
    rng = np.random.default_rng(2)
    values = [gram_mmd(sides(rng.normal(size=(8, 10)), rng.normal(size=(12, 10))))[0] for _ in range(300)]
    # Three standard errors of the mean.
    assert abs(np.mean(values)) < 3 * np.std(values) / 300**0.5


def test_a_shift_is_seen_and_resampled() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(8, 10)), rng.normal(size=(12, 10))
    draws = np.stack([np.ones(8), np.r_[np.full(4, 2.0), np.zeros(4)]])
    near, far = gram_mmd(sides(x, y, draws)), gram_mmd(sides(x + 2, y, draws))
    assert (far > near + 100).all()
    assert near.shape == (2,)


def test_kernel_and_distances() -> None:
    products = np.array([[3.0, -1.0]])
    found = squared_distances(products, np.array([4.0]), np.array([2.0, 1.0]))
    assert np.allclose(found, [[0.0, 7.0]])  # 4 + 2 - 6; 4 + 1 + 2
    assert np.allclose(gaussian_kernel(found, 3.5), [[1.0, np.exp(-1)]])
