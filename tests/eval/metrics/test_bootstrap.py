import numpy as np
import pytest

from eval.metrics.bootstrap import interval, resample_counts


def test_images_stand_or_fall_with_all_their_crops():
    groups = np.array([0, 0, 1, 2, 2, 2])
    weights = resample_counts(groups, 50, np.random.default_rng(0))
    assert weights.shape == (50, 6)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 5]).all()
    # As many images are drawn as there are.
    assert (weights[:, 0] + weights[:, 2] + weights[:, 3] == 3).all()


def test_every_image_is_drawn_once_on_average():
    weights = resample_counts(np.arange(10), 20_000, np.random.default_rng(0))
    # Counts are binomial(10, 1/10) with variance 0.9: 4 standard errors of the mean over 20,000 draws.
    assert weights.mean(axis=0) == pytest.approx(np.ones(10), abs=4 * np.sqrt(0.9 / 20_000))


def test_interval_covers_the_middle():
    assert interval(np.arange(1001.0), 0.9) == pytest.approx((50.0, 950.0))


def test_resamples_without_value_are_left_out_while_they_are_few():
    values = np.arange(100.0)
    values[:5] = np.nan
    assert interval(values, 0.95) is not None
    values[:20] = np.nan
    assert interval(values, 0.95) is None


@pytest.mark.parametrize("true_mean", [0.0, 3.0])
def test_interval_of_a_mean_covers_as_often_as_it_says(true_mean):
    # 300 experiments of 30 images with 4 alike crops each. Percentile intervals of 30 images cover 93 to 95 %;
    # 300 trials have a standard error of 1.3 %. An interval over single crops would cover about 65 %.
    rng = np.random.default_rng(1)
    groups = np.arange(120) // 4
    covered = 0
    for _ in range(300):
        crops = rng.normal(true_mean, 1, 30)[groups] + rng.normal(0, 0.1, 120)
        weights = resample_counts(groups, 400, rng)
        ends = interval((weights * crops).sum(axis=1) / weights.sum(axis=1), 0.95)
        assert ends is not None
        covered += ends[0] <= true_mean <= ends[1]
    assert covered / 300 > 0.89
