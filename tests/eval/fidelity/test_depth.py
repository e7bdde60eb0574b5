import numpy as np
import pytest

from eval.fidelity.depth import aligned, depth_error, si_rmse

TRUTH = np.random.default_rng(0).uniform(2, 80, 5000)


def test_a_scaled_copy_has_no_error() -> None:
    assert si_rmse(3.7 * TRUTH, TRUTH) == pytest.approx(0, abs=1e-12)


def test_is_the_definition() -> None:
    estimate = TRUTH * np.random.default_rng(1).uniform(0.5, 2, TRUTH.shape)
    d = np.log(estimate) - np.log(TRUTH)
    wanted = np.sqrt((d**2).mean() - d.mean() ** 2)  # Eigen et al. 2014, eq. 2 and 3
    assert si_rmse(estimate, TRUTH) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (250.0, 31.0), (0.01, -5.0)])
def test_scale_and_shift_of_inverse_depth_do_not_matter(scale: float, shift: float) -> None:
    np.testing.assert_allclose(aligned(scale / TRUTH + shift, TRUTH), TRUTH, rtol=1e-6)


def test_an_answer_that_says_nothing_leaves_the_spread_of_the_truth() -> None:
    assert depth_error(np.ones((50, 100)), TRUTH.reshape(50, 100)) == pytest.approx(np.log(TRUTH).std())


def test_nothing_is_farther_than_the_farthest() -> None:
    noisy = 1 / TRUTH + np.random.default_rng(1).normal(0, 0.05, TRUTH.shape)
    found = aligned(noisy, TRUTH)
    assert found.min() > 0
    assert found.max() <= TRUTH.max() * (1 + 1e-12)


def test_what_was_not_drawn_does_not_count() -> None:
    truth = TRUTH.reshape(50, 100).copy()
    truth[:10] = np.inf
    estimate = np.where(np.isfinite(truth), 1 / truth, 9.0)
    assert depth_error(estimate, truth) == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="no depth"):
        depth_error(estimate, np.full_like(truth, np.inf))
