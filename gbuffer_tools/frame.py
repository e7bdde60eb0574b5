"""What a frame file can hold: the standard buffers, a frame, a header, and the rules that writers follow.

Conventions. Row 0 is the top; pixel centres are at column + 0.5, row + 0.5. View space: x right, y up, z towards the
camera, metres. `view` takes world to view space, `projection` view to OpenGL clip space, both for column vectors; if
the source's world is left-handed, `view` holds a reflection. `depth` is measured along the view axis, and is inf where
nothing was drawn; `normal` is a unit vector in view space, 0 where nothing was drawn. `motion` is the vector in pixels,
to the right and down, from a pixel to where its surface was in the previous frame. `relight` is the correlation between
the source's lit image and its lighting as recomputed from the buffers.
"""

import math
import re
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]

FORMAT, VERSION = "gbuffer-frames", 1
TILE = 136, 96
"""Largest number of rows and columns in a chunk: a random crop of 196 px then touches 2.4 times its own bytes. Tall
chunks compress better than wide ones."""
MAX_SIDE, MAX_FRAMES, MAX_CHANNELS, MAX_CLASSES = 16384, 100_000, 64, 256
MAX_NAME_BYTES = 64
MAX_FRAME_BYTES = 2**30
"""The limit for one array of one frame, so that reading one never takes more memory."""

BUFFER_DTYPES = frozenset(np.dtype(t) for t in ("uint8", "uint16", "float16", "float32"))
ID_DTYPES = frozenset(np.dtype(t) for t in ("uint8", "uint16", "uint32"))
HEADER_TEXTS = ("source", "profile", "licence", "tool")
CAMERAS = ("view", "projection")
NUMBERS = ("time", "relight")
"""Numbers that a frame may have."""


@dataclass(frozen=True)
class BufferSpec:
    """What a buffer holds: number of channels, unit, the space it is in, and the range of its values."""

    channels: int
    units: str
    space: str
    range: tuple[float, float]


BUFFERS = {
    "depth": BufferSpec(1, "m", "view axis", (0, math.inf)),
    "normal": BufferSpec(3, "1", "view", (-1, 1)),
    "albedo": BufferSpec(3, "1", "linear RGB", (0, 1)),
    "roughness": BufferSpec(1, "1", "surface", (0, 1)),
    "metallic": BufferSpec(1, "1", "surface", (0, 1)),
    "specular": BufferSpec(1, "1", "surface", (0, 1)),
    "emission": BufferSpec(3, "radiance", "linear RGB", (0, math.inf)),
    "irradiance": BufferSpec(3, "radiance", "linear RGB", (0, math.inf)),
    "irradiance_specular": BufferSpec(3, "radiance", "linear RGB", (0, math.inf)),
    "occlusion": BufferSpec(1, "1", "surface", (0, 1)),
    "motion": BufferSpec(2, "px", "screen", (-math.inf, math.inf)),
}


@dataclass(frozen=True)
class Frame:
    """One frame, with its arrays as they are stored.

    Attributes:
        name: unique in its file; becomes a file name.
        image: (H,W,3) uint8, sRGB.
        buffers: name -> (H,W) or (H,W,C). Unsigned integers are fixed point: 0..255 and 0..65535 mean 0..1.
        ids: name -> (H,W) unsigned.
        view, projection: (4,4) float64, both or neither.
        time: seconds since the source's start.
        relight: in [-1,1].
    """

    name: str
    image: Array
    buffers: dict[str, Array] = field(default_factory=dict)
    ids: dict[str, Array] = field(default_factory=dict)
    view: Array | None = None
    projection: Array | None = None
    time: float | None = None
    relight: float | None = None


@dataclass(frozen=True)
class Header:
    """The root attributes: where the frames come from, what class ids mean, who may use them, what wrote them."""

    source: str
    profile: str
    classes: tuple[str, ...]
    licence: str
    tool: str


def buffer_spec(name: str, channels: int) -> BufferSpec:
    """The spec of a standard buffer, or a neutral one for an `x_` name.

    Raises:
        ValueError: unknown name, or a number of channels other than the standard's.
    """
    spec = BUFFERS.get(name)
    if spec is None:
        if not re.fullmatch(r"x_[a-z0-9_]{1,40}", name):
            raise ValueError(f"buffer {name!r} is not standard; wanted {', '.join(BUFFERS)} or x_<name>")
        return BufferSpec(channels, "", "", (-math.inf, math.inf))
    if channels != spec.channels:
        raise ValueError(f"buffer {name} has {channels} channels, wanted {spec.channels}")
    return spec


def check_name(name: str) -> None:
    """Raises `ValueError` unless a frame's name can be a file name on every system."""
    awkward = re.search(r'^[. ]|[\x00-\x1f\x7f/\\:*?"<>|]', name)
    if awkward or not 0 < len(name.encode()) <= MAX_NAME_BYTES:
        raise ValueError(f"frame name {name[:80]!r} cannot be a file name of 1..{MAX_NAME_BYTES} bytes")


def check_frame(frame: Frame) -> None:
    """Raises `ValueError` if a frame breaks one of the format's rules for single frames."""
    check_name(frame.name)
    size = frame.image.shape[:2]
    if frame.image.ndim != 3 or frame.image.shape[2] != 3 or frame.image.dtype != np.uint8:
        raise ValueError(f"image is {frame.image.dtype} {frame.image.shape}, wanted uint8 (H, W, 3)")
    if not (min(size) > 0 and max(size) <= MAX_SIDE):
        raise ValueError(f"image is {size}, wanted sides of 1..{MAX_SIDE}")
    for name, array in frame.buffers.items():
        if array.shape[:2] != size or array.ndim not in (2, 3) or array.dtype not in BUFFER_DTYPES:
            raise ValueError(f"buffer {name} is {array.dtype} {array.shape}; the image is {size}")
        spec = buffer_spec(name, 1 if array.ndim == 2 else array.shape[2])
        if array.dtype.kind == "u" and spec.range != (0, 1) and name in BUFFERS:
            raise ValueError(f"buffer {name} is {array.dtype}, which means 0..1; its range is {spec.range}")
    for name, array in frame.ids.items():
        if array.shape != size or array.dtype not in ID_DTYPES or (name == "class" and array.dtype != np.uint8):
            raise ValueError(f"ids {name} is {array.dtype} {array.shape}; the image is {size}")
    if (frame.view is None) != (frame.projection is None):
        raise ValueError("has one of view and projection, wanted both or neither")
