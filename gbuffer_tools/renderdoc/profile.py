"""What one game is: where its G-buffers are in a captured frame, and how to start it.

A profile is data and small functions, no more; the code that replays captures and runs games knows no game. A command
loads its profile once and hands it on, also to other processes: all in it can be pickled.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
QUALITIES = ("basic", "mid", "full")


@dataclass(frozen=True)
class CaptureSettings:
    """How a game is to be run.

    Attributes:
        track: the game's name of a level.
        width, height: of the window.
        quality: one of `QUALITIES`.
        texture_side: largest side of a texture.
        seed: of the game's own randomness, where it has one.
    """

    track: str
    width: int
    height: int
    quality: str
    texture_side: int
    seed: int = 1


@dataclass(frozen=True)
class Launch:
    """A program, its arguments and the environment variables to add."""

    program: Path
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class DrawPass:
    """A run of consecutive draws with the same targets, as far as telling passes apart needs it.

    Attributes:
        targets: texture formats of the colour targets.
        depth: whether there is a depth target.
        draws: how many draws.
        indexed: how many of them are indexed.
    """

    targets: tuple[str, ...]
    depth: bool
    draws: int
    indexed: int


@dataclass(frozen=True)
class Captured:
    """What replaying a capture gives, before the profile makes standard buffers of it.

    Attributes:
        targets: G-buffer targets in the profile's names, (H,W,C), 8-bit targets as uint8, others float.
        window_depth: (H,W) float64 in [0,1].
        drawn: (H,W) bool, whether any draw of the G-buffer pass touched the pixel.
        inputs: textures that the lighting draw reads, by sampler name, (h,w,C); they may be smaller than a frame.
        lit: (H,W,3) the lighting draw's result, the profile's check; None where the draw is absent.
        matrices: named (4,4) matrices, for column vectors, as the game has them.
        constants: named arrays of the lighting draw's other constants.
    """

    targets: dict[str, npt.NDArray[np.generic]]
    window_depth: npt.NDArray[np.float64]
    drawn: npt.NDArray[np.bool_]
    inputs: dict[str, npt.NDArray[np.generic]]
    lit: Floats | None
    matrices: dict[str, npt.NDArray[np.float64]]
    constants: dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Standard:
    """Standard buffers of a frame, cameras in the frame file's convention, and the game's lighting redone.

    `note` tells the user what a frame lacks.
    """

    buffers: dict[str, npt.NDArray[np.generic]]
    view: npt.NDArray[np.float64]
    projection: npt.NDArray[np.float64]
    relit: Floats | None = None
    note: str = ""


@dataclass(frozen=True)
class MatrixBlock:
    """Matrices in the constants of the G-buffer pass's last vertex shader.

    Attributes:
        block: name of the constant block.
        at: name of a matrix -> where it starts: bytes into the block, or the name of the block's member.
    """

    block: str
    at: Mapping[str, int | str]


@dataclass(frozen=True)
class GameProfile:
    """What the program knows of one game.

    Attributes:
        name: of the profile, as stored in frame files.
        source: name and version of the game.
        licence: of the frames, as stored in frame files.
        classes: what class ids mean; the first is for pixels that nothing was drawn on.
        unknown: the class of surfaces that no rule names.
        is_gbuffer: tells the G-buffer pass among `DrawPass`es; the one with the most draws wins.
        targets: names of the G-buffer pass's colour targets, in the order of the shader's outputs; further ones are
            not read.
        matrices: where the camera's matrices are.
        colour_sampler: the sampler whose texture names a surface.
        standard: makes standard buffers of a capture.
        finished_draw: index of the draw, in the finished frame's pass, that leaves it without HUD.
        finished_samplers: the finished frame's pass is the last whose `finished_draw` reads all these.
        is_lighting: tells the draw that lights the scene by the names of its samplers; None: it is not looked for.
        constants: constant block of the lighting draw -> names and lengths of the vectors that it starts with.
        origin_attribute: the per-instance vertex attribute that holds an instance's place in the world; "" for none.
        image_folders: where the game's data keeps images, below `data`.
        level_folder: where in `data` there is a folder for each level, as "tracks"; of equal images those of the
            captured level win. "": images are of no level.
        data: the game's data folder.
        classify: path of an image below `data` -> class; all are `unknown` if not said.
        launch: prepares a private folder for the game and tells how to start it there; None: start it by hand.
    """

    name: str
    source: str
    licence: str
    classes: tuple[str, ...]
    unknown: str
    is_gbuffer: Callable[[DrawPass], bool]
    targets: tuple[str, ...]
    matrices: MatrixBlock
    colour_sampler: str
    standard: Callable[[Captured], Standard]
    finished_draw: int = 0
    finished_samplers: frozenset[str] = frozenset()
    is_lighting: Callable[[frozenset[str]], bool] | None = None
    constants: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    origin_attribute: str = ""
    image_folders: tuple[str, ...] = ()
    level_folder: str = ""
    data: Path = Path()
    classify: Callable[[str], str] | None = None
    launch: Callable[[CaptureSettings, Path], Launch] | None = None

    def class_of(self, image: str | None) -> str:
        """The class of surfaces with an image file, given below `data`; None for surfaces whose image is not known."""
        return self.classify(image) if image and self.classify else self.unknown


def gbuffer_pass(passes: list[DrawPass], is_gbuffer: Callable[[DrawPass], bool]) -> int | None:
    """Index of the pass that fits with the most draws, None where none fits."""
    fitting = [i for i, p in enumerate(passes) if is_gbuffer(p)]
    return max(fitting, key=lambda i: passes[i].draws, default=None)
