"""Distances of sets with very many pictures on one side."""

import numpy as np
import pytest

from eval.measuring import set_distances
from eval.measuring.set_distances import FeatureSets, resampled_kid


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
