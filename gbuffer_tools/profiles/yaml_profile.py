"""Game profiles in YAML files, for `--profile FILE.yaml`: only data, so a user's own game needs no code.

    name: mygame
    source: My Game 1.0
    targets:                          # colour targets of the G-buffer pass: name and texture format, in order
      albedo: R8G8B8A8_UNORM
      normal: R16G16B16A16_FLOAT
    camera:
      block: Camera                   # constant block of its vertex shaders
      view: {name: world_to_view}     # a member, by name or by its first byte: {byte: 64}
      projection: {byte: 0}
    surfaces: albedo_map              # sampler whose texture names a surface
    finished: {draw: 0}               # of the last pass: the finished frame, without HUD
    later: {samplers: [ssao, lit]}    # a later draw that reads these samplers, which become channels too
    normal: {channels: [normal.R, normal.G, normal.B], encoding: signed}
    buffers:
      albedo: {channels: [albedo.R, albedo.G, albedo.B]}
      occlusion: {channels: [ssao.R]}
    classes:
      names: [nothing, other, road]
      rules: {"asphalt|road": road}   # on the names of image files
    images: {folder: game/textures, levels: scenes}

`normal`, `motion`, `buffers` and `classes` are those of gbuffer_tools/mapping/schema.py; channels are `<target>.R` to
`.A`, and `<sampler>.R` to `.A` of the later draw. 8-bit targets are 0..1. Depth needs no section: it follows from the
window depth and the projection. For a complete profile see gbuffer_tools/profiles/godot3.yaml.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gbuffer_tools import geometry
from gbuffer_tools.frame import Array
from gbuffer_tools.io.yaml import read_sections
from gbuffer_tools.mapping.apply import to_buffers
from gbuffer_tools.mapping.schema import Buffer, Classes, Depth, Mapping, Motion, Normal
from gbuffer_tools.profiles.launch import LaunchSection, launch
from gbuffer_tools.renderdoc.pixel_formats import CHANNELS, sampled
from gbuffer_tools.renderdoc.profile import Captured, DrawPass, GameProfile, MatrixBlock, Standard

Matrix = npt.NDArray[np.float64]

COMPONENTS = "RGBA"
DEPTH = "depth"
"""Name of the depth channel, in metres, made from window depth."""
MAX_TARGETS = 8
FORWARD = {"-z": np.eye(4), "+z": np.diag([1.0, 1.0, -1.0, 1.0])}
PERSPECTIVE_TOLERANCE = 1e-3
"""How far the last row of a perspective matrix of floats may be from 0, 0, -1, 0."""


@dataclass(frozen=True)
class MatrixPlace:
    """Where a matrix is in a constant block.

    Attributes:
        name: the block's member; or
        byte: where the matrix starts.
        inverse: the inverse of the wanted matrix is stored, e.g. the camera's pose instead of the view.
        rows: the matrix is stored row by row, as with `layout(row_major)`.
    """

    name: str = ""
    byte: int = -1
    inverse: bool = False
    rows: bool = False

    def __post_init__(self) -> None:
        if bool(self.name) == (self.byte >= 0):
            raise ValueError("wanted one of name and byte")
        if self.byte >= 0 and self.byte % 16:
            raise ValueError(f"byte: {self.byte}, wanted a multiple of 16, where std140 puts matrices")

    @property
    def at(self) -> int | str:
        """Name or first byte, as `MatrixBlock` takes it."""
        return self.name or self.byte

    def read(self, stored: Matrix) -> Matrix:
        """The matrix for column vectors, from the stored one, which was read column by column.

        Raises:
            ValueError: a number is not finite, or there is no inverse and one is wanted.
        """
        if not np.isfinite(stored).all():
            raise ValueError(f"the matrix at {self.at} has values that are no numbers")
        matrix = stored.T if self.rows else stored
        return np.linalg.inv(matrix).astype(np.float64) if self.inverse else matrix


@dataclass(frozen=True)
class CameraSection:
    """Where the camera is.

    Attributes:
        block: name of the constant block in the vertex shader of the G-buffer pass's last draw.
        view: world to view.
        projection: OpenGL's, for window depth 0..1.
        forward: "-z" or "+z", the axis of its view space that the game's camera looks along.
    """

    block: str
    view: MatrixPlace
    projection: MatrixPlace
    forward: str = "-z"

    def __post_init__(self) -> None:
        if self.forward not in FORWARD:
            raise ValueError(f"forward: {self.forward!r}, wanted {' or '.join(FORWARD)}")


@dataclass(frozen=True)
class Finished:
    """The draw that leaves the finished frame without HUD: number `draw`, from 0, of the last pass in which it reads
    all of these samplers."""

    draw: int = 0
    samplers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.draw < 0:
            raise ValueError(f"draw: {self.draw}, wanted 0 or more")


@dataclass(frozen=True)
class Later:
    """A draw after the G-buffer pass that reads all these samplers; without it, buffers made from them are absent."""

    samplers: tuple[str, ...]


@dataclass(frozen=True)
class TextureImages:
    """Image files of the game's textures, which name surfaces.

    Attributes:
        folder: where they are; beside the profile if not absolute.
        levels: a folder in it with a folder for each level, named as in captures; among equal images, those of the
            captured level win. If empty, images belong to no level.
    """

    folder: str
    levels: str = ""


@dataclass(frozen=True)
class ProfileFile:
    """A profile as it is in its file; see the module docstring.

    Attributes:
        note: one line about what frames lack; `extract` prints it with each frame.
    """

    name: str
    source: str
    targets: dict[str, str]
    camera: CameraSection
    licence: str = "not stated"
    surfaces: str = ""
    finished: Finished = Finished()
    later: Later = Later(())
    normal: Normal | None = None
    motion: Motion | None = None
    buffers: dict[str, Buffer] = field(default_factory=dict)
    classes: Classes = field(default_factory=lambda: Classes(("nothing", "unknown")))
    images: TextureImages | None = None
    launch: LaunchSection | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not 0 < len(self.targets) <= MAX_TARGETS:
            raise ValueError(f"targets: {len(self.targets)} entries, wanted 1..{MAX_TARGETS}")
        for name, texture in self.targets.items():
            if texture not in CHANNELS:
                raise ValueError(f"targets.{name}: {texture!r} is not known, wanted one of {', '.join(CHANNELS)}")
        if both := self.targets.keys() & set(self.later.samplers):
            raise ValueError(f"later.samplers: {min(both)!r} is the name of a target, too; rename the target")
        if self.classes.of != Classes.of or self.classes.numbers:
            raise ValueError("classes: has of or numbers, wanted rules on the names of image files")
        self.mapping  # noqa: B018 - checks the names of buffers
        for section, channels in self._channels():
            for channel in channels:
                self._check(section, channel)

    @property
    def mapping(self) -> Mapping:
        """What the channels mean."""
        return Mapping(depth=Depth(DEPTH), normal=self.normal, motion=self.motion, buffers=self.buffers)

    def _channels(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        for section in ("normal", "motion"):
            found = getattr(self, section)
            yield section, found.channels if found else ()
        for name, buffer in self.buffers.items():
            yield f"buffers.{name}", buffer.channels + buffer.plus

    def _check(self, section: str, channel: str) -> None:
        layer, _, component = channel.rpartition(".")
        known = {name: CHANNELS[texture] for name, texture in self.targets.items()}
        known |= dict.fromkeys(self.later.samplers, len(COMPONENTS))
        if layer not in known:
            raise ValueError(f"{section}: {channel!r} is of no target, wanted {', '.join(known)}")
        if component not in COMPONENTS[: known[layer]] or not component:
            letters = ", ".join(COMPONENTS[: known[layer]])
            raise ValueError(f"{section}: {channel!r} has no such component, wanted {letters}")

    def is_gbuffer(self, seen: DrawPass) -> bool:
        """Whether a pass draws into the targets that the profile names, and into depth."""
        formats = tuple(self.targets.values())
        return seen.targets[: len(formats)] == formats and seen.depth

    def is_later(self, samplers: frozenset[str]) -> bool:
        """Whether a draw that reads these samplers is the later one."""
        return set(self.later.samplers) <= samplers

    def classify(self, image: str | None) -> str:
        """The class of surfaces with an image file; for None, that of surfaces whose image is unknown."""
        return self.classes.names[self.classes.index(0, image)]

    def present(self, channels: dict[str, Array]) -> tuple[Mapping, tuple[str, ...]]:
        """What the channels mean, and the buffers that are absent because a frame has no later draw."""
        lost = tuple(
            name
            for name, buffer in self.buffers.items()
            for channel in buffer.channels + buffer.plus
            if channel not in channels and channel.rpartition(".")[0] in self.later.samplers
        )
        kept = {name: buffer for name, buffer in self.buffers.items() if name not in lost}
        return replace(self.mapping, buffers=kept), tuple(dict.fromkeys(lost))


def standard(profile: ProfileFile, captured: Captured) -> Standard:
    """Make standard buffers from a capture, as a profile says.

    Raises:
        ValueError: the capture does not hold what the profile says.
    """
    turn = FORWARD[profile.camera.forward]
    view = turn @ profile.camera.view.read(captured.matrices["view"])
    projection = profile.camera.projection.read(captured.matrices["projection"]) @ turn
    check_camera(view, projection)
    depth = depth_of(captured, projection)
    channels: dict[str, Array] = {DEPTH: depth}
    for name, target in captured.targets.items():
        channels |= named(name, target, depth.shape)
    for name in profile.later.samplers:
        if name in captured.inputs:
            channels |= named(name, captured.inputs[name], depth.shape)
    mapping, lost = profile.present(channels)
    buffers, notes = to_buffers(channels, mapping, view, projection)
    for name, values in buffers.items():
        if name != DEPTH:
            values[~np.isfinite(depth)] = 0
    absent = (f"no draw that makes {', '.join(lost)}",) if lost else ()
    return Standard(buffers, view, projection, note="; ".join((*absent, *notes, *filter(None, [profile.note]))))


def depth_of(captured: Captured, projection: Matrix) -> Matrix:
    """Depth (H,W), metres along the view axis, inf where nothing was drawn."""
    window = np.where(captured.drawn, captured.window_depth, 0.5)
    return np.where(captured.drawn, geometry.depth_from_window(window, projection), np.inf)


def check_camera(view: Matrix, projection: Matrix) -> None:
    """Raises `ValueError` if the matrices are not a camera's: wrong place in the block, rows taken for columns."""
    if not geometry.is_rigid(view):
        raise ValueError("camera.view is no rotation and place; look for its name with --explain")
    if (
        np.abs(projection[3] - (0, 0, -1, 0)).max() > PERSPECTIVE_TOLERANCE
        or not projection[0, 0] > 0
        or not projection[2, 3]
    ):
        raise ValueError("camera.projection is no perspective; look for its name with --explain")


