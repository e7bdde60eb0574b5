"""Make frame files of RenderDoc captures.

    python -m gbuffer_tools.extract captures --out frames

A capture TRACK_frame60.rdc becomes the frame "frame00060" of OUT/TRACK.h5; any other NAME.rdc the frame "NAME" of
OUT/NAME.h5. OUT/TRACK.json says which image files the texture ids stand for. Each frame is added in one step, so a
stopped extraction leaves whole files, and the same command goes on with the frames that are missing.
"""

import argparse
import json
import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from gbuffer_tools import extraction, textures
from gbuffer_tools.atomic import write_text
from gbuffer_tools.cache import cache_folder
from gbuffer_tools.command import run
from gbuffer_tools.display import some_display
from gbuffer_tools.errors import InputError
from gbuffer_tools.profile import GameProfile
from gbuffer_tools.profiles import PROFILES
from gbuffer_tools.renderdoc import check_capture
from gbuffer_tools.schema import Header, Shard, append

TOOL = "gbuffer_tools.extract 1"


@dataclass(frozen=True, order=True)
class Job:
    """A capture and where its frame goes."""

    shard: str
    frame: str
    capture: Path


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gbuffer_tools.extract", description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+", type=Path, metavar="SOURCE", help="captures (.rdc) or folders of them")
    parser.add_argument("--out", type=Path, required=True, help="folder for the frame files")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="supertuxkart", help="the game")
    parser.add_argument("--patience", type=float, default=600, help="seconds to give up on a capture after (600)")
    return parser


def main(args: argparse.Namespace) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end what was started, whoever stops us
    profile = PROFILES[args.profile]
    jobs = sorted(job(path) for path in captures(args.sources))
    if len({(j.shard, j.frame) for j in jobs}) < len(jobs):
        raise InputError(f"{args.out}: two sources would become the same frame; name captures differently")
    for path in (j.capture for j in jobs):
        check_capture(path)
    missing = [j for j in jobs if j.frame not in frames_in(args.out / f"{j.shard}.h5")]
    tqdm.write(f"{len(missing)} of {len(jobs)} captures to extract", file=sys.stderr)
    if not missing:
        return
    index = textures.image_index(profile.data, profile.image_folders, cache_folder())
    if not index.files:
        tqdm.write(f"{profile.data}: no images of the game here, so every class is {profile.unknown}", file=sys.stderr)
    with some_display():
        for item in tqdm(missing, unit="frame"):
            done = extraction.extract(item.capture, item.frame, item.shard, profile, index, patience=args.patience)
            store(args.out, item, done, profile)
            tqdm.write(line(item, done))


def captures(sources: list[Path]) -> list[Path]:
    """Capture files named by the user, folders opened."""
    found: list[Path] = []
    for source in sources:
        inside = sorted(source.glob("*.rdc")) if source.is_dir() else [source]
        if not inside:
            raise InputError(f"{source}: holds no captures (*.rdc); capture some, or name another folder")
        found += inside
    return found


def job(capture: Path) -> Job:
    """Which frame of which file a capture becomes, by its name."""
    match = re.fullmatch(r"(.+)_frame(\d+)", capture.stem)
    shard, frame = (match[1], f"frame{int(match[2]):05d}") if match else (capture.stem, capture.stem)
    return Job(shard, frame, capture)


def frames_in(path: Path) -> tuple[str, ...]:
    """Names of the frames that are there already."""
    if not path.exists():
        return ()
    with Shard(path) as shard:
        return shard.names


def store(out: Path, item: Job, done: extraction.Extracted, profile: GameProfile) -> None:
    """Add names, then the frame: a frame without names would be skipped by the next run."""
    names_path = out / f"{item.shard}.json"
    names = json.loads(names_path.read_text())["textures"] if names_path.exists() else {}
    for texture, found in sorted(done.names.items()):
        kind = profile.classify(found.file) if found.file else profile.unknown
        names[str(texture)] = {"file": found.file, "class": kind, "error": round(found.error, 5)}
    write_text(names_path, json.dumps({"textures": dict(sorted(names.items()))}, indent=1) + "\n")
    header = Header(profile.source, profile.name, profile.classes, profile.licence, TOOL)
    append(out / f"{item.shard}.h5", [done.frame], header)


def line(item: Job, done: extraction.Extracted) -> str:
    """What a user wants to see of one extracted frame."""
    relight = "not checked" if done.frame.relight is None else f"{done.frame.relight:.5f}"
    return (
        f"{item.shard}/{item.frame}: {done.draws} draws, {done.frame.ids['object'].max()} objects, "
        f"{done.unknown:.2%} unknown, relight correlation {relight}, {done.seconds:.1f} s"
    )


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
