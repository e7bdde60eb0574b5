"""Reads and stores frames; those that cannot be read or stored are left out, and the user is told why.

All frames of a file have the same buffers, ids and size: those that most of its frames have, or that it already has.
If frames are stored as they come (`by_frame`), the first one decides. Frames that differ are left out.

Beside NAME.h5, NAME.json says what ids are called, if a source knows: {"textures": {ID: ...}} from captures, for
/ids/texture; {"ids/object": {ID: {"name": NAME}}} from cryptomattes, for the id map of that name.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, groupby
from pathlib import Path

from gbuffer_tools.errors import InputError, NotInstalledError, one_line
from gbuffer_tools.frame import CAMERAS, NUMBERS, Frame, check_frame
from gbuffer_tools.frame_file.writer import Appender, append_checked
from gbuffer_tools.io.atomic import write_text
from gbuffer_tools.io.text import read_json
from gbuffer_tools.pipeline.parallel import MapFunction
from gbuffer_tools.pipeline.plan import Work, frames_in
from gbuffer_tools.schema import Shard
from gbuffer_tools.source import Job, Names, SourceFrame

FrameLayout = Mapping[str, tuple[str, tuple[int, ...]]]
"""Path in the frame file -> element type and shape of a frame's row there."""


@dataclass(frozen=True)
class Refused:
    """A frame that cannot be made. `why` is one line that names its file."""

    why: str


@dataclass(frozen=True)
class Outcome:
    """What became of a frame: one line for the user, and whether the frame was refused."""

    line: str
    refused: bool = False


def by_frame(works: list[Work], each: MapFunction) -> Iterator[Outcome]:
    """Make frames from slow sources: they are read in parallel, and each is stored once those before it are."""
    tasks = [(work, job) for work in works for job in work.jobs]
    for work, results in groupby(zip(tasks, each(read, tasks), strict=True), key=lambda result: result[0][0]):
        layout = layout_in(work.path)
        with Appender(work.path, work.header) as file:
            for (_, job), result in results:
                made = fitting(result, job, work.path, layout) if isinstance(result, SourceFrame) else result
                if isinstance(made, SourceFrame):
                    # Names first, then the frame: the next run would skip a frame without names.
                    add_names(work.path, made.names)
                    file.add(made.frame)
                    layout = layout or layout_of(made.frame)
                yield outcome(work, job, made)


def by_file(works: list[Work], each: MapFunction) -> Iterator[Outcome]:
    """Make frames from fast sources: each process makes a whole frame file, so compression runs in parallel too."""
    for lines in each(make_file, works):
        yield from lines


def make_file(work: Work) -> list[Outcome]:
    """Add all missing frames of a frame file in one step; returns what became of each.

    A cluster may start this again if it has lost the answer, or lost a worker that is still running it.
    """
    there = frames_in(work.path)
    lines = [Outcome(f"{work.path.stem}/{job.frame}: there already") for job in work.jobs if job.frame in there]
    rest = replace(work, jobs=tuple(job for job in work.jobs if job.frame not in there))
    try:
        try:
            lines += _add_to_file(rest, layout_in(work.path))
        except _MixedError:  # nothing is stored yet
            lines += _add_to_file(rest, commonest_layout(rest))
    except InputError:
        if frames_in(work.path) == there:
            raise
        return make_file(work)  # the other run was faster
    return lines


def _add_to_file(work: Work, layout: FrameLayout) -> list[Outcome]:
    lines = list[Outcome]()
    frames = _frames(work, layout, lines)
    first = next(frames, None)
    if first is not None:
        append_checked(work.path, chain([first], frames), work.header)
    return lines


class _MixedError(Exception):
    """A frame does not fit the first one, which may be the odd one out."""


def _frames(work: Work, layout: FrameLayout, lines: list[Outcome]) -> Iterator[Frame]:
    """Yield the frames that can be made and fit together; then store their names, before the file gets its own name.

    Frames that lack something wait for those that do not, which decide what the file holds: otherwise a first frame
    without a camera would keep all others out. If all lack it, they are stored.

    Args:
        work: the file.
        layout: the one that frames must have; empty: that of the first.
        lines: receives what became of each frame.

    Raises:
        _MixedError: no layout is given, and frames that lack nothing have several.
    """
    given, names, waiting = bool(layout), dict[str, Names](), list[Job]()
    for job in chain(work.jobs, waiting):
        made = read((work, job))
        if isinstance(made, SourceFrame) and made.lacks and job not in waiting:
            waiting.append(job)
            continue
        if isinstance(made, SourceFrame):
            complete = not made.lacks
            made = fitting(made, job, work.path, layout)
            if isinstance(made, Refused) and complete and not given:
                raise _MixedError
        lines.append(outcome(work, job, made))
        if isinstance(made, SourceFrame):
            layout = layout or layout_of(made.frame)
            names |= {kind: {**names.get(kind, {}), **found} for kind, found in made.names.items()}
            yield made.frame
    add_names(work.path, names)


