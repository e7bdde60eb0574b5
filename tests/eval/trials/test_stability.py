"""How many frames are needed: made differences, and a population whose answer is known."""

import numpy as np
import pytest

from eval.trials.stability import frames_needed, subsets


def test_subsets_have_their_sizes_and_are_drawn_without_replacement() -> None:
    sizes, (a, b) = subsets(5, (9, 12), seed=1)
    assert sorted(set(sizes.tolist())) == [2, 3, 4]
    assert (np.bincount(sizes)[2:] == 5).all()
    for drawn, total in ((a, 9), (b, 12)):
        assert drawn.shape == (15, total)
        assert set(np.unique(drawn)) == {0, 1}
        assert np.array_equal(drawn.sum(1), sizes)
    assert np.array_equal(subsets(5, (9, 12), seed=1)[1][1], b)
    # Every frame is drawn about as often as any other.
    _, (many,) = subsets(2000, (8,), seed=0)
    assert many.mean(0) == pytest.approx(np.full(8, many.mean()), rel=0.05)


def test_the_smallest_size_from_which_on_all_agree() -> None:
    sizes = np.repeat([2, 3, 4, 5], 20)
    differences = np.ones(80)
    assert frames_needed(differences, sizes, 3.0) == 2
    differences[40:42] = -1  # two of twenty subsets of size 4
    assert frames_needed(differences, sizes, 3.0) == 5
    differences[41] = 1  # one of twenty: 95 % agree
    assert frames_needed(differences, sizes, 3.0) == 2
    differences[60:] = np.nan
    assert frames_needed(differences, sizes, 3.0) is None
    assert frames_needed(-np.ones(80), sizes, -0.1) == 2
    assert frames_needed(np.ones(80), sizes, 0.0) is None


def test_a_mean_of_known_spread_needs_as_many_as_theory_says() -> None:
    """Means of n values N(0.4, 1) are above 0 in 95 % of all cases from n = (1.645 / 0.4)² = 17 on."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=400)
    values = 0.4 + (values - values.mean()) / values.std()
    sizes, (drawn,) = subsets(400, (120,), seed=0)
    found = frames_needed(drawn @ values[:120] / sizes, sizes, float(values[:120].mean()))
    mean, deviation = values[:120].mean(), values[:120].std()
    assert found is not None
    # Within a quarter: 5 % are estimated from 400 subsets, drawn from 120 values without replacement.
    assert found == pytest.approx((1.645 * deviation / mean) ** 2, rel=0.25)
