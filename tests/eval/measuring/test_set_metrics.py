"""The tables of eval.sets: a row is all that a new metric needs."""

from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from eval import sets
from eval.features.vgg_statistics import MEANS
from eval.measuring import set_metrics
from eval.measuring.set_distances import FeatureSets, plain
from eval.measuring.set_metrics import VGG_METRICS, SetMetric
from eval.no_value import NoValueError
from eval.records import scores_record
from eval.records.scores_record import Metric
from gbuffer_tools import command


def sizes(judged: Tensor, real: Tensor) -> float:
    return 1000.0 * len(judged) + len(real)


def test_a_row_is_measured_and_recorded(
    scenes: Path, random_vgg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOTOREAL_CACHE", str(tmp_path / "cache"))
    row = SetMetric(Metric("sizes", "how many", "", "pictures on both sides"), plain(sizes), MEANS)
    monkeypatch.setattr(set_metrics, "VGG_METRICS", (*VGG_METRICS, row))
    words = ["--fake", str(scenes / "frames"), "--real", str(scenes / "photos"), "--vgg", str(random_vgg)]
    out = tmp_path / "a.json"
    assert command.run(sets.main, sets.build_parser(), [*words, "--resamples", "10", "--out", str(out)]) == 0
    found = scores_record.read(out)
    assert row.metric in found.metrics
    assert found.methods[0].values["sizes"].value == 8010
    assert found.methods[0].values["sizes"].low is None


def test_what_a_metric_refuses_has_no_value() -> None:
    def refuses(judged: Tensor, real: Tensor) -> float:
        raise NoValueError("too few")

    one = np.zeros((1, 2), np.float32)
    numbers = np.zeros(1, np.int64)
    assert np.isnan(plain(refuses)(FeatureSets(one, one, numbers, numbers, np.ones((2, 1))))).all()
