"""The record of all measures but sKVD: values of methods on the same frames, with intervals, as JSON.

    format, version   "scores", 1
    tool, command     name and version of this project, and the command that measured
    metrics           per measure: key, name, which side is better, what it is
    keys              the frames that were judged
    methods           per method: name, folder, digest of its pictures, and by the measures' keys
        values        {value, low, high}
        differences   {value, low, high} of the value less the first method's, from the same resamples
        frames        per frame in the order of `keys`, null where a frame has none
    photos            the real side, where there is one, and its own values
    protocol          what the numbers depend on, in words

A measure that a method has no value for is absent there: the render is not compared with itself.
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


@dataclass(frozen=True)
class Metric:
    """A measure.

    Attributes:
        key: short, for columns of files.
        name: as papers write it.
        better: "lower" or "higher"; "" where neither is.
        what: one sentence.
    """

    key: str
    name: str
    better: str
    what: str


@dataclass(frozen=True)
class ScoredMethod:
    """One set of pictures of the frames, and what was measured of it."""

    name: str
    folder: str
    digest: str
    values: dict[str, Estimate]
    differences: dict[str, Estimate]
    frames: dict[str, tuple[float | None, ...]]


@dataclass(frozen=True)
class ScoredPhotos:
    """The real side.

    Attributes:
        folder: where the photographs lie; how many `images`, and their `digest`.
        values: their own means of measures that look at one picture alone.
    """

    folder: str
    images: int
    digest: str
    values: dict[str, float]


@dataclass(frozen=True)
class Scores:
    """All that one command measured."""

    format: str
    version: int
    tool: str
    command: str
    metrics: tuple[Metric, ...]
    keys: tuple[str, ...]
    methods: tuple[ScoredMethod, ...]
    photos: ScoredPhotos | None
    protocol: dict[str, str]


def new_scores(
    command: str,
    metrics: tuple[Metric, ...],
    keys: tuple[str, ...],
    methods: tuple[ScoredMethod, ...],
    photos: ScoredPhotos | None,
    protocol: dict[str, str],
) -> Scores:
    """A record of this version of the project."""
    return Scores(FORMAT, VERSION, tool(), command, metrics, keys, methods, photos, protocol)


def scored_method(
    name: str,
    folder: str,
    digest: str,
    resampled: Mapping[str, Array],
    first: Mapping[str, Array],
    frames: Mapping[str, Array] | None = None,
) -> ScoredMethod:
    """A method's values out of resamples.

    Args:
        name, folder, digest: of the method.
        resampled: by metric, (1 + B,) the plain value and the resampled ones, or (1,) where nothing was resampled. A
            plain value that is not finite is none.
        first: the same of the method that differences are taken from; what it lacks, or has no finite plain value of,
            has no difference.
        frames: by measure, one value per frame. Fewer than two finite ones make no interval: whatever is drawn, the
            mean is that of one frame.
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
    """How intervals were made, in words; `unit` says what was resampled."""
    return f"{100 * LEVEL:g} %, {resamples} bootstrap resamples of {unit}, seed {seed}; photographs are held fixed"


def write(record: Scores, path: Path) -> None:
    """Write a record as JSON."""
    write_record(record, path)


def read(path: Path) -> Scores:
    """Read a record.

    Raises:
        InputError: not a record of this version; names the first entry that does not fit.
    """
    return read_record(Scores, path, FORMAT, VERSION, "eval.sets")
