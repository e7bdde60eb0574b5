"""The runner that eval.sets, content, segmentation, control and temporal share: options in, a record and a table out.

A command supplies one function that measures; everything around it (options, processes, intervals, the record, the
printed table) is here.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from datasets.images import Images
from datasets.runtime.device import device_of
from datasets.runtime.one_process import check_one_process
from epe.distributed.processes import ProcessGroup, process_group
from eval.digests import folder_digest
from eval.inputs import relative
from eval.metrics.bootstrap import draw_resamples
from eval.options import check_common
from eval.records import scores_record
from eval.records.scores_record import Metric, ScoredPhotos, Scores
from eval.reporting.wording import ends, number

Array = NDArray[np.float64]
Values = Mapping[str, Mapping[str, Array]]
"""Several values, by method and by the metric's key."""
PictureDigests = Mapping[str, bytes]
"""The digest of each picture of a folder, by key; see `eval.digests`."""


@dataclass(frozen=True)
class RealSide:
    """The photographs that methods are compared with.

    Attributes:
        images: the folder.
        pictures: digests of all photographs.
        values: their own means of single-picture metrics, by the metric's key.
    """

    images: Images
    pictures: PictureDigests
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """What a command measured.

    Attributes:
        metrics: rows of the record, in order.
        keys: what is resampled: F frames, or steps between frames.
        methods: folders by the method's name; the first is what the others are compared with.
        pictures: digests of each method's pictures.
        resampled: (1 + B,) the plain value and those of B resamples, or (1,) if nothing is resampled. A metric for
            which a method has no value may be absent.
        protocol: what the values depend on, in words.
        frames: (F,) one value per key, NaN where there is none; empty for metrics of whole sets.
        photos: the real side, if there is one.
        resampled_unit: what `keys` are, in words.
        heading: a line that is printed above the table; "" for none.
    """

    metrics: tuple[Metric, ...]
    keys: tuple[str, ...]
    methods: Mapping[str, Images]
    pictures: Mapping[str, PictureDigests]
    resampled: Values
    protocol: Mapping[str, str]
    frames: Values = field(default_factory=dict)
    photos: RealSide | None = None
    resampled_unit: str = "frames"
    heading: str = ""


Measure = Callable[[argparse.Namespace], Measured]
"""Options -> what was measured."""
SharedMeasure = Callable[[argparse.Namespace, ProcessGroup, str], Measured]
"""Options, the processes that share the work, and the device of this one -> what was measured."""


def run_measuring(command: str, args: argparse.Namespace, measure: Measure) -> None:
    """Measure in one process, write the record, print it as a table.

    Args:
        command: its name, such as "eval.content".
        args: its options.
        measure: what it does.

    Raises:
        InputError: torchrun started several processes, an option that makes no sense, or what `measure` raises.
    """
    check_one_process()
    check_common(args)
    device_of(getattr(args, "device", "cpu"))
    write(command, args, measure(args))


def run_shared(command: str, args: argparse.Namespace, measure: SharedMeasure) -> None:
    """Measure in all processes that torchrun started, which share the work; the first one writes the record and prints.

    Args:
        command: its name, such as "eval.sets".
        args: its options, with --device.
        measure: what it does.

    Raises:
        InputError: an option that makes no sense, or what `measure` raises.
    """
    check_common(args)
    device_of(args.device)
    with process_group(args.device) as (group, device):
        found = measure(args, group, device)
    if group.first:
        write(command, args, found)


def write(command: str, args: argparse.Namespace, found: Measured) -> None:
    """Write the record to --out, and print it."""
    record = record_of(command, args, found)
    scores_record.write(record, args.out)
    print(f"{found.heading}\n{table(record)}" if found.heading else table(record))


def resample(args: argparse.Namespace, count: int) -> Array:
    """(1 + B, count): how often each frame or step was drawn, by --resamples and --seed; row 0 is ones."""
    return draw_resamples(np.arange(count), count=args.resamples, seed=args.seed)


def record_of(command: str, args: argparse.Namespace, found: Measured) -> Scores:
    """The record of what was measured."""
    base, first = args.out.resolve().parent, next(iter(found.methods))
    rows = tuple(
        scores_record.scored_method(
            name,
            relative(images.folder, base),
            folder_digest(found.pictures[name]),
            found.resampled[name],
            found.resampled[first] if name != first else {},
            found.frames.get(name, {}),
        )
        for name, images in found.methods.items()
    )
    photos = None
    if real := found.photos:
        folder, digest = relative(real.images.folder, base), folder_digest(real.pictures)
        photos = ScoredPhotos(folder, len(real.images), digest, dict(real.values))
    intervals = scores_record.intervals(args.resamples, args.seed, found.resampled_unit)
    protocol = {**found.protocol, "intervals": intervals}
    return scores_record.new_scores(command, found.metrics, found.keys, rows, photos, protocol)


def table(found: Scores) -> str:
    """A record as plain text: a row per metric, a column per method, intervals in brackets.

    For class colours, only the size of the change is shown; the record and the report have the rest.
    """
    real = found.photos.values if found.photos else {}
    rows = [["", *(method.name for method in found.methods), *(["photographs"] if real else [])]]
    for metric in found.metrics:
        if (parts := scores_record.class_colour(metric.key)) and parts[1] != "dE":
            continue
        values = (method.values.get(metric.key) for method in found.methods)
        cells = ["–" if value is None else f"{number(value.value)}{_brackets(ends(value))}" for value in values]
        if real:
            cells.append(number(real[metric.key]) if metric.key in real else "–")
        rows.append([metric.name, *cells])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _brackets(interval: str) -> str:
    return "" if interval == "no interval" else f" ({interval})"
