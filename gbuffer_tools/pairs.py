"""Capture the same frames of a game twice, rendered cheaply and well, and extract both: pairs to train on.

    python -m gbuffer_tools.pairs --track candela_city --track scotland --out pairs --count 6

Makes OUT/low/TRACK.h5 and OUT/high/TRACK.h5, whose frames have the same names, and prints how similar they are. Frames
seen by different cameras are not a pair: the command keeps them, names them, and ends with exit code 2. After an
interruption, the same command continues with what is missing.
"""

import argparse
import json
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gbuffer_tools.capture import add_options, capture, capture_paths, frame_numbers, positive, window
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.extract import extract
from gbuffer_tools.frame import MAX_FRAMES
from gbuffer_tools.io.atomic import write_text
from gbuffer_tools.io.folders import check_folder
from gbuffer_tools.io.psnr import MAX_PSNR, psnr
from gbuffer_tools.pipeline.parallel import cores, in_parallel
from gbuffer_tools.pipeline.plan import frames_in
from gbuffer_tools.profiles import load
from gbuffer_tools.renderdoc.profile import QUALITIES, CaptureSettings, GameProfile
from gbuffer_tools.schema import Shard
from gbuffer_tools.source import Job, Source
from gbuffer_tools.sources import renderdoc

SIDES = ("low", "high")
ADVICE = "install libfaketime if it is not there, or use another --out and earlier frames"


@dataclass(frozen=True)
class Similarity:
    """How similar the two renderings of a frame are.

    Attributes:
        frame: its name.
        same_camera: whether the matrices are equal to the last bit.
        classes: fraction of the low frame's pixels that show the same class as the high one's nearest pixel.
        psnr: dB, of the low image against the high one shrunk to its size; `MAX_PSNR` for equal images.
    """

    frame: str
    same_camera: bool
    classes: float
    psnr: float


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gbuffer_tools.pairs", description=__doc__.splitlines()[0])
    parser.add_argument("--track", action="append", required=True, help="what to show; may be given more than once")
    parser.add_argument("--out", type=Path, required=True, help="folder for low/, high/ and captures/")
    parser.add_argument("--low", choices=QUALITIES, default="basic", help="quality of the cheap rendering (basic)")
    parser.add_argument("--high", choices=QUALITIES, default="full", help="quality of the good rendering (full)")
    parser.add_argument(
        "--samples",
        type=positive,
        default=1,
        metavar="N",
        help="render the good one with N times as many pixels a side (1)",
    )
    add_options(parser)
    parser.add_argument("--licence", metavar="TEXT", help="licence of the frames (default: the game's)")
    parser.add_argument(
        "--jobs", type=positive, default=cores(), metavar="N", help="number of processes (one per core: %(default)s)"
    )
    parser.add_argument("--discard", action="store_true", help="remove captures once their frames are extracted")
    return parser


