"""RenderDoc captures (.rdc) of a game that has a profile.

A capture TRACK_frame60.rdc becomes the frame "frame00060" of TRACK.h5; any other NAME.rdc becomes the frame "NAME" of
NAME.h5. TRACK.json says which image files the texture ids stand for.
"""

import functools
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from gbuffer_tools.io.cache import cache_folder
from gbuffer_tools.io.folders import Walk
from gbuffer_tools.profiles import PROFILES
from gbuffer_tools.renderdoc.display import some_display
from gbuffer_tools.renderdoc.module import check_capture
from gbuffer_tools.renderdoc.profile import GameProfile
from gbuffer_tools.source import Job, ShardInfo, SourceFrame

if TYPE_CHECKING:
    from gbuffer_tools.renderdoc.texture_names import ImageIndex


@dataclass(frozen=True)
class CaptureSource:
    """Captures of one game: a `Source` (gbuffer_tools.source) that needs the game's profile.

    Attributes:
        name, reads, conventions: as in `Source`.
        profile: of the game.
        patience: give up replaying a capture after this many seconds.
    """

    name: str
    reads: str
    conventions: str
    profile: GameProfile
    patience: float = 600

    @property
    def beside(self) -> tuple[str, ...]:
        """What `gbuffer_tools.capture` writes about a run."""
        return ("*.json",)

    @property
    def stepwise(self) -> bool:
        """Whether frames take seconds each: yes, replaying does."""
        return True

    def find(self, there: Walk) -> list[Job]:
        """The captures in a folder, or a single capture."""
        return [job(file) for file in there.of((".rdc",)) if file.parent == there.folder]

    def shard_info(self, jobs: list[Job]) -> ShardInfo:
        """What the game's profile says. Every capture is checked from outside now, before the first is replayed."""
        for item in jobs:
            check_capture(item.file)
        return ShardInfo(self.profile.source, self.profile.name, self.profile.classes, self.profile.licence)

    @contextmanager
    def ready(self) -> Iterator[None]:
        """A display to replay on, and the index of the game's images."""
        profile = self.profile
        if profile.image_folders and not image_index(profile.data, profile.image_folders).files:
            tqdm.write(
                f"{profile.data}: no images of the game here, so every class is {profile.unknown}", file=sys.stderr
            )
        with some_display():
            yield

    def read(self, item: Job, _: ShardInfo) -> SourceFrame:
        """Replay a capture, and make its frame."""
        from gbuffer_tools.renderdoc import capture_to_frame

        profile = self.profile
        index = image_index(profile.data, profile.image_folders)
        with some_display():  # in case `ready` ran on another machine
            done = capture_to_frame.extract(item.file, item.frame, item.shard, profile, index, patience=self.patience)
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
        return SourceFrame(done.frame, "; ".join(part for part in (note, done.note) if part), {"textures": names})


def job(capture: Path) -> Job:
    """The frame and the file that a capture becomes, by its name."""
    match = re.fullmatch(r"(.+)_frame(\d+)", capture.stem)
    shard, frame = (match[1], f"frame{int(match[2]):05d}") if match else (capture.stem, capture.stem)
    return Job(shard, frame, capture)


@functools.cache
def image_index(data: Path, folders: tuple[str, ...]) -> "ImageIndex":
    """A game's images (`texture_names.image_index`); made once per machine, read once per process."""
    from gbuffer_tools.renderdoc import texture_names

    return texture_names.image_index(data, folders, cache_folder())


SOURCE = CaptureSource(
    name="renderdoc",
    reads="RenderDoc captures (.rdc) of a game with a profile",
    conventions="as the profile says; normals, depth and cameras are converted by it",
    profile=PROFILES["supertuxkart"],
)
