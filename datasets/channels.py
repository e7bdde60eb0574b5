"""The features of a frame that the enhancer reads: stored buffers on a scale suited to networks, and derived channels.

Buffers without a standard meaning are read unchanged: "x_wet:3" is the feature with the three channels of `x_wet`.

Derived channels (view vector, reflection, facing, sky, edges) are computed here and never stored. The list follows the
authors' description of theirs: normals, the view vector reflected about the normal, distance, albedo, glossiness,
irradiance (isl-org/PhotorealismEnhancement, issue 17).

Shapes: h w pixels of a crop, C channels of a feature.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gbuffer_tools import geometry
from gbuffer_tools.errors import InputError
from gbuffer_tools.geometry import linear_to_srgb

Array = npt.NDArray[np.float32]

# Where nothing was drawn, depth is inf; the network receives this distance instead (metres).
FAR = 1000.0
# The name of the class ids among the buffers that features need; it also withholds them.
CLASS = "class"
RAW = re.compile(r"(?P<buffer>x_\w{1,60}):(?P<channels>[1-9]\d{0,2})")


def view_vector(projection: npt.NDArray[np.float64], size: tuple[int, int], rows: slice, cols: slice) -> Array:
    """Return unit vectors from the surface to the camera, in view space (x right, y up, z towards the camera).

    Args:
        projection: (4, 4), from view space to OpenGL clip space.
        size: height and width of the whole frame in pixels.
        rows, cols: slices of the crop.

    Returns:
        (h, w, 3).
    """
    return geometry.view_vector(projection, size, rows, cols).astype(np.float32)


def facing(normal: Array, view: Array) -> Array:
    """Return the cosine between normal and view vector, (h, w, 1): 1 where the surface faces the camera."""
    return np.sum(normal * view, axis=-1, keepdims=True)


def reflection(normal: Array, view: Array) -> Array:
    """Return the view vector reflected about the normal, (h, w, 3): the direction that a mirror would reflect."""
    return 2 * facing(normal, view) * normal - view


def edges(values: Array) -> Array:
    """Return the largest distance between a pixel's values (h, w, C) and those of its four neighbours, (h, w, 1).

    At the border of a frame a pixel has fewer neighbours. A step between two pixels marks both.
    """
    down, right = (np.linalg.norm(np.diff(values, axis=axis), axis=-1) for axis in (0, 1))
    found = np.zeros(values.shape[:2], np.float32)
    for part, step in ((found[1:], down), (found[:-1], down), (found[:, 1:], right), (found[:, :-1], right)):
        np.maximum(part, step, out=part)
    return found[..., None]


def log_depth(depth: Array) -> Array:
    """Return the logarithm of 1 + depth in metres; where nothing was drawn, depth is `FAR`."""
    return np.log1p(np.minimum(depth, FAR))


@dataclass(frozen=True)
class Feature:
    """A group of channels that is computed from stored buffers.

    Attributes:
        channels: C.
        needs: names of the stored buffers; `CLASS` for the class ids, (h, w, 1).
        compute: returns (h, w, C) for the buffers (h, w, c) by name and the view vectors (h, w, 3).
        mirrored: channels that change sign when the frame is flipped left to right.
        margin: how many pixels around a crop are read.
    """

    channels: int
    needs: tuple[str, ...]
    compute: Callable[[Mapping[str, Array], Array], Array]
    mirrored: tuple[int, ...] = ()
    margin: int = 0


def _stored(name: str, channels: int, mirrored: tuple[int, ...] = ()) -> Feature:
    return Feature(channels, (name,), lambda b, _: b[name], mirrored)


def _light(name: str) -> Feature:
    """Return a feature with the logarithm of linear light, which spans decades and is perceived logarithmically."""
    return Feature(3, (name,), lambda b, _: np.log1p(np.maximum(b[name], 0)))


FEATURES: dict[str, Feature] = {
    "normal": _stored("normal", 3, mirrored=(0,)),
    "albedo": _stored("albedo", 3),
    "roughness": _stored("roughness", 1),
    "metallic": _stored("metallic", 1),
    "specular": _stored("specular", 1),
    "occlusion": _stored("occlusion", 1),
    "motion": _stored("motion", 2, mirrored=(0,)),
    "emission": _light("emission"),
    "irradiance": _light("irradiance"),
    "irradiance_specular": _light("irradiance_specular"),
    "albedo_srgb": Feature(3, ("albedo",), lambda b, _: linear_to_srgb(b["albedo"]).astype(np.float32)),
    "depth": Feature(1, ("depth",), lambda b, _: np.minimum(b["depth"], FAR)),
    "log_depth": Feature(1, ("depth",), lambda b, _: log_depth(b["depth"])),
    "sky": Feature(1, ("depth",), lambda b, _: np.isinf(b["depth"]).astype(np.float32)),
    "facing": Feature(1, ("normal",), lambda b, v: facing(b["normal"], v)),
    "reflection": Feature(3, ("normal",), lambda b, v: reflection(b["normal"], v), mirrored=(0,)),
    "depth_edges": Feature(1, ("depth",), lambda b, _: edges(log_depth(b["depth"])), margin=1),
    "normal_edges": Feature(1, ("normal",), lambda b, _: edges(b["normal"]), margin=1),
    "class_edges": Feature(1, (CLASS,), lambda b, _: (edges(b[CLASS]) > 0).astype(np.float32), margin=1),
}


@cache
def feature(name: str) -> Feature:
    """Return one of `FEATURES`, or for "x_NAME:CHANNELS" a stored buffer unchanged, even if the frame is flipped.

    Raises:
        KeyError: the name is neither.
    """
    raw = RAW.fullmatch(name)
    return _stored(raw["buffer"], int(raw["channels"])) if raw else FEATURES[name]


def channel_names(features: tuple[str, ...]) -> tuple[str, ...]:
    """Return one name per channel, in the order of the stacked tensor: "normal.0", …, "x_wet.2".

    Raises:
        KeyError: a feature does not exist.
    """
    return tuple(f"{name.partition(':')[0]}.{i}" for name in features for i in range(feature(name).channels))


def feature_names(channels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the features that give these channels: the inverse of `channel_names`.

    Raises:
        KeyError: the channels are not complete known features, in order.
    """
    counts: dict[str, int] = {}
    for channel in channels:
        name = channel.partition(".")[0]
        counts[name] = counts.get(name, 0) + 1
    names = tuple(f"{name}:{count}" if name.startswith("x_") else name for name, count in counts.items())
    found = channel_names(names)
    if found != channels:
        raise KeyError(next(a or b for a, b in zip_longest(channels, found) if a != b))
    return names


def model_features(path: Path, channels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the features of frames that give the channels of a model file.

    Raises:
        InputError: the model reads something that is not a channel of frames.
    """
    try:
        return feature_names(channels)
    except KeyError as error:
        raise InputError(
            f"{path}: reads {error}, which is not a channel of frames; wanted all channels of "
            f"{', '.join(FEATURES)} or of a buffer x_…, in order."
        ) from error


def mirrored_channels(features: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """Return the factors (C,) that a left-right flip applies to channels: -1 where the sign changes, else 1."""
    signs = []
    for name in features:
        group = feature(name)
        signs += [-1.0 if i in group.mirrored else 1.0 for i in range(group.channels)]
    return np.array(signs, np.float32)
