"""RenderDoc captures (.rdc) of a game that has a profile.

A capture TRACK_frame60.rdc becomes the frame "frame00060" of TRACK.h5; any other NAME.rdc the frame "NAME" of NAME.h5.
TRACK.json says which image files the texture ids stand for.
"""

import functools
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from gbuffer_tools.io.cache import cache_folder
from gbuffer_tools.profiles import load
from gbuffer_tools.renderdoc import capture_to_frame, texture_names
from gbuffer_tools.renderdoc.display import some_display
from gbuffer_tools.renderdoc.module import check_capture
from gbuffer_tools.source import About, Job, Made, Options, Source


def find(path: Path) -> list[Job]:
    """The captures of a folder, or a capture."""
    files = sorted(path.glob("*.rdc")) if path.is_dir() else [path] if path.suffix == ".rdc" else []
    return [job(file) for file in files]


def job(capture: Path) -> Job:
    """Which frame of which file a capture becomes, by its name."""
    match = re.fullmatch(r"(.+)_frame(\d+)", capture.stem)
    shard, frame = (match[1], f"frame{int(match[2]):05d}") if match else (capture.stem, capture.stem)
    return Job(shard, frame, capture)


def about(jobs: list[Job], options: Options) -> About:
    """Of the game's profile. Every capture's outside is checked now, before the first is replayed."""
    for item in jobs:
        check_capture(item.file)
    profile = load(options.profile)
    return About(profile.source, profile.name, profile.classes, options.licence or profile.licence)


@functools.cache
def image_index(profile_name: str) -> texture_names.ImageIndex:
    """The game's images; made once a machine, read once a process."""
    profile = load(profile_name)
    return texture_names.image_index(profile.data, profile.image_folders, cache_folder())


@contextmanager
def ready(options: Options) -> Iterator[None]:
    """A display to replay on, and the index of the game's images."""
    profile = load(options.profile)
    if profile.image_folders and not image_index(options.profile).files:
        tqdm.write(f"{profile.data}: no images of the game here, so every class is {profile.unknown}", file=sys.stderr)
    with some_display():
        yield


def read(item: Job, _: About, options: Options) -> Made:
    """Replay a capture."""
    profile = load(options.profile)
    index = image_index(options.profile)
    with some_display():  # on another machine than the one that `ready` made one on
        done = capture_to_frame.extract(item.file, item.frame, item.shard, profile, index, patience=options.patience)
    names = {
        texture: {
            "file": found.file,
            "class": profile.class_of(found.file),
            "error": round(found.error, 5),
        }
        for texture, found in done.names.items()
    }
    relight = "not checked" if done.frame.relight is None else f"{done.frame.relight:.5f}"
    note = (
        f"{done.draws} draws, {done.frame.ids['object'].max()} objects, {done.unknown:.2%} unknown, "
        f"relight correlation {relight}, {done.seconds:.1f} s"
    )
    return Made(done.frame, "; ".join(part for part in (note, done.note) if part), {"textures": names})


SOURCE = Source(
    name="renderdoc",
    reads="RenderDoc captures (.rdc) of a game with a profile",
    conventions="as the profile says; normals, depth and cameras are converted by it",
    find=find,
    about=about,
    read=read,
    ready=ready,
    stepwise=True,
)
