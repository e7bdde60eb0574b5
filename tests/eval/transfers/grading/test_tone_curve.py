import numpy as np
import pytest

from eval.transfers.grading import tone_curve

LEVELS = np.linspace(0, 1, tone_curve.KNOTS)


def greys(seed: int, low: int, high: int) -> np.ndarray:
    values = np.random.default_rng(seed).integers(low, high, (40, 50, 1), dtype=np.uint8)
    return np.repeat(values, 3, 2)


def test_quantiles_are_the_mean_over_pictures() -> None:
    dark, light = greys(0, 0, 100), greys(1, 100, 256)
    found = tone_curve.quantiles([dark, light])
    each = [np.quantile(image[..., 0] / 255, tone_curve.LEVELS) for image in (dark, light)]
    np.testing.assert_allclose(found, np.mean(each, axis=0), atol=1e-12)


def test_dark_and_light_pictures_together_have_no_more_contrast_than_each() -> None:
    found = tone_curve.quantiles([greys(0, 20, 60), greys(1, 180, 220)])
    assert found[-1] - found[0] == pytest.approx(39 / 255, abs=1 / 255)


def test_equal_sets_keep_every_level() -> None:
    own = tone_curve.quantiles([greys(0, 0, 256)])
    np.testing.assert_allclose(tone_curve.fit(own, own), LEVELS, atol=1e-12)


def test_a_gamma_is_found() -> None:
    own = tone_curve.quantiles([greys(0, 0, 256)])
    found = tone_curve.fit(own, own ** (1 / 1.4))
    # Its slope is infinite at black, and limited here: the shadows are left out.
    assert np.abs(found - LEVELS ** (1 / 1.4))[2:].max() < 2 / 255


def test_slopes_are_limited() -> None:
    own, coarse = tone_curve.quantiles([greys(0, 0, 256)]), np.repeat([0.2, 0.8], 250)
    slopes = np.diff(tone_curve.fit(own, coarse)) * (tone_curve.KNOTS - 1)
    assert tone_curve.SLOPES[0] - 1e-9 <= slopes.min() <= slopes.max() <= tone_curve.SLOPES[1] + 1e-9


def test_no_pictures() -> None:
    with pytest.raises(ValueError, match="no pictures"):
        tone_curve.quantiles([])
