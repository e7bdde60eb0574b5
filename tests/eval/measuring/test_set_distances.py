"""Distances of sets with very many pictures on one side."""

import numpy as np
import pytest

from eval.measuring import set_distances
from eval.measuring.set_distances import FeatureSets, resampled_kid, spectral_distance, spectral_excess
from eval.metrics.spectrum import CENTRES, HIGH


@pytest.mark.parametrize(("judged", "photographs"), [(5, 60), (60, 5), (999, 60)])
def test_kernel_distance_where_one_side_is_small_and_the_other_very_large(
    judged: int, photographs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(count, 6)).astype(np.float32) for count in (judged, photographs))
    groups = np.arange(judged + photographs)
    sides = FeatureSets(x, y, groups[:judged], groups[judged:], np.ones((3, judged)))
    whole = resampled_kid(sides, 2.0)
    assert whole.shape == (3,)
    monkeypatch.setattr(set_distances, "MAX_RESAMPLED", 50)
    found = resampled_kid(sides, 2.0)
    assert found.shape == (1,)
    # 1e-5: of the whole table inner products are float32, of blocks float64.
    assert found[0] == pytest.approx(whole[0], rel=1e-5)


def spectra(x: np.ndarray, y: np.ndarray) -> FeatureSets:
    numbers = np.arange(len(x) + len(y))
    rows = (side.astype(np.float32) for side in (x, y))
    return FeatureSets(*rows, numbers[: len(x)], numbers[len(x) :], np.ones((1, len(x))))


def test_spectral_distance_of_a_known_shift() -> None:
    """Every judged spectrum is 3 dB above at high frequencies; photographs differ by +-1 dB in all bands."""
    y = np.full((4, len(CENTRES)), -30.0) + np.array([1, -1, 1, -1])[:, None]
    x = y.copy()
    x[:, HIGH] += 3
    # Without bias: 9 dB² in the high bands, less what either mean's own error adds, 4/3 dB² / 4 of each side.
    wanted = 9 * HIGH.mean() - 2 * (4 / 3) / 4
    assert spectral_distance(spectra(x, y))[0] == pytest.approx(np.sqrt(wanted), rel=1e-5)
    assert spectral_excess(spectra(x, y))[0] == pytest.approx(3, rel=1e-5)
    assert spectral_excess(spectra(2 * y - x, y))[0] == pytest.approx(-3, rel=1e-5)


def test_spectral_distance_has_no_bias() -> None:
    rng = np.random.default_rng(0)
    shape = (8, len(CENTRES))
    found = [spectral_distance(spectra(rng.normal(size=shape), rng.normal(size=shape)))[0] for _ in range(400)]
    squares = np.sign(found) * np.square(found)
    # Three standard errors of the mean.
    assert abs(squares.mean()) < 3 * squares.std() / 20


def test_pictures_without_a_spectrum_do_not_count() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, len(CENTRES))), rng.normal(size=(6, len(CENTRES)))
    holes = [np.concatenate([side, np.full((1, side.shape[1]), np.nan)]) for side in (x, y)]
    for measure in (spectral_distance, spectral_excess):
        assert measure(spectra(*holes))[0] == pytest.approx(measure(spectra(x, y))[0])
