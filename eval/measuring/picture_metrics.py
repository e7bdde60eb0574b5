"""The metrics of eval.content: a table of those that compare two pictures, and one of those that look at a single one.

To add a picture metric, write it in eval/metrics and add a row here.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from eval.metrics.edge_psnr import edge_psnr
from eval.metrics.lpips import fetched_lpips, fetched_st_lpips
from eval.metrics.niqe import fetched_niqe
from eval.metrics.psnr_ssim import psnr, ssim
from eval.records.scores_record import Metric

Pixels = NDArray[np.uint8]
Compare = Callable[[Pixels, Pixels], float]
"""A picture and its reference, (H, W, 3) uint8 sRGB of one size -> value; `NoValueError` means that there is none."""
Judge = Callable[[Pixels], float]
"""A picture (H, W, 3) uint8 sRGB -> value; `NoValueError` means that there is none."""


@dataclass(frozen=True)
class PairedMetric:
    """A metric of a picture and its reference: PSNR, SSIM, LPIPS.

    Attributes:
        metric: its key and name if the reference is the render, which a method may well move away from.
        load: the device to compute on -> the function; None if its weights have not been fetched.
        better: which side is better, "lower" or "higher", if the reference is the right answer.
    """

    metric: Metric
    load: Callable[[torch.device], Compare | None]
    better: str


@dataclass(frozen=True)
class SingleMetric:
    """A metric of one picture: NIQE.

    Attributes:
        metric: its key and name, and which side is better.
        load: the function; None if its model has not been fetched.
    """

    metric: Metric
    load: Callable[[], Judge | None]


PAIRED = (
    PairedMetric(
        Metric("psnr", "PSNR (dB) to the render", "", "how little the pixels changed"), lambda _: psnr, "higher"
    ),
    PairedMetric(Metric("ssim", "SSIM to the render", "", "how little structures changed"), lambda _: ssim, "higher"),
    PairedMetric(
        Metric("lpips", "LPIPS v0.1 to the render", "", "how little it changed to the eye"), fetched_lpips, "lower"
    ),
    PairedMetric(
        Metric("st_lpips", "ST-LPIPS to the render", "", "how little it changed to the eye, shifts forgiven"),
        fetched_st_lpips,
        "lower",
    ),
)
OF_THE_TRUTH = (
    PairedMetric(
        Metric("edge_psnr", "edge PSNR (dB) to the render", "", "how little the pixels at edges changed"),
        lambda _: edge_psnr,
        "higher",
    ),
)
"""Metrics whose reference is always the right answer."""
SINGLE = (SingleMetric(Metric("niqe", "NIQE", "lower", "how natural a picture's statistics are"), fetched_niqe),)


def paired(device: torch.device, *, truth: bool) -> dict[Metric, Compare]:
    """The metrics of `PAIRED` whose weights are available; with the right answer, also those of `OF_THE_TRUTH`.

    Args:
        device: where networks compute.
        truth: whether the reference is the right answer, instead of the render.

    Raises:
        InputError: a weights file that is not what was fetched.
    """
    rows = (*PAIRED, *OF_THE_TRUTH) if truth else PAIRED
    loaded = ((to_truth(row) if truth else row.metric, row.load(device)) for row in rows)
    return {metric: compare for metric, compare in loaded if compare}


def single() -> dict[Metric, Judge]:
    """The metrics of `SINGLE` whose models are available.

    Raises:
        InputError: a model that is not what was fetched.
    """
    loaded = ((row.metric, row.load()) for row in SINGLE)
    return {metric: judge for metric, judge in loaded if judge}


def to_truth(row: PairedMetric) -> Metric:
    """A row's metric if the reference is the right answer: one side is now better."""
    name, what = row.metric.name.replace("render", "truth"), "how near it is to what it should be"
    return dataclasses.replace(row.metric, key=f"truth_{row.metric.key}", name=name, better=row.better, what=what)
