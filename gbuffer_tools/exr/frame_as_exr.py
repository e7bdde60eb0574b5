"""Converts a frame of a frame file to the channels and header attributes of an EXR file, and back.

    R, G, B                    half     the image, converted from sRGB to linear light; the same bytes come back
    depth.Z, roughness.V, …    one-channel buffers; float16 as half, float32 as float, so no bit changes;
    normal.X Y Z, motion.X Y   fixed point (uint8, uint16) is divided by its largest value and written as float
    albedo.R G B, x_wet.c00 …
    ids.class, ids.object      32-bit unsigned

Header attributes: gbuffer/version 1; gbuffer/frame, source, profile, licence, tool, and classes (a JSON list), as in
the frame file; gbuffer/ids and gbuffer/buffers (JSON: name -> element type of ids, number of channels of buffers);
gbuffer/view and gbuffer/projection, row by row, for column vectors; gbuffer/time, gbuffer/relight; and, for other
programs, worldToCamera, for row vectors, into the camera space of OpenEXR's documentation: left-handed, z ahead.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from gbuffer_tools import geometry
from gbuffer_tools.frame import CAMERAS, HEADER_TEXTS, NUMBERS, Array, Frame, Header
from gbuffer_tools.mapping.channel_names import Channels, stack
from gbuffer_tools.source import ShardInfo

MARK = "gbuffer/version"
VERSION = 1.0
COLOURS = frozenset(("albedo", "emission", "irradiance", "irradiance_specular"))
ID_TYPES = ("uint8", "uint16", "uint32")


def component_names(name: str, count: int) -> tuple[str, ...]:
    """Full names of the channels that a buffer with `count` channels becomes."""
    if name in COLOURS:
        letters: tuple[str, ...] = tuple("RGB")
    elif name == "depth":
        letters = ("Z",)
    elif count <= 3:
        letters = tuple("V" if count == 1 else "XYZ"[:count])
    else:
        letters = tuple(f"c{i:02d}" for i in range(count))
    return tuple(f"{name}.{letter}" for letter in letters)


def to_channels(frame: Frame, header: Header) -> tuple[dict[str, Array], dict[str, object]]:
    """The channels (H,W) and header attributes that a frame becomes."""
    linear = geometry.srgb_to_linear(frame.image.astype(np.float64) / 255).astype(np.float16)
    channels: dict[str, Array] = {c: linear[..., i] for i, c in enumerate("RGB")}
    counts = {}
    for name, array in frame.buffers.items():
        values = array if array.ndim == 3 else array[..., None]
        if values.dtype.kind == "u":
            values = (values.astype(np.float64) / (2 ** (8 * values.dtype.itemsize) - 1)).astype(np.float32)
        counts[name] = array.shape[2] if array.ndim == 3 else 0
        channels |= {c: values[..., i] for i, c in enumerate(component_names(name, values.shape[2]))}
    channels |= {f"ids.{name}": array.astype(np.uint32) for name, array in frame.ids.items()}
    attributes: dict[str, object] = {MARK: VERSION, "gbuffer/frame": frame.name}
    attributes |= {f"gbuffer/{key}": getattr(header, key) for key in HEADER_TEXTS}
    attributes["gbuffer/classes"] = json.dumps(header.classes)
    attributes["gbuffer/ids"] = json.dumps({name: str(array.dtype) for name, array in frame.ids.items()})
    attributes["gbuffer/buffers"] = json.dumps(counts)
    for key in (*CAMERAS, *NUMBERS):
        if getattr(frame, key) is not None:
            # The library writes arrays in their own precision, plain numbers in 32 bits.
            attributes[f"gbuffer/{key}"] = np.atleast_1d(np.asarray(getattr(frame, key), np.float64))
    if frame.view is not None:
        attributes["worldToCamera"] = (np.diag([1.0, 1, -1, 1]) @ frame.view).T.astype(np.float32)
    return channels, attributes


def shard_info(attributes: Mapping[str, object]) -> ShardInfo:
    """The header of the exported frame file; raises `ValueError` if it is damaged."""
    source, profile, licence = (_text(attributes, key) for key in HEADER_TEXTS[:3])
    classes = _json(attributes, "classes", list)
    if not all(isinstance(name, str) for name in classes):
        raise ValueError("gbuffer/classes is no list of texts")
    return ShardInfo(source, profile, tuple(classes), licence)


def from_channels(name: str, channels: Channels, attributes: Mapping[str, object]) -> Frame:
    """The exported frame; fixed-point buffers come back as float32.

    Raises:
        ValueError: another version, or channels or attributes are missing or damaged.
    """
    if attributes[MARK] != VERSION:
        raise ValueError(f"{MARK} is {attributes[MARK]}, this program reads {VERSION:g}")
    linear = stack(channels, "RGB").astype(np.float64)
    image = np.round(geometry.linear_to_srgb(np.clip(np.nan_to_num(linear), 0, 1)) * 255).astype(np.uint8)
    buffers: dict[str, Array] = {}
    for key, count in _json(attributes, "buffers", dict).items():
        if type(count) is not int or not 0 <= count <= len(channels):
            raise ValueError("gbuffer/buffers is damaged")
        values = stack(channels, component_names(key, max(count, 1)))
        buffers[key] = values if count else values[..., 0]
    ids = {}
    for key, dtype in _json(attributes, "ids", dict).items():
        if dtype not in ID_TYPES:
            raise ValueError("gbuffer/ids is damaged")
        ids[key] = stack(channels, (f"ids.{key}",))[..., 0].astype(dtype)
    view, projection = (_matrix(attributes, key) for key in CAMERAS)
    time, relight = (_number(attributes, key) for key in NUMBERS)
    return Frame(name, image, buffers, ids, view, projection, time, relight)


def _text(attributes: Mapping[str, object], key: str) -> str:
    value = attributes.get(f"gbuffer/{key}")
    if not isinstance(value, str):
        raise ValueError(f"lacks the attribute gbuffer/{key}")
    return value


def _json(attributes: Mapping[str, object], key: str, kind: type) -> Any:
    try:
        value = json.loads(_text(attributes, key))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"gbuffer/{key} is damaged") from error
    if not isinstance(value, kind):
        raise ValueError(f"gbuffer/{key} is damaged")
    return value


def _matrix(attributes: Mapping[str, object], key: str) -> Array | None:
    value = attributes.get(f"gbuffer/{key}")
    return value.astype(np.float64) if isinstance(value, np.ndarray) else None


def _number(attributes: Mapping[str, object], key: str) -> float | None:
    value = attributes.get(f"gbuffer/{key}")
    return value if isinstance(value, float) else None
