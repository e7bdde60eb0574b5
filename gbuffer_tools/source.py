"""What a source is: one kind of file that renderers write, and how frames are made from it.

A source finds the frames in what the user names and reads them one at a time. Reading has two halves: a thin shell that
opens files (and trusts none of them), and a pure function that turns plain arrays into standard buffers.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gbuffer_tools.frame import Frame
from gbuffer_tools.io.folders import Walk

Names = Mapping[int, Mapping[str, object]]
"""Id -> what is known about it."""
NOT_STATED = "not stated"
NO_PICTURE = "there is no picture, so its image is black"
"""For the line about a frame that has only buffers. A source makes such frames if no frame of a shard has a picture; if
some have one, it refuses those without."""


@dataclass(frozen=True, order=True)
class Job:
    """One frame to make.

    Attributes:
        shard: the frame file that it goes to, without suffix; the frames of a file share size, buffers and classes.
        frame: its name there.
        file: holds the frame's picture, or the whole frame; errors name this file.
        index: which of the frames in `file`.
        others: role -> another file, ordered by role.
    """

    shard: str
    frame: str
    file: Path
    index: int = 0
    others: tuple[tuple[str, Path], ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """All of its files."""
        return self.file, *(file for _, file in self.others)


@dataclass(frozen=True)
class ShardInfo:
    """What all frames of a frame file have in common.

    Attributes:
        source: the producer, with its version if the files give it.
        profile: how it was read: the source's name, or a game profile's.
        classes: what class ids mean, by index; empty if the source knows none.
        licence: of the frames, as far as the source knows it; the user's own statement replaces it.
    """

    source: str
    profile: str
    classes: tuple[str, ...]
    licence: str = NOT_STATED


@dataclass(frozen=True)
class SourceFrame:
    """A frame, and what users want to know about how it was made.

    Attributes:
        frame: all of it, in the frame file's conventions (gbuffer_tools.frame).
        note: one line: what was found, what is missing.
        names: for the JSON file beside the frame file (pipeline/make_frames.py): "textures", or "ids/NAME" -> the
            ids of this frame that have names.
        lacks: what its files should say but do not, in a few words; empty if nothing is missing. Such a frame is only
            stored in a file whose frames all lack the same.
    """

    frame: Frame
    note: str = ""
    names: Mapping[str, Names] = field(default_factory=dict)
    lacks: str = ""


class Source(Protocol):
    """One kind of file. Sources travel to other processes and machines, so they can be pickled.

    `sources.SOURCES` lists them. A source that needs nothing from the user is a `PlainSource`; the others
    (`exr.mapped_source.ExrSource`, `sources.renderdoc.CaptureSource`) have fields for what they need.
    """

    @property
    def name(self) -> str:
        """For `--source`."""

    @property
    def reads(self) -> str:
        """What it reads, in one line, for `--help` and the README."""

    @property
    def conventions(self) -> str:
        """Handedness, space of normals, meaning of depth and colour space in the files."""

    @property
    def beside(self) -> tuple[str, ...]:
        """Names, as fnmatch patterns, of files that belong to its folders but to no frame, such as metadata.txt."""

    @property
    def stepwise(self) -> bool:
        """Whether frames take seconds each, so each is stored once it is made; else a frame file is written at once."""

    def find(self, there: Walk, /) -> list[Job]:
        """The frames in the files that the user named; empty if they are not of this kind.

        It looks only at names and headers, and must not raise on files of other kinds.
        """

    def shard_info(self, jobs: list[Job], /) -> ShardInfo:
        """What the frames of one file have in common; reads headers and lists, no pixels.

        Raises:
            InputError: something is damaged. A frame is left out if this raises for it alone; any other reason ends
                the run.
        """

    def read(self, job: Job, info: ShardInfo, /) -> SourceFrame:
        """Make one frame.

        Raises:
            InputError: it cannot be made, and is left out.
        """

    def ready(self) -> AbstractContextManager[None]:
        """Called once before the first frame of a run.

        What it sets up (a display, an index) lasts for the block, including in other processes.

        Raises:
            InputError: something is not installed.
        """


@dataclass(frozen=True)
class PlainSource:
    """A `Source` that needs nothing from the user but files. The fields are described in `Source`."""

    name: str
    reads: str
    conventions: str
    find: Callable[[Walk], list[Job]]
    shard_info: Callable[[list[Job]], ShardInfo]
    read: Callable[[Job, ShardInfo], SourceFrame]
    stepwise: bool = False
    beside: tuple[str, ...] = ()

    def ready(self) -> AbstractContextManager[None]:
        """Nothing to set up."""
        return nullcontext()
