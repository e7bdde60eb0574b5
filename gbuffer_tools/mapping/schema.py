"""What channels and ids mean, in a YAML file for `extract --mapping`.

    image:  {channels: [R, G, B], colour: linear}
    depth:  {channel: depth.Z, along: axis, metres: 0.01, beyond: 1.0e+9}
    normal: {channels: [N.X, N.Y, N.Z], space: world, encoding: signed}
    motion: {channels: [V.X, V.Y], pixels: [1, -1]}
    buffers:
      albedo: {channels: [A.R, A.G, A.B]}
      x_wet:  {channels: [wet.V], scale: 0.5}
    ids:
      object: {cryptomatte: View.CryptoObject}
    classes:
      names: [nothing, other, road, tree]
      of: object
      rules: {"^(Oak|Pine)": tree, "[Rr]oad": road}
      default: other
    camera: {degrees: 50, pose: [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]]}
    licence: CC0-1.0

Each section's class below says what its keys mean. Every section is optional. If a source knows the files, a section
replaces what the source knows; entries of `buffers` and `ids` are added to the source's own.
"""

import math
import re
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np

from gbuffer_tools import geometry
from gbuffer_tools.frame import MAX_CLASSES, buffer_spec
from gbuffer_tools.io.yaml import read_sections

MAX_PATTERN = 500
AXES = frozenset(("x", "y", "z", "-x", "-y", "-z"))
MatrixRows = tuple[tuple[float, ...], ...]


def _one_of(what: str, value: str, *wanted: str) -> None:
    if value not in wanted:
        raise ValueError(f"{what}: {value!r}, wanted {' or '.join(wanted)}")


def _count(what: str, values: tuple[object, ...], *wanted: int) -> None:
    if len(values) not in wanted:
        raise ValueError(f"{what}: {len(values)} entries, wanted {' or '.join(map(str, wanted))}")


@dataclass(frozen=True)
class Image:
    """The picture. A single channel is grey.

    Attributes:
        channels: red, green, blue; or one.
        colour: "linear": light, clipped to 0..1 and converted to sRGB; "srgb": already sRGB in 0..1.
    """

    channels: tuple[str, ...]
    colour: str = "linear"

    def __post_init__(self) -> None:
        _count("channels", self.channels, 1, 3)
        _one_of("colour", self.colour, "linear", "srgb")


@dataclass(frozen=True)
class Depth:
    """The channel with the depth of each pixel, or with its distance.

    Attributes:
        along: "axis": along the view axis; "ray": the distance to the camera, which needs a camera to convert.
        metres: length of one unit.
        nothing: values that mean that nothing was drawn, besides those of `geometry.nothing_drawn`; .nan may be one.
        beyond: this value and larger ones mean the same.
    """

    channel: str
    along: str = "axis"
    metres: float = 1.0
    nothing: tuple[float, ...] = ()
    beyond: float = math.inf

    def __post_init__(self) -> None:
        _one_of("along", self.along, "axis", "ray")
        if not 0 < self.metres < math.inf:
            raise ValueError(f"metres: {self.metres:g}, wanted more than 0")


@dataclass(frozen=True)
class Normal:
    """Surface normals; they are normalised.

    Attributes:
        space: "view" or "world"; the latter needs a camera, else it is stored as x_world_normal.
        axes: which of the file's components point right, up, and towards the camera (view), or along the world's x, y
            and z (world): [x, -y, -z] turns y down, z forward into y up, z backward.
        encoding: "signed": -1..1; "unit": 0..1 means -1..1; "either": whichever of these gives unit lengths.
    """

    channels: tuple[str, ...]
    space: str = "view"
    axes: tuple[str, ...] = ("x", "y", "z")
    encoding: str = "signed"

    def __post_init__(self) -> None:
        _count("channels", self.channels, 3)
        _one_of("space", self.space, "view", "world")
        _one_of("encoding", self.encoding, "signed", "unit", "either")
        if not set(self.axes) <= AXES or sorted(axis[-1] for axis in self.axes) != ["x", "y", "z"]:
            raise ValueError(f"axes: {list(self.axes)}, wanted x, y and z, each with or without -")


@dataclass(frozen=True)
class Motion:
    """Screen-space motion, stored as the vector from a pixel to where its surface was in the previous frame.

    Attributes:
        pixels: how many pixels to the right and down a channel's 1 stands for: [1, -1] if the file's y is up; [-1, -1]
            if the file's vectors point from the previous position to the pixel, y down.
        rest: the value that means no motion; subtracted first.
    """

    channels: tuple[str, ...]
    pixels: tuple[float, ...] = (1.0, 1.0)
    rest: float = 0.0

    def __post_init__(self) -> None:
        _count("channels", self.channels, 2)
        _count("pixels", self.pixels, 2)


@dataclass(frozen=True)
class Buffer:
    """Any other buffer: value = stored * scale + offset.

    Attributes:
        plus: channels that are added to the first ones, such as indirect to direct light.
    """

    channels: tuple[str, ...]
    scale: float = 1.0
    offset: float = 0.0
    plus: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _count("plus", self.plus, 0, len(self.channels))


@dataclass(frozen=True)
class Ids:
    """An id map, from a channel of whole numbers or from a cryptomatte."""

    channel: str = ""
    cryptomatte: str = ""

    def __post_init__(self) -> None:
        if bool(self.channel) == bool(self.cryptomatte):
            raise ValueError("wanted one of channel and cryptomatte")


