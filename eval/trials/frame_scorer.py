"""Measures of single pictures on trial: NIQE, and similarity to the original (PSNR, SSIM, LPIPS, ST-LPIPS)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from eval.measuring.picture_metrics import Compare, Judge
from eval.no_value import value_or_nan
from eval.records.scores_record import Metric
from eval.trials.pictures import PictureSet
from eval.trials.scorer import Array, Arrays


@dataclass(frozen=True)
class FrameScorer:
    """Means of single-picture values; a trial's photographs do not matter.

    Attributes:
        judge: metrics of one picture.
        compare: metrics of a picture and its original, if there is one.
        weights: digest of what they compute with.
    """

    judge: Mapping[Metric, Judge]
    compare: Mapping[Metric, Compare]
    weights: str

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics of one picture, then those of a picture and its original."""
        return (*self.judge, *self.compare)

    @property
    def digest(self) -> str:
        """SHA-256 of the metrics and what they compute with."""
        text = f"frames {self.weights} {sorted(metric.key for metric in self.metrics)}"
        return hashlib.sha256(text.encode()).hexdigest()

    def common(self) -> Arrays:
        """Nothing comes from the photographs: each picture is judged by itself."""
        return {}

    def measure(self, pictures: PictureSet) -> Arrays:
        """One value per picture (N,) by the metric's key, NaN where there is none."""
        found = {metric.key: [value_or_nan(judge, x) for x in pictures.pixels] for metric, judge in self.judge.items()}
        for metric, compare in self.compare.items() if pictures.originals else ():
            pairs = zip(pictures.pixels, pictures.originals or (), strict=True)
            found[metric.key] = [value_or_nan(compare, picture, original) for picture, original in pairs]
        return {key: np.array(values) for key, values in found.items()}

    def values(self, common: Arrays, found: Arrays, draws: Array) -> dict[str, Array]:
        """Means (S,) over the pictures that have a value."""
        means = {}
        for key, array in found.items():
            values = array.astype(np.float64)
            seen = np.isfinite(values)
            with np.errstate(invalid="ignore", divide="ignore"):
                means[key] = draws[:, seen] @ values[seen] / draws[:, seen].sum(1)
        return means