def named(name: str, texture: Array, size: tuple[int, ...]) -> dict[str, Array]:
    """A texture's components as channels (H,W), 8-bit values as 0..1."""
    values = sampled(texture, size)
    return {f"{name}.{letter}": values[..., i] for i, letter in zip(range(values.shape[-1]), COMPONENTS, strict=False)}


def read_profile(path: Path) -> GameProfile:
    """Read a profile from a YAML file.

    Raises:
        InputError: the file cannot be read, or has unknown keys or values; the message names the key.
    """
    found, beside = read_sections(path, ProfileFile), path.absolute().parent
    camera, images = found.camera, found.images
    return GameProfile(
        name=found.name,
        source=found.source,
        licence=found.licence,
        classes=found.classes.names,
        unknown=found.classify(None),
        is_gbuffer=found.is_gbuffer,
        targets=tuple(found.targets),
        matrices=MatrixBlock(
            camera.block,
            {"view": camera.view.at, "projection": camera.projection.at},
        ),
        colour_sampler=found.surfaces,
        standard=partial(standard, found),
        finished_draw=found.finished.draw,
        finished_samplers=frozenset(found.finished.samplers),
        is_lighting=found.is_later if found.later.samplers else None,
        image_folders=(".",) if images else (),
        level_folder=images.levels if images else "",
        data=beside / images.folder if images else Path(),
        classify=found.classify,
        launch=partial(launch, found.launch, beside) if found.launch else None,
    )