@dataclass(frozen=True)
class Classes:
    """The classes, and which ids belong to them.

    Attributes:
        names: the classes; the first is for pixels where nothing was drawn.
        of: the id map that tells them apart; "class" if it already holds classes.
        rules: regular expression -> class; the first one found in a name (from a cryptomatte's manifest) counts.
        numbers: id -> class, for ids that have no names.
        default: the class of all other ids; if this is empty, the second class (the first if there is only one).
    """

    names: tuple[str, ...]
    of: str = "object"
    rules: dict[str, str] = field(default_factory=dict)
    numbers: dict[int, str] = field(default_factory=dict)
    default: str = ""

    def __post_init__(self) -> None:
        if not 0 < len(self.names) <= MAX_CLASSES or len(set(self.names)) < len(self.names):
            raise ValueError(f"names: wanted 1..{MAX_CLASSES} different classes")
        for name in (*self.rules.values(), *self.numbers.values(), self.default or self.names[0]):
            if name not in self.names:
                raise ValueError(f"{name!r} is not among the names; wanted {', '.join(self.names)}")
        for pattern in self.rules:
            if len(pattern) > MAX_PATTERN:
                raise ValueError(f"rules: {pattern[:40]!r}… is longer than {MAX_PATTERN}")
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"rules: {pattern!r} is no regular expression ({error})") from error

    def index(self, ident: int, name: str | None) -> int:
        """The class of an id, by its number or by its name."""
        rule = next((found for pattern, found in self.rules.items() if name and re.search(pattern, name)), None)
        found = self.numbers.get(ident, rule) or self.default or self.names[min(1, len(self.names) - 1)]
        return self.names.index(found)


@dataclass(frozen=True)
class PinholeCamera:
    """A pinhole camera, for files that do not hold their own.

    Attributes:
        degrees: horizontal field of view. One of this, the next two and `positions` is needed.
        focal: (fx, fy), pixels.
        projection: OpenGL's for column vectors, 4 rows of 4, without shear.
        centre: (cx, cy), pixels from the top left corner; the first pixel's centre is (0.5, 0.5); by default the middle
            of the picture.
        planes: near and far, metres.
        pose: the camera in the world, 4 rows of 4, rigid: it looks along its -z, y up; a reflection if the world is
            left-handed.
        view: the inverse of `pose`, used instead. Without either, world space is the camera's own space.
        positions: channels of world positions, in metres, from which the whole camera is solved.
    """

    degrees: float = 0.0
    focal: tuple[float, ...] = ()
    projection: MatrixRows = ()
    centre: tuple[float, ...] = ()
    planes: tuple[float, ...] = (0.1, 1000.0)
    pose: MatrixRows = ()
    view: MatrixRows = ()
    positions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        given = [name for name in ("degrees", "focal", "projection", "positions") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(
                f"has {' and '.join(given) or 'no lens'}, wanted one of degrees, focal, projection, positions"
            )
        rows = (*self.projection, *self.pose, *self.view)
        if not all(map(math.isfinite, (*self.focal, *self.centre, *self.planes, *(n for row in rows for n in row)))):
            raise ValueError("has numbers that are not finite")
        if self.degrees and not 0 < self.degrees < 180:
            raise ValueError(f"degrees: {self.degrees:g}, wanted 0..180")
        _count("focal", self.focal, 0, 2)
        if self.focal and min(self.focal) <= 0:
            raise ValueError(f"focal: {min(self.focal):g}, wanted more than 0")
        _count("centre", self.centre, 0, 2)
        _count("planes", self.planes, 2)
        _count("positions", self.positions, 0, 3)
        if not 0 < self.planes[0] < self.planes[1]:
            raise ValueError("planes: wanted near and far, 0 < near < far")
        if self.pose and self.view:
            raise ValueError("has pose and view, wanted one of them")
        for name in ("projection", "pose", "view"):
            matrix = getattr(self, name)
            if matrix and (len(matrix) != 4 or any(len(row) != 4 for row in matrix)):
                raise ValueError(f"{name}: wanted 4 rows of 4 numbers")
        if self.projection and not geometry.is_perspective(np.array(self.projection)):
            raise ValueError("projection: wanted OpenGL's for column vectors, without shear: its last row 0, 0, -1, 0")
        for name in ("pose", "view"):
            if getattr(self, name) and not geometry.is_rigid(np.array(getattr(self, name))):
                raise ValueError(f"{name}: wanted a rotation and a place, without scale")


@dataclass(frozen=True)
class Mapping:
    """What a mapping file says about channels and ids. Sections that are None are not in the file."""

    image: Image | None = None
    depth: Depth | None = None
    normal: Normal | None = None
    motion: Motion | None = None
    buffers: dict[str, Buffer] = field(default_factory=dict)
    ids: dict[str, Ids] = field(default_factory=dict)
    classes: Classes | None = None
    camera: PinholeCamera | None = None
    licence: str = ""

    def __post_init__(self) -> None:
        for name, buffer in self.buffers.items():
            buffer_spec(name, len(buffer.channels))
            if name in ("depth", "normal", "motion"):
                raise ValueError(f"buffers: {name} has a section of its own")
        for name in self.ids:
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
                raise ValueError(f"ids: {name!r}, wanted a name of a-z, 0-9 and _")


NOTHING_SAID = Mapping()


def merged(known: Mapping, user: Mapping) -> Mapping:
    """What a source knows about its files, replaced and extended by what the user says about them."""
    said = {f.name: getattr(user, f.name) for f in fields(user) if getattr(user, f.name)}
    joined = {"buffers": known.buffers | user.buffers, "ids": known.ids | user.ids}
    return replace(known, **said | joined)


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file.

    Raises:
        InputError: it cannot be read, or has keys or values that this program does not know; the message names the key.
    """
    return read_sections(path, Mapping)
