"""Rank correlations against scipy's, with ties."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from eval.trials.agreement import kendall, spearman


def test_against_scipy_with_and_without_ties() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=(6, 20)), rng.integers(0, 3, (6, 20)).astype(float)], axis=1)
    wanted = [spearmanr(np.arange(6), column).statistic for column in values.T]
    assert np.allclose(spearman(values), wanted, atol=1e-12)


def test_growth_fall_and_one_exchange() -> None:
    strengths = np.arange(6.0)
    exchanged = np.array([0, 1, 3, 2, 4, 5.0])
    found = spearman(np.stack([strengths**3, -strengths, exchanged], axis=1))
    assert np.allclose(found, [1, -1, 1 - 6 * 2 / (6 * 35)])
    assert kendall(strengths) == pytest.approx(1)
    assert kendall(exchanged) == pytest.approx(1 - 2 * 1 / 15)


def test_no_coefficient_where_nothing_changes_or_a_value_is_missing() -> None:
    values = np.ones((6, 3))
    values[:, 1] = np.arange(6)
    values[2, 2] = np.nan
    found = spearman(values)
    assert np.isnan(found[[0, 2]]).all()
    assert found[1] == pytest.approx(1)
    assert np.isnan(kendall(values[:, 0]))
