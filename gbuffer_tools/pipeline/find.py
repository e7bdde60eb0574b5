"""Which source reads what the user named, and what no source reads.

The first source that finds frames in a folder takes it. One folder may hold EXR files of several kinds, so all EXR
sources look at it; for files that none of them takes, the general one says what is wrong.
"""

from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from gbuffer_tools.errors import InputError
from gbuffer_tools.exr.mapped_source import ExrSource
from gbuffer_tools.io.folders import Walk, counted, named
from gbuffer_tools.source import Job, Source
from gbuffer_tools.sources import SOURCES


def find(paths: list[Path], forced: Source | None) -> tuple[dict[str, list[Job]], list[str]]:
    """The frames in what the user named, by the name of their source; and what is left out, one line each.

    Args:
        paths: files and folders.
        forced: the only source to try; None: all.

    Raises:
        InputError: a path does not exist or holds nothing to extract, or two frames would become one.
    """
    found, left = dict[str, list[Job]](), list[str]()
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; wanted files of a renderer, see --help")
        there = named(path)
        mine = _frames(there, [forced] if forced else list(SOURCES.values()))
        if not mine:
            what = f", but {counted(there.files, there.folder)}" if there.files and not there.alone else ""
            wanted = forced.reads if forced else "one of the sources that --help lists"
            raise InputError(f"{path}: holds nothing to extract{what}; wanted {wanted}; --source NAME forces a kind")
        why = f"in no frame of {' and '.join(mine)}, as which this was read"
        left += there.left_out(_used(there, mine), why if forced else f"{why}; --source NAME forces another kind")
        for name, jobs in mine.items():
            found.setdefault(name, []).extend(jobs)
    check_names([job for jobs in found.values() for job in jobs])
    return found, left


def check_names(jobs: list[Job]) -> None:
    """Raises `InputError` if two frames would have the same name in the same file."""
    known = dict[tuple[str, str], Job]()
    for job in jobs:
        first = known.setdefault((job.shard, job.frame), job)
        if first is not job and first.file.resolve() == job.file.resolve():
            raise InputError(f"{job.file}: would become the frame {job.shard}/{job.frame} twice; name it once")
        if first is not job:
            raise InputError(
                f"{job.file}: would become the frame {job.shard}/{job.frame}, as {first.file} does; rename one, or "
                "extract them one by one, each with an --out of its own"
            )


def _frames(there: Walk, sources: list[Source]) -> dict[str, list[Job]]:
    """The frames of the first source that finds any; if that is an EXR source, those of all EXR sources."""
    found: dict[str, list[Job]] = {}
    for source in sources:
        if found and not isinstance(source, ExrSource):
            continue
        taken = {file for jobs in found.values() for job in jobs for file in job.files}
        shards = {job.shard for jobs in found.values() for job in jobs}
        mine = [job for job in source.find(there) if taken.isdisjoint(job.files)]
        if mine:
            # Frames in one file have the same buffers; frames from different renderers seldom do.
            found[source.name] = [
                replace(job, shard=f"{job.shard}-{source.name}") if job.shard in shards else job for job in mine
            ]
            if not isinstance(source, ExrSource):
                break
    return found


def _used(there: Walk, found: dict[str, list[Job]]) -> Iterable[Path]:
    """The files of a walk that frames are made from, or that their sources know."""
    jobs = [job for mine in found.values() for job in mine]
    # Paths in a list are relative to the list.
    known = {path for job in jobs for file in job.files for path in (file, job.file.parent / file)}
    patterns = [pattern for name in found for pattern in SOURCES[name].beside]
    for file in there.files:
        if file in known or any(fnmatchcase(file.name, pattern) for pattern in patterns):
            yield file
