"""Make frames of towns: streets with houses, traffic and people, planned from a seed and rendered by Blender's Cycles.

    python -m gbuffer_tools.town --out town --seed 1 --frames 300

Each seed is one town and one frame file; a camera drives through it for 30 seconds. Existing frames are not rendered
again: after an interruption the same command continues. Motion is relative to the previous frame, `--every` ticks
earlier.
"""

import argparse
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from tqdm import tqdm

from gbuffer_tools.command import parse_size, run
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import MAX_SIDE
from gbuffer_tools.io.atomic import clear
from gbuffer_tools.io.folders import check_folder
from gbuffer_tools.pipeline.parallel import cores
from gbuffer_tools.streets.plan import DRIVE
from gbuffer_tools.streets.rendering import RenderSettings, add_frames, file_of, missing

PROG = "python -m gbuffer_tools.town"
BLENDER = Path(".venv-blender/bin/python")
MAX_SEED = 9999


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROG, description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the frame files")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="the first town; others follow (%(default)s)")
    parser.add_argument("--frames", type=int, default=25, metavar="N", help="number of frames in all (%(default)s)")
    parser.add_argument("--per-town", type=int, default=25, metavar="N", help="frames of each town (%(default)s)")
    parser.add_argument(
        "--every", type=int, default=30, metavar="TICKS", help="between frames, in 1/30 s; 1: a sequence (%(default)s)"
    )
    parser.add_argument("--size", default="480x360", metavar="WxH", help="of the frames, pixels (%(default)s)")
    parser.add_argument("--samples", type=int, default=4, metavar="N", help="rays per pixel (%(default)s)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="towns at a time, which share the cores (1)")
    parser.add_argument(
        "--blender", type=Path, default=BLENDER, metavar="PYTHON", help="interpreter that has bpy (%(default)s)"
    )
    return parser


def main(args: argparse.Namespace) -> None:
    """Plan which frames are missing, and render them town by town."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop the workers, whoever stops us
    check(args)
    height, width = parse_size(args.size, "--size", (16, MAX_SIDE))
    settings = RenderSettings(args.blender, (width, height), args.samples, args.every, max(cores() // args.jobs, 1))
    wanted = plan(args.seed, args.frames, args.per_town, args.every)
    todo = {seed: missing(file_of(args.out, seed), seed, ticks, settings) for seed, ticks in wanted.items()}
    print(f"{sum(map(len, todo.values()))} of {args.frames} frames of {len(wanted)} towns to render", file=sys.stderr)
    lock = Lock()
    with tqdm(total=sum(map(len, todo.values())), unit="frame", smoothing=0.1) as bar:

        def town(seed: int) -> None:
            for _ in add_frames(file_of(args.out, seed), seed, todo[seed], settings):
                with lock:
                    bar.update()

        with ThreadPoolExecutor(args.jobs) as threads:
            try:
                list(threads.map(town, [seed for seed, ticks in todo.items() if ticks]))
            except BaseException:
                threads.shutdown(cancel_futures=True)
                raise
    clear(file_of(args.out, seed) for seed in wanted)


def check(args: argparse.Namespace) -> None:
    """Raises `InputError` if an option is out of range, or --out is not a folder."""
    check_folder(args.out)
    for name in ("frames", "per_town", "every", "samples", "jobs"):
        if getattr(args, name) < 1:
            raise InputError(f"--{name.replace('_', '-')} {getattr(args, name)}: wanted 1 or more")
    if args.per_town * args.every > DRIVE:
        most = DRIVE // args.every
        raise InputError(
            f"--per-town {args.per_town}: a drive has {DRIVE} ticks, so {most} frames with --every {args.every}"
        )
    towns = -(-args.frames // args.per_town)
    if not (args.seed >= 0 and args.seed + towns - 1 <= MAX_SEED):
        raise InputError(f"--seed {args.seed}: wanted 0..{MAX_SEED + 1 - towns} for {towns} towns")


def plan(seed: int, frames: int, per_town: int, every: int) -> dict[int, list[int]]:
    """Seed -> the ticks of its frames; the last town may have fewer."""
    towns = range(-(-frames // per_town))
    counts = [min(per_town, frames - i * per_town) for i in towns]
    return {seed + i: [every * k for k in range(count)] for i, count in zip(towns, counts, strict=True)}


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
