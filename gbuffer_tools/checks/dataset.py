"""What can be wrong between the files of a data set, and with the order of their frames."""

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from gbuffer_tools.checks.frame import Finding, NormalAngle
from gbuffer_tools.checks.hud import Overlay

Value = TypeVar("Value", bound=Hashable)

MIN_NUMBERED = 4
"""Frames needed to tell the step between their numbers."""
MAX_NAMED = 8


@dataclass(frozen=True)
class Summary:
    """What `check` measured of one file.

    Attributes:
        file: its path.
        frames: how many.
        size: WIDTHxHEIGHT; "-" if the file cannot be read.
        buffers: their names, sorted.
        classes: how many.
        class_names: by class id.
        relight: the frames' lowest correlation, None if the file has none.
        constants: lines about buffers that have only one value.
        normal_angle: between the normal and that of the depth, None if the file lacks what it needs.
        overlay: a HUD, None if none was seen.
        images: frame -> digest of its image.
        findings, notes: how many.
    """

    file: str
    frames: int = 0
    size: str = "-"
    buffers: tuple[str, ...] = ()
    classes: int = 0
    class_names: tuple[str, ...] = ()
    relight: float | None = None
    constants: tuple[str, ...] = ()
    normal_angle: NormalAngle | None = None
    overlay: Overlay | None = None
    images: Mapping[str, str] = field(default_factory=dict)
    findings: int = 0
    notes: int = 0


def differences(summaries: Iterable[Summary]) -> Iterator[Finding]:
    """Findings about files that differ from most others in their folder in size, buffers or class list."""
    folders: dict[Path, list[Summary]] = defaultdict(list)
    for summary in summaries:
        if summary.frames:
            folders[Path(summary.file).parent].append(summary)
    for members in folders.values():
        size = usual([s.size for s in members])
        for s in members:
            if s.size != size:
                yield Finding(s.file, "", f"frames are {s.size}, in most files of the folder {size}")
        yield from odd_lists("buffers", {s.file: s.buffers for s in members})
        yield from odd_lists("classes", {s.file: s.class_names for s in members})


def odd_lists(what: str, lists: Mapping[str, tuple[str, ...]]) -> Iterator[Finding]:
    """Findings about files whose list of names differs from that of most files."""
    common = usual(list(lists.values()))
    for file, mine in lists.items():
        if mine == common:
            continue
        lacks, adds = sorted(set(common) - set(mine)), sorted(set(mine) - set(common))
        parts = [f"{verb} {some(names)}" for verb, names in (("lacks", lacks), ("adds", adds)) if names]
        yield Finding(file, "", f"{what} differ from most files of the folder: {', '.join(parts) or 'another order'}")


def duplicates(summaries: Iterable[Summary]) -> Iterator[Finding]:
    """Findings about frames that repeat the image of an earlier frame, in this or another file."""
    first: dict[str, str] = {}
    for summary in summaries:
        for frame, digest in summary.images.items():
            place = f"{summary.file}/{frame}"
            if first.setdefault(digest, place) != place:
                yield Finding(summary.file, frame, f"image is the same as that of {first[digest]}")


def gaps(summaries: Iterable[Summary]) -> Iterator[Finding]:
    """Notes on gaps in frame numbers, if most steps are equal and all are multiples of that step.

    They are notes, not findings: frames may be left out on purpose. NAME.h5, NAME-001.h5, … are one row of frames.
    """
    rows: dict[str, list[Summary]] = defaultdict(list)
    for summary in summaries:
        path = Path(summary.file)
        rows[str(path.with_name(re.sub(r"-\d{3,}$", "", path.stem)))].append(summary)
    for row in rows.values():
        matches = [re.fullmatch(r"(.*?)([0-9]+)", frame) for summary in row for frame in summary.images]
        named = [(match[1], int(match[2]), len(match[2])) for match in matches if match]
        for prefix in sorted({name for name, _, _ in named}):
            missing, step = missing_numbers(sorted({number for name, number, _ in named if name == prefix}))
            if missing:
                digits = min(length for name, _, length in named if name == prefix)
                names = some([f"{prefix}{number:0{digits}d}" for number in missing])
                yield Finding(row[0].file, "", f"missing in a row with steps of {step}: {names}")


def missing_numbers(numbers: list[int]) -> tuple[list[int], int]:
    """The numbers missing from a row (sorted, without repetition), and its step; none if it has no regular step."""
    if len(numbers) < MIN_NUMBERED:
        return [], 0
    steps = [after - before for before, after in pairwise(numbers)]
    step, count = Counter(steps).most_common(1)[0]
    # If more are missing than present, it is not a row with gaps. (And the list might be long.)
    absent = (numbers[-1] - numbers[0]) // step + 1 - len(numbers)
    if 2 * count < len(steps) or any(other % step for other in steps) or absent > len(numbers):
        return [], 0
    return sorted(set(range(numbers[0], numbers[-1], step)) - set(numbers)), step


def usual(values: list[Value]) -> Value:
    """The most frequent value; in a tie, the first."""
    return Counter(values).most_common(1)[0][0]


def some(names: list[str]) -> str:
    """The first few names as text, and how many more there are."""
    return ", ".join(names[:MAX_NAMED]) + (f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else "")