def main(args: argparse.Namespace) -> int:
    """Make what is missing, track by track, and compare."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop what we started, whoever stops us
    if args.low == args.high and args.samples == 1:
        raise InputError(f"--low {args.low} --high {args.high}: the same twice; wanted two qualities, or --samples 2")
    check_folder(args.out)
    profile = load(args.profile)
    check_names(args)
    check_settings(args)
    complaints: list[str] = []
    for track in dict.fromkeys(args.track):
        for side in SIDES:
            complaints += make(args, profile, track, side)
        complaints += compared(args, track)
    for line in complaints:
        print(f"python -m gbuffer_tools.pairs: {line}", file=sys.stderr)
    return 2 if complaints else 0


def check_names(args: argparse.Namespace) -> None:
    """Raises `InputError` if the frames of two tracks would go to one file."""
    named: dict[Path, str] = {}
    for track in args.track:
        other = named.setdefault(frame_file(args, track, "low"), track)
        if other != track:
            raise InputError(f"--track {other} --track {track}: have one name; wanted another --out for one of them")


def check_settings(args: argparse.Namespace) -> None:
    """Store the settings beside the set; raises `InputError` if the set was begun with others."""
    path = args.out / "pairs.json"
    begun = any(file.is_file() for name in (*SIDES, "captures") for file in (args.out / name).rglob("*"))
    names = ("profile", "low", "high", "samples", "size", "textures")
    now = json.dumps({name: window(args) if name == "size" else getattr(args, name) for name in names})
    if not (begun and path.exists()):
        write_text(path, now + "\n")
    elif (before := path.read_text("utf-8", "replace").strip()) != now:
        raise InputError(f"{path}: the set was begun with {before[:200]}, now {now}; use another --out")


def make(args: argparse.Namespace, profile: GameProfile, track: str, side: str) -> list[str]:
    """Capture and extract what one side of a track lacks; returns why frames were refused, one line each."""
    paths = capture_paths(args.out / "captures" / side, track, frame_numbers(args))
    jobs = {n: renderdoc.job(path) for n, path in paths.items()}
    file, refused = frame_file(args, track, side), list[str]()
    there = frames_in(file)
    missing = {n: path for n, path in paths.items() if jobs[n].frame not in there}
    if missing:
        width, height = (n * (args.samples if side == "high" else 1) for n in window(args))
        settings = CaptureSettings(track, width, height, getattr(args, side), args.textures)
        capture(profile, settings, missing, args.patience)
        wanted: list[tuple[Source, list[Job]]] = [
            (replace(renderdoc.SOURCE, profile=profile), [jobs[n] for n in missing])
        ]
        refused = extract(wanted, file.parent, MAX_FRAMES, args.licence, lambda: in_parallel(args.jobs))
        there = frames_in(file)
    if args.discard:
        for n, path in paths.items():
            if jobs[n].frame in there:
                path.unlink(missing_ok=True)
    return refused


def frame_file(args: argparse.Namespace, track: str, side: str) -> Path:
    """The frame file of one side of a track."""
    [path] = capture_paths(args.out, track, [0]).values()
    return args.out / side / f"{renderdoc.job(path).shard}.h5"


def compared(args: argparse.Namespace, track: str) -> Iterator[str]:
    """Print how similar the frames of a track are; yield what is wrong with them, one line each."""
    low, high = (frame_file(args, track, side) for side in SIDES)
    if not (low.exists() and high.exists()):
        return  # refused, and the user has been told
    with Shard(low) as cheap, Shard(high) as good:
        for name in sorted(set(cheap.names) ^ set(good.names)):
            yield f"{low.stem}/{name}: not in both of {low.parent} and {high.parent}; the same command tries it again"
        for found in similarities(cheap, good, args.samples):
            where = f"{low.stem}/{found.frame}"
            print(f"{where}: {found.classes:.2%} of pixels have the same class, PSNR {found.psnr:.2f} dB")
            if found.psnr >= MAX_PSNR:
                advice = "use a profile that asks for {quality}, or more --samples"
                yield f"{where}: no pair, both renderings are equal, or nearly so; {advice}"
            if not found.same_camera:
                yield f"{where}: no pair, its cameras differ, so the race was another; {ADVICE}"


def similarities(low: Shard, high: Shard, samples: int) -> Iterator[Similarity]:
    """How similar the frames are that both files have.

    Args:
        low, high: the renderings of a track.
        samples: pixels of `high` per pixel of `low`, along each side.

    Raises:
        InputError: the sizes do not fit, or cameras or classes are missing.
    """
    if (high.height, high.width) != (low.height * samples, low.width * samples):
        raise InputError(
            f"{high.path}: is {high.width}x{high.height}, wanted {low.width * samples}x{low.height * samples}; "
            "the game did not open such a window"
        )
    for shard in (low, high):
        if shard.camera(0) is None or "class" not in shard.ids:
            raise InputError(f"{shard.path}: has no cameras or no ids/class; nothing tells whether frames are pairs")
    for i, name in enumerate(low.names):
        if name in high.names:
            yield similarity(low, i, high, high.names.index(name), samples)


def similarity(low: Shard, i: int, high: Shard, j: int, samples: int) -> Similarity:
    """How similar frame `i` of one file and frame `j` of the other are."""
    middle = slice(samples // 2, None, samples)
    same = low.id("class", i) == high.id("class", j)[middle, middle]
    blocks = high.image(j).reshape(low.height, samples, low.width, samples, 3).mean((1, 3))
    equal = all(np.array_equal(a, b) for a, b in zip(low.camera(i) or (), high.camera(j) or (), strict=True))
    return Similarity(low.names[i], equal, float(same.mean()), psnr(blocks, low.image(i)))


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
