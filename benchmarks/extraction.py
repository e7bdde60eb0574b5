"""Extracting one capture: seconds in total, and for draw ids by marks against one replay per draw.

    python -m benchmarks.extraction captures/candela_city_frame60.rdc

Needs RenderDoc and a display, as `extract` does.
"""

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.profiles import load
from gbuffer_tools.renderdoc import capture_to_frame, draw_ids, module
from gbuffer_tools.renderdoc.child_process import in_child
from gbuffer_tools.renderdoc.display import some_display
from gbuffer_tools.renderdoc.profile import GameProfile, gbuffer_pass
from gbuffer_tools.renderdoc.replay import initialised, opened, shadows_muted
from gbuffer_tools.renderdoc.stencil_ids import mark
from gbuffer_tools.sources.renderdoc import SOURCE, image_index, job


def both_ways(path: Path, profile: GameProfile, folder: Path) -> tuple[int, float, float, float]:
    """Return the number of draws, seconds by marks, seconds by replaying, fraction of pixels with the same draw."""
    rd = module.load()
    with initialised(rd):
        began = time.perf_counter()
        marked = mark(rd, path, folder)
        marking = time.perf_counter() - began
        if marked is None:
            raise InputError(f"{path}: its draws cannot be marked, so there is nothing to compare")
        with opened(rd, marked.path, path) as capture:
            found = gbuffer_pass([capture.describe(p) for p in capture.passes], profile.is_gbuffer)
            if found is None:
                raise InputError(f"{path}: no G-buffer pass of {profile.source}")
            began = time.perf_counter()
            fast = draw_ids.by_marks(capture, capture.passes[found], profile, marked)
            middle = time.perf_counter()
            with shadows_muted(capture, found):
                slow = draw_ids.by_replaying(capture, capture.passes[found], profile)
            end = time.perf_counter()
        if fast is None:
            raise InputError(f"{path}: its marks disagree with its pixels, so there is nothing to compare")
        same = float((fast.draw_map == slow.draw_map).mean())
        return len(fast.draws), marking + middle - began, end - middle, same


def main(args: argparse.Namespace) -> None:
    """Measure and print."""
    profile = load(args.profile)
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
    index = image_index(profile.data, profile.image_folders)
    with replace(SOURCE, profile=profile).ready(), some_display():
        for _ in range(args.repeats):
            item = job(args.capture)
            done = capture_to_frame.extract(item.file, item.frame, item.shard, profile, index, patience=600)
            height, width = done.frame.image.shape[:2]
            print(
                f"{width}x{height}, {done.draws} draws, {done.frame.ids['object'].max()} objects: {done.seconds:.1f} s"
            )
        with TemporaryDirectory() as folder:
            number, fast, slow, same = in_child(
                both_ways, args.capture, profile, Path(folder), seconds=3600, what=str(args.capture)
            )
    print(
        f"ids of {number} draws: marks {fast:.1f} s, replays {slow:.1f} s, ratio {slow / fast:.1f}; same on {same:.3%}"
    )


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extraction", description=__doc__.splitlines()[0])
    parser.add_argument("capture", type=Path, metavar="CAPTURE", help="a .rdc file")
    parser.add_argument("--profile", default="supertuxkart", metavar="NAME", help="the game")
    parser.add_argument("--repeats", type=int, default=3, help="of the extraction (%(default)s)")
    return parser


if __name__ == "__main__":
    raise SystemExit(run(main, build_parser()))
