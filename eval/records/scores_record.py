"""The record of eval.sets, content, segmentation, temporal, control: methods' values on shared frames, with intervals.

    format, version   "scores", 1
    tool, command     name and version of this project, and the command that measured
    metrics           per metric: key, name, which side is better, what it is
    keys              the frames that were judged
    methods           per method: name, folder, digest of its pictures, and by the metrics' keys
        values        {value, low, high}
        differences   {value, low, high} of the value minus the first method's, from the same resamples
        frames        per frame in the order of `keys`, null where a frame has none
    photos            the real side, if there is one, and its own values
    protocol          what the numbers depend on, in words

If a method has no value, the metric is absent: the render is not compared with itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.records.dataclass_json import read_record, tool, write_record
from eval.records.estimate import LEVEL, Estimate, estimate

Array = NDArray[np.float64]

FORMAT, VERSION = "scores", 1
CLASS_COLOUR = "colour."
"""What the keys of class colour metrics begin with: colour.CLASS.QUANTITY."""


@dataclass(frozen=True)
class Metric:
    """A metric, as tables and reports name it.

    Attributes:
        key: a short name for columns of files.
        name: its name as papers write it.
        better: which values are better, "lower" or "higher"; "" if neither is.
        what: what it measures, in one line.
    """

    key: str
    name: str
    better: str
    what: str


@dataclass(frozen=True)
class ScoredMethod:
    """One method's pictures of the frames, and what was measured on them.

    Attributes:
        name, folder, digest: the method's name, and its pictures' folder and digest.
        values: with intervals, by the metric's key.
        differences: differences to the first method, likewise.
        frames: one value per frame, None where there is none, by the metric's key.
    """

    name: str
    folder: str
    digest: str
    values: dict[str, Estimate]
    differences: dict[str, Estimate]
    frames: dict[str, tuple[float | None, ...]]


@dataclass(frozen=True)
class ScoredPhotos:
    """The photographs that methods are compared with.

    Attributes:
        folder: where they are.
        images: how many there are.
        digest: digest of all of them.
        values: their own means of single-picture metrics, by the metric's key.
    """

    folder: str
    images: int
    digest: str
    values: dict[str, float]


@dataclass(frozen=True)
class Scores:
    """Everything that one command measured; the module says what the entries are."""

    format: str
    version: int
    tool: str
    command: str
    metrics: tuple[Metric, ...]
    keys: tuple[str, ...]
    methods: tuple[ScoredMethod, ...]
    photos: ScoredPhotos | None
    protocol: dict[str, str]


def class_colour(key: str) -> tuple[str, str] | None:
    """The class and the quantity that a metric's key stands for; None if it is not a class colour."""
    if not key.startswith(CLASS_COLOUR):
        return None
    name, _, quantity = key.removeprefix(CLASS_COLOUR).rpartition(".")
    return name, quantity


def new_scores(
    command: str,
    metrics: tuple[Metric, ...],
    keys: tuple[str, ...],
    methods: tuple[ScoredMethod, ...],
    photos: ScoredPhotos | None,
    protocol: dict[str, str],
) -> Scores:
    """A record with this format, version and tool; the other entries are as in `Scores`."""
    return Scores(FORMAT, VERSION, tool(), command, metrics, keys, methods, photos, protocol)


def scored_method(
    name: str,
    folder: str,
    digest: str,
    resampled: Mapping[str, Array],
    first: Mapping[str, Array],
    frames: Mapping[str, Array] | None = None,
) -> ScoredMethod:
    """A method with the intervals of its values and of its differences to the first method.

    Args:
        name, folder, digest: the method's name, and its pictures' folder and digest.
        resampled: by metric, the plain value and those of B resamples (1 + B,), or (1,) if nothing was resampled. A
            metric whose plain value is not finite is left out.
        first: the same for the first method. A metric for which it has no finite plain value gets no difference.
        frames: by metric, one value per frame, NaN where there is none. With fewer than two finite ones there is no
            interval: whatever is drawn, the mean is that of one frame.
    """
    few = {key for key, found in (frames or {}).items() if np.isfinite(found).sum() < 2}
    values, before = (
        {key: found[:1] if key in few else found for key, found in rows.items() if np.isfinite(found[0])}
        for rows in (resampled, first)
    )
    return ScoredMethod(
        name,
        folder,
        digest,
        {key: estimate(found) for key, found in values.items()},
        {key: estimate(found - before[key]) for key, found in values.items() if key in before},
        {key: tuple(float(x) if np.isfinite(x) else None for x in found) for key, found in (frames or {}).items()},
    )


def intervals(resamples: int, seed: int, unit: str = "frames") -> str:
    """How intervals were made, in words. The unit is what was resampled: "frames" or "steps"."""
    return f"{100 * LEVEL:g} %, {resamples} bootstrap resamples of {unit}, seed {seed}; photographs are held fixed"


def write(record: Scores, path: Path) -> None:
    """Write a record as a JSON file."""
    write_record(record, path)


def read(path: Path) -> Scores:
    """Read a record of eval.sets, content, control, segmentation or temporal.

    Raises:
        InputError: the file is not a record of this version; the message names the first entry that does not fit, and
            the command to run again.
    """
    return read_record(Scores, path, FORMAT, VERSION, "eval.sets")
