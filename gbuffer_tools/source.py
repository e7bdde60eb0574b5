"""What a source is: one kind of files that renderers write, and how frames are made of them.

A source finds the frames in what the user names and reads one at a time. Reading has two halves: a thin shell that
opens files (and trusts none of them), and a pure `to_frames` that makes standard buffers of plain arrays.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from gbuffer_tools.frame import Frame

Names = Mapping[int, Mapping[str, object]]
"""Id -> what is known of it."""


@dataclass(frozen=True)
class Options:
    """What a user can tell about files that do not say it themselves.

    Attributes:
        mapping: YAML file of what channels and ids mean (gbuffer_tools/mapping/schema.py); None: the source's own
            knowledge.
        profile: of the game, for captures.
        licence: of the frames, as stored in frame files; None: the source's own.
        patience: seconds to give up on one frame after.
    """

    mapping: Path | None = None
    profile: str = "supertuxkart"
    licence: str | None = None
    patience: float = 600


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


@dataclass(frozen=True)
class About:
    """What all frames of a frame file have in common.

    Attributes:
        source: producer, with its version where the files tell it.
        profile: which reading of it: the source's name, or a game profile's.
        classes: what class ids mean, by index; empty where the source knows none.
        licence: of the frames.
    """

    source: str
    profile: str
    classes: tuple[str, ...]
    licence: str


@dataclass(frozen=True)
class Made:
    """A frame, and what a user wants to know about how it was made.

    Attributes:
        frame: all of it, in the frame file's conventions (gbuffer_tools.frame).
        note: one line: what was found, what is missing.
        names: for the JSON file beside the frame file (pipeline/make_frames.py): "textures", or "ids/NAME" -> the
            ids of this frame that have names.
        lacks: what its files should tell but do not, a few words; empty where nothing. Such a frame is stored only in
            a file in which all lack the same.
    """

    frame: Frame
    note: str = ""
    names: Mapping[str, Names] = field(default_factory=dict)
    lacks: str = ""


@dataclass(frozen=True)
class Source:
    """One kind of files.

    Attributes:
        name: for `--source`.
        reads: what it reads, one line, for `--help` and the README.
        conventions: handedness, space of normals, meaning of depth, colour space, as the files have them.
        find: the frames in a file or folder that the user named; empty: this is not that kind of files. Looks at names
            and headers only, and must not raise on files of other kinds.
        about: what the frames of one file have in common; reads headers and lists, no pixels. `InputError` where it
            finds one damaged; a frame for which it raises alone is left out, any other reason ends the run.
        read: makes one frame; `InputError` where that cannot be: the frame is left out.
        ready: called once before the first frame of a run, with the options; `InputError` where something is not
            installed. What it sets up (a display, an index) lasts for the block, also for other processes.
        stepwise: frames take seconds each, so each is stored when it is there; else a frame file is written at once.
    """

    name: str
    reads: str
    conventions: str
    find: Callable[[Path], list[Job]]
    about: Callable[[list[Job], Options], About]
    read: Callable[[Job, About, Options], Made]
    ready: Callable[[Options], AbstractContextManager[None]] = field(default=lambda _: nullcontext())
    stepwise: bool = False
