"""Make frame files from what renderers write.

    python -m gbuffer_tools.extract captures --out frames

The kind of the files is detected from the files; `--source` forces one. Files and frames are stored whole or not at
all, so after an interruption the same command continues with what is missing and ends with the same bits. A frame that
cannot be made is left out and reported, at once and again at the end; the exit code is then 2, and the same command
tries the frame again.
"""

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.exr.mapped_source import ExrSource
from gbuffer_tools.io.atomic import clear
from gbuffer_tools.io.folders import check_folder
from gbuffer_tools.mapping.schema import NOTHING_SAID, Mapping, read_mapping
from gbuffer_tools.pipeline.find import find
from gbuffer_tools.pipeline.parallel import MapFunction, cores
from gbuffer_tools.profiles import load, names
from gbuffer_tools.source import Job, Source
from gbuffer_tools.sources import SOURCES
from gbuffer_tools.sources.carla import CarlaSource
from gbuffer_tools.sources.renderdoc import SOURCE as CAPTURES
from gbuffer_tools.sources.renderdoc import CaptureSource

if TYPE_CHECKING:
    from gbuffer_tools.pipeline.make_frames import Outcome
    from gbuffer_tools.pipeline.plan import Work

PROG = "python -m gbuffer_tools.extract"
PER_FILE = 16


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROG,
        description=__doc__.splitlines()[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="sources:\n" + "\n".join(f"  {s.name:13} {s.reads}" for s in SOURCES.values()),
    )
    parser.add_argument("sources", nargs="+", type=Path, metavar="SOURCE", help="files or folders of a renderer")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for the frame files; required unless --explain is given"
    )
    parser.add_argument(
        "--source", choices=list(SOURCES), metavar="NAME", help="kind of the files (default: found by looking at them)"
    )
    parser.add_argument("--explain", action="store_true", help="list what captures (.rdc) hold, for writing a profile")
    parser.add_argument("--mapping", type=Path, metavar="FILE", help="YAML file that says what channels and ids mean")
    parser.add_argument(
        "--layer",
        metavar="NAME",
        help="view layer, or eye, of EXR files with several (default: the fullest, the main)",
    )
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help=f"game of captures: {', '.join(names())}, FILE.yaml (default: {CAPTURES.profile.name})",
    )
    parser.add_argument(
        "--carla", default="", metavar="VERSION", help="CARLA's version, which decides what tags and normals mean"
    )
    parser.add_argument("--licence", metavar="TEXT", help="licence of the frames (default: the source's)")
    parser.add_argument("--per-file", type=int, default=PER_FILE, metavar="N", help="frames per file (%(default)s)")
    parser.add_argument(
        "--jobs", type=int, default=cores(), metavar="N", help="number of processes (one per core: %(default)s)"
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help="run on a Dask cluster instead: tcp://host:8786")
    parser.add_argument(
        "--patience", type=float, help=f"give up on a capture after so many seconds ({CAPTURES.patience:g})"
    )
    return parser


