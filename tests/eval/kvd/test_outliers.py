"""Remoteness against distances in a space that can be written down, against MMD², and the choice of crops."""

import numpy as np
import pytest

from eval.kvd.outliers import remoteness, worst
from eval.metrics.mmd import cubic_kernel


def test_is_the_distance_to_the_mean() -> None:
    """The linear kernel's space is the vectors' own."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(1, 1, (7, 5)), rng.normal(0, 1, (9, 5))
    found = remoteness((x * x).sum(1), x @ y.T, groups=np.arange(7), y_groups=np.arange(7, 16))
    wanted = np.square(x - y.mean(0)).sum(1) - np.square(y.mean(0)).sum()
    assert found == pytest.approx(wanted)


def test_its_mean_tells_what_mmd2_tells() -> None:
    """Biased MMD² (eq. 5) is the mean distance to the mean, less how far a set lies from its own mean."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(1, 1, (7, 5)), rng.normal(0, 1, (9, 5))
    xx, xy, yy = (cubic_kernel(a @ b.T / 5) for a, b in ((x, x), (x, y), (y, y)))
    biased = xx.mean() + yy.mean() - 2 * xy.mean()
    found = remoteness(np.diag(xx), xy, groups=np.arange(7), y_groups=np.arange(7, 16)) + yy.mean()
    assert found.mean() - (np.diag(xx).mean() - xx.mean()) == pytest.approx(biased)


def test_its_own_image_does_not_count() -> None:
    across = np.array([[100.0, 1.0, 3.0], [1.0, 2.0, 3.0]])
    found = remoteness(np.array([5.0, 5.0]), across, groups=np.array([0, 1]), y_groups=np.array([0, 2, 3]))
    assert found.tolist() == [5 - 4, 5 - 4]


def test_the_odd_one_is_the_worst() -> None:
    rng = np.random.default_rng(2)
    y = rng.normal(0, 0.1, (40, 3))
    x = np.concatenate([rng.normal(0, 0.1, (10, 3)), rng.normal(3, 0.1, (1, 3))])
    groups = np.arange(11)
    own = np.diag(cubic_kernel(x @ x.T / 3))
    values = remoteness(own, cubic_kernel(x @ y.T / 3), groups=groups, y_groups=np.arange(100, 140))
    assert worst(values, groups, 3)[0] == 10


def test_one_crop_of_an_image_and_none_without_a_value() -> None:
    values = np.array([5.0, 4.0, np.nan, 3.0, 1.0])
    assert worst(values, np.array([0, 0, 1, 2, 3]), 3).tolist() == [0, 3, 4]
    assert worst(values, np.array([0, 0, 1, 2, 2]), 9).tolist() == [0, 3]