def commonest_layout(work: Work) -> FrameLayout:
    """The commonest layout of frames that lack nothing; in a tie, the one with the most parts.

    Reads all frames and keeps none.
    """
    made = (read((work, job)) for job in work.jobs)
    found = [layout_of(each.frame) for each in made if isinstance(each, SourceFrame) and not each.lacks]
    return max(found, key=lambda layout: (found.count(layout), len(layout)))


def read(task: tuple[Work, Job]) -> SourceFrame | Refused:
    """Read one frame and check it against the format's rules for single frames."""
    work, job = task
    try:
        made = work.source.read(job, work.info)
    except NotInstalledError:  # not the frame's fault
        raise
    except InputError as error:
        return Refused(str(error))
    try:
        check_frame(made.frame)
    except ValueError as error:
        return refused(f"{job.file}: {one_line(error)}")
    return made


def refused(why: str) -> Refused:
    """A refusal, with unprintable characters escaped."""
    return Refused(str(InputError(why)))


def outcome(work: Work, job: Job, made: SourceFrame | Refused) -> Outcome:
    """What to tell the user about a frame."""
    if isinstance(made, Refused):
        return Outcome(made.why, refused=True)
    return Outcome(f"{work.path.stem}/{job.frame}: {made.note}")


def fitting(made: SourceFrame, job: Job, path: Path, layout: FrameLayout) -> SourceFrame | Refused:
    """The frame, or a refusal if it does not fit the others in its file.

    Args:
        made: the frame.
        job: what it was made from.
        path: the file.
        layout: that of the frames in the file; empty if there are none.
    """
    mine = layout_of(made.frame)
    if not layout or mine == layout:
        return made
    lacks, adds = sorted(set(layout) - set(mine)), sorted(set(mine) - set(layout))
    parts = [f"{verb} {', '.join(keys)}" for verb, keys in (("lacks", lacks), ("adds", adds)) if keys]
    other = next((key for key in mine if key in layout and mine[key] != layout[key]), None)
    if not parts and other:
        (dtype, shape), (wanted, size) = mine[other], layout[other]
        parts = [f"{other} is {dtype} {shape}, wanted {wanted} {size}"]
    why = f"{made.lacks}; so it {' and '.join(parts)}" if made.lacks else " and ".join(parts)
    return refused(f"{job.file}: {why}, unlike the other frames of {path.name}; use another --out for such frames")


def layout_of(frame: Frame) -> FrameLayout:
    """The layout of a frame."""
    found = {"image": frame.image}
    found |= {f"buffers/{name}": array for name, array in frame.buffers.items()}
    found |= {f"ids/{name}": array for name, array in frame.ids.items()}
    numbers = [name for name in (*CAMERAS, *NUMBERS) if getattr(frame, name) is not None]
    return {key: (str(array.dtype), array.shape) for key, array in found.items()} | dict.fromkeys(numbers, ("", ()))


def layout_in(path: Path) -> FrameLayout:
    """The layout of a file's frames; empty if there is no file."""
    if not path.exists():
        return {}
    with Shard(path) as shard:
        numbers = [
            *(CAMERAS if shard.camera(0) else ()),
            *(name for name in NUMBERS if shard.number(name, 0) is not None),
        ]
        return shard.layout() | dict.fromkeys(numbers, ("", ()))


def names_beside(frames: Path) -> Path:
    """The JSON file that holds the names of a frame file's ids."""
    return frames.with_suffix(".json")


def add_names(frames: Path, names: Mapping[str, Names]) -> None:
    """Add the names of ids to the JSON file beside a frame file.

    Raises:
        InputError: the existing file is of another kind.
    """
    path = names_beside(frames)
    known = read_json(path) if path.exists() else {}
    if not isinstance(known, dict) or not all(isinstance(found, dict) for found in known.values()):
        raise InputError(f"{path}: holds no names of ids as extract writes them; move it elsewhere")
    found = {kind: {str(ident): dict(facts) for ident, facts in ids.items()} for kind, ids in names.items() if ids}
    merged = known | {kind: known.get(kind, {}) | ids for kind, ids in found.items()}
    if merged != known:
        text = json.dumps({kind: dict(sorted(ids.items())) for kind, ids in sorted(merged.items())}, indent=1)
        write_text(path, text + "\n")