def main(args: argparse.Namespace) -> int:
    """Find frames, plan, and make what is missing; the exit code is 2 if frames were left out."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop what we started, whoever stops us
    if args.explain:
        check_only_explained(args)
        from gbuffer_tools.renderdoc.explain import explain

        for path in args.sources:
            for line in explain(path, CAPTURES.patience if args.patience is None else args.patience):
                print(line)
        return 0
    if args.out is None:
        raise InputError("--out is missing: the folder for the frame files")
    for name in ("jobs", "per_file"):
        if getattr(args, name) < 1:
            raise InputError(f"--{name.replace('_', '-')} {getattr(args, name)}: wanted 1 or more")
    check_folder(args.out)
    from gbuffer_tools.pipeline.cluster import over

    if args.scheduler:  # its workers may run in other folders
        args.sources, args.out = [path.absolute() for path in args.sources], args.out.absolute()
    mapping = read_mapping(args.mapping) if args.mapping else None
    found, left = find(args.sources, SOURCES[args.source] if args.source else None)
    for line in left:
        print(InputError(line), file=sys.stderr)
    jobs = [(configured(SOURCES[name], args, mapping), mine) for name, mine in found.items()]
    refused = extract(jobs, args.out, args.per_file, args.licence, lambda: over(args.scheduler, args.jobs))
    if refused:
        total = sum(len(mine) for _, mine in jobs)
        print(f"{PROG}: {len(refused)} of {total} frames refused; the same command tries them again:", file=sys.stderr)
        print("\n".join(refused), file=sys.stderr)
    return 2 if refused else 0


def check_only_explained(args: argparse.Namespace) -> None:
    """Raises `InputError` if an option was given that --explain would silently ignore; --patience is not one."""
    for name in ("out", "source", "mapping", "layer", "profile", "carla", "licence", "scheduler"):
        if value := getattr(args, name):
            raise InputError(f"--{name} {value}: has no effect on --explain, which reads captures alone; leave it out")


def configured(source: Source, args: argparse.Namespace, mapping: Mapping | None) -> Source:
    """A source with the options that it needs from the user.

    Raises:
        InputError: there is no such profile; or an option was given to a source that would silently ignore it.
    """
    if args.carla and not isinstance(source, CarlaSource):
        raise InputError(f"--carla {args.carla}: these are files of {source.name}; leave --carla out")
    for name in ("profile", "patience"):
        value = getattr(args, name)
        if value is not None and not isinstance(source, CaptureSource):
            raise InputError(f"--{name} {value}: these are files of {source.name}; leave --{name} out")
    if isinstance(source, ExrSource):
        return replace(source, mapping=mapping or NOTHING_SAID, layer=args.layer or "")
    if args.layer:
        raise InputError(f"--layer {args.layer}: the source {source.name} has no layers; leave --layer out")
    if mapping is not None:
        raise InputError(f"{args.mapping}: the source {source.name} takes no mapping; leave --mapping out")
    if isinstance(source, CarlaSource):
        return replace(source, version=args.carla)
    if isinstance(source, CaptureSource):
        profile = source.profile if args.profile is None else load(args.profile)
        return replace(source, profile=profile, patience=source.patience if args.patience is None else args.patience)
    return source


def extract(
    jobs: list[tuple[Source, list[Job]]],
    out: Path,
    per_file: int,
    licence: str | None,
    workers: Callable[[], AbstractContextManager[MapFunction]],
) -> list[str]:
    """Make the frames that are missing, and report each to the user.

    Args:
        jobs: sources, and the frames to make from each.
        out: folder for the frame files.
        per_file: frames per file.
        licence: of the frames, as the user states it; None: what the sources know.
        workers: who does the work.

    Returns:
        Why frames were left out, one line each.

    Raises:
        InputError: all are left out for one reason, or frames do not fit into files (gbuffer_tools.pipeline.plan).
    """
    from gbuffer_tools.pipeline.make_frames import names_beside
    from gbuffer_tools.pipeline.plan import check_apart, plan

    plans = [plan(source, mine, out, per_file, licence) for source, mine in jobs]
    works, refused = [work for more, _ in plans for work in more], [line for _, more in plans for line in more]
    if not works and len(set(refused)) == 1:  # the same for all frames
        raise InputError(refused[0])
    check_apart(works)
    total, missing = sum(len(mine) for _, mine in jobs), sum(len(work.jobs) for work in works)
    names = ", ".join(source.name for source, _ in jobs)
    tqdm.write(f"{missing} of {total} frames to extract ({names})", file=sys.stderr)
    for line in refused:
        tqdm.write(f"refused: {line}", file=sys.stderr)
    with tqdm(total=missing, unit="frame", smoothing=0.1) as bar:
        for found in make(works, workers):
            bar.update()
            refused += [found.line] if found.refused else []
            tqdm.write(f"refused: {found.line}" if found.refused else found.line, sys.stderr if found.refused else None)
    clear(path for work in works for path in (work.path, names_beside(work.path)))
    return refused


def make(works: "list[Work]", workers: Callable[[], AbstractContextManager[MapFunction]]) -> "Iterator[Outcome]":
    """Make the missing frames, source by source; yields what became of each."""
    from gbuffer_tools.pipeline.make_frames import by_file, by_frame

    for _, group in groupby(works, key=lambda work: work.source.name):
        mine = [work for work in group if work.jobs]
        if mine:
            source = mine[0].source
            with source.ready(), workers() as each:
                yield from (by_frame if source.stepwise else by_file)(mine, each)


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
