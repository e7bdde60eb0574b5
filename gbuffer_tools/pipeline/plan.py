"""Which frame files a run of `extract` makes or completes, and from which frames.

A shard's frames are split into files of N in time order, whether or not they exist already or can be read. So a frame
that was missing or damaged and is made later goes into the file where it belongs, behind the frames already in it.
"""

import re
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import HEADER_TEXTS, MAX_CLASSES, Header
from gbuffer_tools.frame_file.hdf5 import MAX_TEXT
from gbuffer_tools.frame_file.writer import check_equal_headers
from gbuffer_tools.io.folders import in_time
from gbuffer_tools.schema import Shard
from gbuffer_tools.source import Job, ShardInfo, Source

TOOL = "gbuffer_tools.extract 1"


@dataclass(frozen=True)
class Work:
    """A frame file to make, or to complete.

    Attributes:
        source: where its frames come from.
        path: the frame file.
        info: what its frames have in common.
        jobs: the frames that it lacks, in order.
    """

    source: Source
    path: Path
    info: ShardInfo
    jobs: tuple[Job, ...]

    @property
    def header(self) -> Header:
        """The header of the frame file."""
        return Header(self.info.source, self.info.profile, self.info.classes, self.info.licence, TOOL)


def plan(
    source: Source, jobs: list[Job], out: Path, per_file: int, licence: str | None = None
) -> tuple[list[Work], list[str]]:
    """The files that frames go to, complete ones included; and why frames are left out, one line each.

    Args:
        source: where the frames come from.
        jobs: the frames.
        out: folder for the frame files.
        per_file: frames in a file.
        licence: that of the frames, as the user states it; None: what the source knows.

    Raises:
        InputError: frames that do not belong together, a header that no file can hold, an existing frame file that
            cannot be read, or a frame that would be stored twice.
    """
    works, refused = list[Work](), list[str]()
    firsts = {out / f"{job.shard}.h5" for job in jobs}
    for shard, group in groupby(sorted(jobs, key=_in_time), key=lambda job: job.shard):
        mine = list(group)
        paths = [out / f"{shard}{f'-{i:03d}' if i else ''}.h5" for i in range(-(-len(mine) // per_file))]
        # Frames may be in another file than today's split would put them in: captures are added later.
        held = {path: _names_and_header(path) for path in paths if path.exists()}
        there = {name for names, _ in held.values() for name in names}
        info, bad = judged(source, mine)
        refused += [why for job, why in bad.items() if job.frame not in there]
        if info is None:
            continue
        info = replace(info, licence=licence or info.licence)
        for i, path in enumerate(paths):
            wanted = mine[i * per_file : (i + 1) * per_file]
            missing = tuple(job for job in wanted if job.frame not in there and job not in bad)
            works.append(Work(source, path, info, missing))
        check_once([work for work in works if work.path in paths], out / f"{shard}.h5", firsts)
        check_header(works[-1].header, mine[0].file)
        for path, (_, found) in held.items():
            check_equal_headers(path, found, works[-1].header)
    return works, refused


def _in_time(job: Job) -> tuple[object, ...]:
    return in_time(job.shard), in_time(job.frame)


def judged(source: Source, jobs: list[Job]) -> tuple[ShardInfo | None, dict[Job, str]]:
    """What frames have in common, None if all are refused; and the refused frames, with the reason."""
    try:
        return source.shard_info(jobs), {}
    except InputError:
        bad = {job: why for job in jobs if (why := _refusal(source, job))}
    good = [job for job in jobs if job not in bad]
    return source.shard_info(good) if good else None, bad


def _refusal(source: Source, job: Job) -> str:
    try:
        source.shard_info([job])
    except InputError as error:
        return str(error)
    return ""


def check_header(header: Header, file: Path) -> None:
    """Raises `InputError`, which names `file`, if a header could not be stored and read back."""
    texts = [(key, getattr(header, key)) for key in HEADER_TEXTS] + [("a class", name) for name in header.classes]
    for what, text in texts:
        if len(text) > MAX_TEXT or any(c == "\0" or 0xD800 <= ord(c) < 0xE000 for c in text):
            raise InputError(f"{file}: {what} is {text[:60]!r}, wanted plain text of at most {MAX_TEXT} characters")
    if len(header.classes) > MAX_CLASSES:
        raise InputError(f"{file}: {len(header.classes)} classes, wanted at most {MAX_CLASSES}")


def check_apart(works: list[Work]) -> None:
    """Raises `InputError` if two sets of frames would go into one file, as shot-001 and the second file of shot do."""
    paths = [work.path for work in works]
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise InputError(f"{twice}: would hold frames of two folders or sources; use two --out, or a larger --per-file")


def check_once(works: list[Work], first: Path, firsts: set[Path]) -> None:
    """Raises `InputError` if a frame to make is in a file of its shard that today's split does not have.

    Such a file was made with a smaller --per-file, or from more frames than there are now.

    Args:
        works: the shard's.
        first: its first file.
        firsts: the first files of all shards, whose names may look like those of a shard's later files.
    """
    numbered = re.compile(re.escape(first.stem) + "-[0-9]{3,}")
    beyond = {path for path in first.parent.glob("*.h5") if numbered.fullmatch(path.stem)} - firsts
    missing = {job.frame: work.path for work in works for job in work.jobs}
    for path in sorted(beyond - {work.path for work in works}) if missing else ():
        if twice := next((name for name in frames_in(path) if name in missing), None):
            raise InputError(
                f"{path}: holds frame {twice!r} already, which would now be stored in {missing[twice].name}, too; give "
                "the --per-file that the file was made with, or choose another --out"
            )


def frames_in(path: Path) -> tuple[str, ...]:
    """Names of the frames in a file; none if there is no file."""
    return _names_and_header(path)[0] if path.exists() else ()


def _names_and_header(path: Path) -> tuple[tuple[str, ...], Header]:
    with Shard(path) as shard:
        return shard.names, shard.header
