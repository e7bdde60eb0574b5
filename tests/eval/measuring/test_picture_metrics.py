"""The table of eval.content: a row is all that a new metric needs."""

from pathlib import Path

import numpy as np
import pytest

from datasets.images import write_png
from eval import content
from eval.measuring import picture_metrics
from eval.measuring.picture_metrics import PAIRED, SINGLE, PairedMetric, SingleMetric
from eval.no_value import NoValueError
from eval.records import scores_record
from eval.records.scores_record import Metric
from gbuffer_tools import command


def mean_difference(picture: np.ndarray, reference: np.ndarray) -> float:
    return float(np.abs(picture.astype(float) - reference).mean())


def brightness(picture: np.ndarray) -> float:
    if picture[0, 0, 0] == 0:
        raise NoValueError("black")
    return float(picture.mean())


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two frames, and a method that makes the first one brighter by 10 and the second one black."""
    monkeypatch.setenv("PHOTOREAL_CACHE", str(tmp_path / "nothing"))
    mae = Metric("mae", "MAE to the render", "", "mean absolute difference")
    rows = (*PAIRED, PairedMetric(mae, lambda _: mean_difference, "lower"), PairedMetric(mae, lambda _: None, "lower"))
    monkeypatch.setattr(picture_metrics, "PAIRED", rows)
    light = Metric("light", "brightness", "", "mean of all values")
    monkeypatch.setattr(picture_metrics, "SINGLE", (*SINGLE, SingleMetric(light, lambda: brightness)))
    for i in range(2):
        write_png(tmp_path / "render" / f"{i}.png", np.full((20, 24, 3), 100, np.uint8))
        write_png(tmp_path / "method" / f"{i}.png", np.full((20, 24, 3), (110, 0)[i], np.uint8))
    return tmp_path


def measured(folders: Path, *more: str) -> scores_record.Scores:
    words = ["--fake", str(folders / "render"), "--fake", str(folders / "method"), "--out", str(folders / "a.json")]
    assert command.run(content.main, content.build_parser(), [*words, *more]) == 0
    return scores_record.read(folders / "a.json")


def test_a_row_is_measured_recorded_and_resampled(folders: Path) -> None:
    found = measured(folders)
    assert [metric.key for metric in found.metrics] == ["psnr", "ssim", "mae", "light"]
    render, method = found.methods
    assert method.frames["mae"] == (10, 100)
    assert method.values["mae"].value == 55
    assert method.values["mae"].low == 10
    assert "mae" not in render.values  # it is the reference


def test_a_row_has_a_better_side_where_there_is_a_right_answer(folders: Path) -> None:
    found = measured(folders, "--truth", str(folders / "render"))
    metric = next(metric for metric in found.metrics if metric.key == "truth_mae")
    assert (metric.name, metric.better) == ("MAE to the truth", "lower")
    assert found.methods[0].values["truth_mae"].value == 0


def test_what_a_metric_refuses_has_no_value_and_counts_for_no_method(folders: Path) -> None:
    render, method = measured(folders).methods
    assert method.frames["light"] == (110, None)
    assert (render.values["light"].value, method.values["light"].value) == (100, 110)
