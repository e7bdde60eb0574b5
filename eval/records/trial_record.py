"""The record of eval.trial: what measures say about pictures for which the answer is known.

    format, version   "trial", 1
    tool              name and version of this project
    metrics           the measures: key, name, which side is better, what each is; keys as in the commands' records
    photographs       the reference: folder, pictures, digest, and by feature space effective rank and sparseness
    degraded          the pictures that were degraded; null if none were
    degradations      per kind, its strengths (0 first), and by the metrics' keys
        values        {value, low, high} at each strength
        differences   {value, low, high} of the value at each strength minus that at 0, from the same resamples
        spearman      {value, low, high} between strength and value, where more is worse
        kendall       likewise, without interval
        frames        how many frames the sign of the difference at the middle strength needs; null: more than half
    orders            per order, both sides, whether frames are paired, and by the metrics' keys
        better, worse {value, low, high} of either side
        difference    {value, low, high} worse minus better, so above 0 the order is kept
        frames        as above, of the difference's sign
    protocol          what the numbers depend on, in words

If a measure has no value, its key is absent.
"""

from dataclasses import dataclass
from pathlib import Path

from eval.records.dataclass_json import read_record, tool, write_record
from eval.records.estimate import Estimate
from eval.records.scores_record import Metric

FORMAT, VERSION = "trial", 1
COMMAND = "eval.trial"


@dataclass(frozen=True)
class TrialPictures:
    """A folder of pictures: its name in the trial, where it is, how many pictures there are, and their digest."""

    name: str
    folder: str
    images: int
    digest: str


@dataclass(frozen=True)
class FeatureSpace:
    """What the photographs are like in one feature space (`eval.trials.reference_set`).

    Attributes:
        name: the features' name.
        effective_rank: in how many directions they vary.
        sparseness: how far the k-th neighbour is, relative to any other one.
    """

    name: str
    effective_rank: float
    sparseness: float


@dataclass(frozen=True)
class DegradationResult:
    """What measures say about one kind of degradation; the module says what the entries are."""

    name: str
    what: str
    strengths: tuple[float, ...]
    values: dict[str, tuple[Estimate, ...]]
    differences: dict[str, tuple[Estimate, ...]]
    spearman: dict[str, Estimate]
    kendall: dict[str, float]
    frames: dict[str, int | None]


@dataclass(frozen=True)
class OrderResult:
    """What measures say about one known order; the module says what the entries are."""

    better_pictures: TrialPictures
    worse_pictures: TrialPictures
    paired: bool
    better: dict[str, Estimate]
    worse: dict[str, Estimate]
    difference: dict[str, Estimate]
    frames: dict[str, int | None]


@dataclass(frozen=True)
class TrialRecord:
    """Everything that one trial found; the module says what the entries are."""

    format: str
    version: int
    tool: str
    metrics: tuple[Metric, ...]
    photographs: TrialPictures
    spaces: tuple[FeatureSpace, ...]
    degraded: TrialPictures | None
    degradations: tuple[DegradationResult, ...]
    orders: tuple[OrderResult, ...]
    trusted_from: float
    protocol: dict[str, str]


def new_trial(
    metrics: tuple[Metric, ...],
    photographs: TrialPictures,
    spaces: tuple[FeatureSpace, ...],
    degraded: TrialPictures | None,
    degradations: tuple[DegradationResult, ...],
    orders: tuple[OrderResult, ...],
    trusted_from: float,
    protocol: dict[str, str],
) -> TrialRecord:
    """A record with this format, version and tool; the other entries are as in `TrialRecord`."""
    return TrialRecord(
        FORMAT, VERSION, tool(), metrics, photographs, spaces, degraded, degradations, orders, trusted_from, protocol
    )


def write(record: TrialRecord, path: Path) -> None:
    """Write a record as a JSON file."""
    write_record(record, path)


def read(path: Path) -> TrialRecord:
    """Read a record of eval.trial.

    Raises:
        InputError: the file is not a record of this version; the message names the first entry that does not fit.
    """
    return read_record(TrialRecord, path, FORMAT, VERSION, COMMAND)
