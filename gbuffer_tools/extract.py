"""Make frame files of what renderers write.

    python -m gbuffer_tools.extract captures --out frames

The kind of the files is found by looking at them (`--source` to force one). What is stored is stored whole, so the
same command goes on with what is missing after it was stopped, and ends in the same bits.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tqdm import tqdm

from gbuffer_tools.atomic import write_text
from gbuffer_tools.cluster import over
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.explain import explain
from gbuffer_tools.frame import Frame
from gbuffer_tools.parallel import Map
from gbuffer_tools.profiles import load, names
from gbuffer_tools.schema import Header, Shard, append
from gbuffer_tools.source import About, Job, Made, Options, Source
from gbuffer_tools.sources import SOURCES

TOOL = "gbuffer_tools.extract 1"
PER_FILE = 16


@dataclass(frozen=True)
class Work:
    """A frame file to make, or to complete.

    Attributes:
        source: name of the source.
        path: of the frame file.
        about: what its frames have in common.
        jobs: the frames that it lacks, in order.
        options: the user's.
    """

    source: str
    path: Path
    about: About
    jobs: tuple[Job, ...]
    options: Options

    @property
    def header(self) -> Header:
        """Of the frame file."""
        return Header(self.about.source, self.about.profile, self.about.classes, self.about.licence, TOOL)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gbuffer_tools.extract",
        description=__doc__.splitlines()[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="sources:\n" + "\n".join(f"  {s.name:13} {s.reads}" for s in SOURCES.values()),
    )
    parser.add_argument("sources", nargs="+", type=Path, metavar="SOURCE", help="files or folders of a renderer")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the frame files; needed but for --explain")
    parser.add_argument(
        "--source", choices=list(SOURCES), metavar="NAME", help="kind of the files (default: found out)"
    )
    parser.add_argument("--explain", action="store_true", help="list what captures (.rdc) hold, to write a profile by")
    parser.add_argument("--mapping", type=Path, metavar="FILE", help="what channels and ids mean (YAML)")
    parser.add_argument(
        "--profile", default="supertuxkart", metavar="NAME", help=f"game of captures: {', '.join(names())}, FILE.yaml"
    )
    parser.add_argument("--licence", metavar="TEXT", help="of the frames (default: the source's)")
    parser.add_argument("--per-file", type=int, default=PER_FILE, metavar="N", help="frames in a file (%(default)s)")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--jobs", type=int, default=cores, metavar="N", help="processes (one a core: %(default)s)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="work on a Dask cluster instead: tcp://host:8786")
    parser.add_argument("--patience", type=float, default=600, help="seconds to give up on a frame after (600)")
    return parser


def main(args: argparse.Namespace) -> None:
    """Find, plan, make what is missing."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end what was started, whoever stops us
    if args.explain:
        for path in args.sources:
            for line in explain(path, args.patience):
                print(line)
        return
    if args.out is None:
        raise InputError("--out is missing: the folder for the frame files")
    for name in ("jobs", "per_file"):
        if getattr(args, name) < 1:
            raise InputError(f"--{name.replace('_', '-')} {getattr(args, name)}: wanted 1 or more")
    if args.scheduler:  # its workers may run in other folders
        args.sources, args.out = [path.absolute() for path in args.sources], args.out.absolute()
        args.mapping = args.mapping and args.mapping.absolute()
        args.profile = load(args.profile).key
    options = Options(args.mapping, args.profile, args.licence, args.patience)
    jobs = find(args.sources, SOURCES[args.source] if args.source else None)
    works = [work for name in jobs for work in plan(SOURCES[name], jobs[name], args.out, args.per_file, options)]
    total, missing = sum(len(found) for found in jobs.values()), sum(len(work.jobs) for work in works)
    tqdm.write(f"{missing} of {total} frames to extract ({', '.join(jobs)})", file=sys.stderr)
    with tqdm(total=missing, unit="frame", smoothing=0.1) as bar:
        for name in jobs:
            mine = [work for work in works if work.source == name and work.jobs]
            if not mine:
                continue
            with SOURCES[name].ready(options), over(args.scheduler, args.jobs) as each:
                for line in (by_frame if SOURCES[name].stepwise else by_file)(mine, each):
                    bar.update()
                    tqdm.write(line)


def find(paths: list[Path], forced: Source | None) -> dict[str, list[Job]]:
    """The frames in what the user named, by the name of their source."""
    found: dict[str, list[Job]] = {}
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; wanted files of a renderer, see --help")
        for source in [forced] if forced else SOURCES.values():
            jobs = source.find(path)
            if jobs:
                found.setdefault(source.name, []).extend(jobs)
                break
        else:
            wanted = forced.reads if forced else "one of the sources that --help lists"
            raise InputError(f"{path}: holds nothing to extract; wanted {wanted}; --source NAME forces a kind")
    places = [(job.shard, job.frame) for jobs in found.values() for job in jobs]
    if len(set(places)) < len(places):
        twice = next(place for place in places if places.count(place) > 1)
        raise InputError(f"{'/'.join(twice)}: two of the sources would become this frame; rename one, or use two --out")
    return found


def plan(source: Source, jobs: list[Job], out: Path, per_file: int, options: Options) -> list[Work]:
    """Which file gets which of the missing frames: N at a time in the order of their names."""
    works = []
    for shard, group in groupby(sorted(jobs), key=lambda job: job.shard):
        mine = list(group)
        about = source.about(mine, options)
        paths = [out / f"{shard}{f'-{i:03d}' if i else ''}.h5" for i in range(-(-len(mine) // per_file))]
        # Frames may lie in another file than today's split would put them into: captures are added later.
        there = {name for path in paths for name in frames_in(path)}
        for i, path in enumerate(paths):
            missing = [job for job in mine[i * per_file : (i + 1) * per_file] if job.frame not in there]
            works.append(Work(source.name, path, about, tuple(missing), options))
    return works


def frames_in(path: Path) -> tuple[str, ...]:
    """Names of the frames that are there already."""
    if not path.exists():
        return ()
    with Shard(path) as shard:
        return shard.names


def by_frame(works: list[Work], each: Map) -> Iterator[str]:
    """Slow sources: frames are read in parallel, and each is stored when it and those before it are there."""
    tasks = [(work, job) for work in works for job in work.jobs]
    for (work, job), made in zip(tasks, each(read, tasks), strict=True):
        store(work, made)
        yield f"{work.path.stem}/{job.frame}: {made.note}"


def by_file(works: list[Work], each: Map) -> Iterator[str]:
    """Fast sources: a process makes a frame file at a time, so that compressing runs in parallel, too."""
    for lines in each(make_file, works):
        yield from lines


def read(task: tuple[Work, Job]) -> Made:
    """One frame."""
    work, job = task
    return SOURCES[work.source].read(job, work.about, work.options)


def make_file(work: Work) -> list[str]:
    """All missing frames of a frame file, added in one step; a line about each."""
    lines = []

    def frames() -> Iterator[Frame]:
        for job in work.jobs:
            made = read((work, job))
            lines.append(f"{work.path.stem}/{job.frame}: {made.note}")
            yield made.frame

    append(work.path, frames(), work.header)
    return lines


def store(work: Work, made: Made) -> None:
    """Add names, then the frame: a frame without names would be skipped by the next run."""
    path = work.path.with_suffix(".json")
    if made.names:
        names = json.loads(path.read_text(encoding="utf-8"))["textures"] if path.exists() else {}
        names |= {str(texture): facts for texture, facts in made.names.items()}
        write_text(path, json.dumps({"textures": dict(sorted(names.items()))}, indent=1) + "\n")
    append(work.path, [made.frame], work.header)


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
