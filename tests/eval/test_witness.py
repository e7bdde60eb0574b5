"""The witness against a slow one, against MMD², and the choice of crops."""

import numpy as np
import pytest

from eval.mmd import cubic, mmd2
from eval.witness import witness, worst


def kernels(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0.5, 1, (7, 5)), rng.normal(0, 1, (9, 5))
    return tuple(cubic(a @ b.T / 5) for a, b in ((x, x), (x, y), (y, y)))  # type: ignore[return-value]


X_GROUPS, Y_GROUPS = np.array([0, 0, 1, 1, 2, 3, 3]), np.array([5, 5, 6, 7, 7, 8, 9, 0, 9])


def test_equals_a_slow_one() -> None:
    xx, xy, _ = kernels(0)
    wanted = [
        np.mean([xx[i, j] for j in range(7) if X_GROUPS[j] != X_GROUPS[i]])
        - np.mean([xy[i, j] for j in range(9) if Y_GROUPS[j] != X_GROUPS[i]])
        for i in range(7)
    ]
    assert witness(xx, xy, x_groups=X_GROUPS, y_groups=Y_GROUPS) == pytest.approx(wanted)


def test_its_mean_difference_is_mmd2() -> None:
    """Where every crop has an image of its own: the mean over x less the mean over y is the unbiased MMD²."""
    xx, xy, yy = kernels(1)
    x, y = np.arange(7), np.arange(7, 16)
    over_x = witness(xx, xy, x_groups=x, y_groups=y).mean()
    over_y = -witness(yy, xy.T, x_groups=y, y_groups=x).mean()
    assert over_x - over_y == pytest.approx(float(mmd2(xx, xy, yy, x_groups=x, y_groups=y)))


def test_the_odd_one_is_the_worst() -> None:
    rng = np.random.default_rng(2)
    y = rng.normal(0, 0.1, (40, 3))
    x = np.concatenate([rng.normal(0, 0.1, (10, 3)), rng.normal(3, 0.1, (3, 3))])
    groups = np.arange(13)
    values = witness(cubic(x @ x.T / 3), cubic(x @ y.T / 3), x_groups=groups, y_groups=np.arange(100, 140))
    assert set(worst(values, groups, 3)) == {10, 11, 12}


def test_one_crop_of_an_image_and_none_without_a_value() -> None:
    values = np.array([5.0, 4.0, np.nan, 3.0, 1.0])
    assert worst(values, np.array([0, 0, 1, 2, 3]), 3).tolist() == [0, 3, 4]
    assert worst(values, np.array([0, 0, 1, 2, 2]), 9).tolist() == [0, 3]
