"""What is specific to one game: where its G-buffers are in a captured frame, and how to start it.

A profile is only data and small functions; the code that replays captures and runs games knows no game. A command loads
its profile once and passes it on, also to other processes: everything in it can be pickled.
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
    """How to run a game.

    Attributes:
        track: the game's name of a level.
        width, height: of the window.
        quality: one of `QUALITIES`.
        texture_side: largest side of a texture.
        seed: for the game's own randomness, if it takes one.
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
    """A run of consecutive draws with the same targets: what is needed to tell passes apart.

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
    """What replaying a capture gives, before the profile makes standard buffers from it.

    Attributes:
        targets: G-buffer targets by the profile's names, (H,W,C), 8-bit targets as uint8, others float.
        window_depth: (H,W) float64 in [0,1].
        drawn: (H,W) bool, whether any draw of the G-buffer pass touched the pixel.
        inputs: textures that the lighting draw reads, by sampler name, (h,w,C); they may be smaller than a frame.
        lit: (H,W,3) the lighting draw's result, to check the profile; None if there is no such draw.
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
    """Standard buffers of a frame, cameras in the frame file's convention, and the game's lighting recomputed.

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
    """What the program knows about one game.

    Attributes:
        name: the profile's, as stored in frame files.
        source: name and version of the game.
        licence: that of the frames, as stored in frame files.
        classes: what class ids mean; the first is for pixels where nothing was drawn.
        unknown: the class of surfaces that no rule names.
        is_gbuffer: recognises the G-buffer pass among `DrawPass`es; the one with the most draws wins.
        targets: names of the G-buffer pass's colour targets, in the order of the shader's outputs; further ones are
            not read.
        matrices: where the camera's matrices are.
        colour_sampler: the sampler whose texture names a surface.
        standard: makes standard buffers from a capture.
        finished_draw: index of the draw, in the finished frame's pass, that leaves it without HUD.
        finished_samplers: the finished frame's pass is the last whose `finished_draw` reads all these.
        is_lighting: recognises the draw that lights the scene by its sampler names; None: it is not looked for.
        constants: constant block of the lighting draw -> names and lengths of the vectors that it starts with.
        origin_attribute: the per-instance vertex attribute that holds an instance's place in the world; "" for none.
        image_folders: the folders below `data` with the game's images.
        level_folder: the folder in `data` with a folder for each level, such as "tracks"; among equal images, those of
            the captured level win. "": images belong to no level.
        data: the game's data folder.
        classify: path of an image below `data` -> class; if None, all are `unknown`.
        launch: prepares a private folder for the game and says how to start it there; None: start it by hand.
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
        """The class of surfaces with an image file, given below `data`; None for surfaces whose image is unknown."""
        return self.classify(image) if image and self.classify else self.unknown


def gbuffer_pass(passes: list[DrawPass], is_gbuffer: Callable[[DrawPass], bool]) -> int | None:
    """Index of the fitting pass with the most draws, None if none fits."""
    fitting = [i for i, p in enumerate(passes) if is_gbuffer(p)]
    return max(fitting, key=lambda i: passes[i].draws, default=None)
