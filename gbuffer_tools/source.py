"""What a source is: one kind of files that renderers write, and how frames are made of them.

A source finds the frames in what the user names and reads one at a time. Reading has two halves: a thin shell that
opens files (and trusts none of them), and a pure function that makes standard buffers of plain arrays.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gbuffer_tools.frame import Frame
from gbuffer_tools.io.folders import Walk

Names = Mapping[int, Mapping[str, object]]
"""Id -> what is known of it."""
NOT_STATED = "not stated"
NO_PICTURE = "there is no picture, so its image is black"
"""For the line of a frame of buffers alone. A source makes such frames where no frame of a shard has a picture, and
refuses those that lack theirs where others have one."""


@dataclass(frozen=True, order=True)
class Job:
    """One frame to make.

    Attributes:
        shard: the frame file that it goes to, without suffix; frames of one file share size, buffers and classes.
        frame: its name there.
        file: where the frame's picture is, or all of it; errors name this file.
        index: which of the frames in `file`.
        others: role -> further file, in the order of the roles.
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
        source: producer, with its version where the files tell it.
        profile: which reading of it: the source's name, or a game profile's.
        classes: what class ids mean, by index; empty where the source knows none.
        licence: of the frames, as far as the source knows it; what the user states replaces it.
    """

    source: str
    profile: str
    classes: tuple[str, ...]
    licence: str = NOT_STATED


@dataclass(frozen=True)
class SourceFrame:
    """A frame, and what a user wants to know about how it was made.

    Attributes:
        frame: all of it, in the frame file's conventions (gbuffer_tools.frame).
        note: one line: what was found, what is missing.
        names: for the JSON file beside the frame file (pipeline/make_frames.py): "textures", or "ids/NAME" -> the
            ids of this frame that have names.
        lacks: what its files should tell but do not, a few words; empty where nothing is missing. Such a frame is
            stored only in a file in which all frames lack the same.
    """

    frame: Frame
    note: str = ""
    names: Mapping[str, Names] = field(default_factory=dict)
    lacks: str = ""


class Source(Protocol):
    """One kind of files. Sources travel to other processes and machines, so they can be pickled.

    `sources.SOURCES` lists them. A source that needs nothing from the user is a `PlainSource`; those that do
    (`exr.mapped_source.ExrSource`, `sources.renderdoc.CaptureSource`) have fields for what they need.
    """

    @property
    def name(self) -> str:
        """For `--source`."""

    @property
    def reads(self) -> str:
        """What it reads, one line, for `--help` and the README."""

    @property
    def conventions(self) -> str:
        """Handedness, space of normals, meaning of depth, colour space, as the files have them."""

    @property
    def beside(self) -> tuple[str, ...]:
        """Names, as patterns of fnmatch, of files that belong to its folders but to no frame, such as metadata.txt."""

    @property
    def stepwise(self) -> bool:
        """Frames take seconds each, so each is stored when it is there; else a frame file is written at once."""

    def find(self, there: Walk, /) -> list[Job]:
        """The frames in the files that the user named; empty: this is not that kind of files.

        Looks at names and headers only, and must not raise on files of other kinds.
        """

    def shard_info(self, jobs: list[Job], /) -> ShardInfo:
        """What the frames of one file have in common; reads headers and lists, no pixels.

        Raises:
            InputError: something is damaged. A frame for which this raises alone is left out; any other reason ends
                the run.
        """

    def read(self, job: Job, info: ShardInfo, /) -> SourceFrame:
        """Makes one frame.

        Raises:
            InputError: it cannot be made, and is left out.
        """

    def ready(self) -> AbstractContextManager[None]:
        """Called once before the first frame of a run.

        What it sets up (a display, an index) lasts for the block, also for other processes.

        Raises:
            InputError: something is not installed.
        """


@dataclass(frozen=True)
class PlainSource:
    """A `Source` that needs nothing from the user but files. The fields are what `Source` says of them."""

    name: str
    reads: str
    conventions: str
    find: Callable[[Walk], list[Job]]
    shard_info: Callable[[list[Job]], ShardInfo]
    read: Callable[[Job, ShardInfo], SourceFrame]
    stepwise: bool = False
    beside: tuple[str, ...] = ()

    def ready(self) -> AbstractContextManager[None]:
        """There is nothing to set up."""
        return nullcontext()
