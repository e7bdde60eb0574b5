"""Makes frames from named channels and their meaning (mapping/schema.py). Pure: arrays in, a frame and a note out."""

from collections import abc
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gbuffer_tools import geometry
from gbuffer_tools.frame import BUFFERS, Array, Frame
from gbuffer_tools.geometry import HALF_MAX
from gbuffer_tools.mapping import camera_solver
from gbuffer_tools.mapping.apply_ids import made_ids, seen_names
from gbuffer_tools.mapping.channel_names import Channels, stack
from gbuffer_tools.mapping.schema import Buffer, Image, Mapping, Motion, Normal, PinholeCamera
from gbuffer_tools.source import SourceFrame

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]
Matrix = npt.NDArray[np.float64]

RANGE_TOLERANCE = 1e-3
WORLD_NORMAL, DISTANCE = "x_world_normal", "x_distance"
"""Buffers of files whose camera is unknown; 0 where nothing was drawn, as only depth may be infinite."""


@dataclass
class _Making:
    """What is known about a frame so far."""

    channels: Channels
    drawn: Bools
    camera: tuple[Matrix, Matrix] | None = None
    posed: bool = False
    to_rec709: Matrix | None = None
    buffers: dict[str, Array] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    lacks: str = ""


def to_frame(
    name: str,
    channels: Channels,
    mapping: Mapping,
    attributes: abc.Mapping[str, object],
    *,
    image_to_rec709: Matrix | None = None,
    buffers_to_rec709: Matrix | None = None,
) -> SourceFrame:
    """Make a frame in the frame file's conventions.

    The note counts nan and infinite values. They become black or white in the image, and 0 in id maps; buffers keep
    them.

    Args:
        name: of the frame.
        channels: name -> (H,W), all of one size.
        mapping: of the channels; those that it does not name are ignored.
        attributes: header attributes, for the names of cryptomatte ids.
        image_to_rec709: (3,3), takes the image's linear RGB to linear Rec.709; None if it is that already.
        buffers_to_rec709: the same for linear RGB buffers.

    Raises:
        ValueError: a named channel is missing, or ids are not valid.
    """
    if mapping.image is None:
        raise ValueError("has no image; name its channels under image.channels of a --mapping")
    image, notes = to_image(channels, mapping.image, image_to_rec709)
    making = _Making(channels, np.ones(image.shape[:2], bool), to_rec709=buffers_to_rec709, notes=list(notes))
    _add_buffers(making, mapping)
    ids, names, said = made_ids(channels, mapping, making.drawn, attributes)
    making.notes += said
    view, projection = making.camera if making.camera is not None else (None, None)
    found = f"{', '.join([*making.buffers, *(f'ids/{key}' for key in ids)]) or 'RGB alone'}"
    frame = Frame(name, image, making.buffers, ids, view, projection)
    return SourceFrame(frame, "; ".join([found, *making.notes]), seen_names(ids, names), making.lacks)


def to_buffers(
    channels: Channels, mapping: Mapping, view: Matrix, projection: Matrix
) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Buffers from channels whose camera is known, and notes about them; image and ids are left out.

    Args:
        channels: name -> (H,W), all of one size, at least one.
        mapping: of the channels.
        view, projection: (4,4), in the frame file's conventions.

    Raises:
        ValueError: a named channel is missing.
    """
    shape = next(iter(channels.values())).shape
    making = _Making(channels, np.ones(shape, bool), (view, projection), posed=True)
    _add_buffers(making, mapping)
    return making.buffers, tuple(making.notes)


def _add_buffers(making: _Making, mapping: Mapping) -> None:
    raw = _raw_depth(making, mapping)
    if mapping.camera is not None:
        making.camera, making.posed = _camera(making, mapping.camera)
    if raw is not None:
        _add_depth(making, mapping, raw)
    if mapping.normal is not None:
        _add_normal(making, mapping.normal)
    _add_others(making, mapping)


def to_image(
    channels: Channels, image: Image, to_rec709: Matrix | None = None
) -> tuple[npt.NDArray[np.uint8], tuple[str, ...]]:
    """(H,W,3) uint8 sRGB, and notes on what it cannot show: neither exposure nor tone curve is applied.

    Args:
        channels: name -> (H,W).
        image: which of them.
        to_rec709: as for `to_frame`; not applied to grey images and those that are sRGB already.
    """
    stored = stack(channels, image.channels).astype(np.float64)
    notes = list(odd_numbers("image", stored, (", now black", ", now black or white")))
    values = np.nan_to_num(stored, nan=0, posinf=HALF_MAX, neginf=0)
    if image.colour == "linear" and to_rec709 is not None and values.shape[2] == 3:
        values = values @ to_rec709.T
    values = np.repeat(values, 3 // values.shape[2], axis=2)
    clipped = float((values > 1).any(-1).mean())
    if clipped > 0.001:
        notes.append(f"{clipped:.1%} of the image above 1 clipped")
    values = np.clip(values, 0, 1)
    srgb = geometry.linear_to_srgb(values) if image.colour == "linear" else values
    return np.round(srgb * 255).astype(np.uint8), tuple(notes)


def odd_numbers(name: str, values: Floats, becomes: tuple[str, str] = ("", "")) -> abc.Iterator[str]:
    """How many pixels of a buffer (H,W) or (H,W,C) are nan, and how many infinite, one line each.

    `becomes` holds the ends of the two lines.
    """
    flat = values.reshape(*values.shape[:2], -1)
    for found, what, end in zip((np.isnan(flat), np.isinf(flat)), ("not a number", "infinite"), becomes, strict=True):
        count = int(found.any(-1).sum())
        if count:
            yield f"{name} has {count} pixel{'s that are' if count > 1 else ' that is'} {what}{end}"


def _raw_depth(making: _Making, mapping: Mapping) -> Floats | None:
    """Depth or distance in metres, inf where nothing was drawn, nan where the file has nan; sets `making.drawn`."""
    depth = mapping.depth
    if depth is None:
        return None
    channel = stack(making.channels, (depth.channel,))[..., 0]
    whole, stored = channel.dtype.kind == "u", channel.astype(np.float64)
    # Whole numbers were never half floats; besides 0 and below, none has a special meaning unless the mapping says so.
    nothing = stored <= 0 if whole else geometry.nothing_drawn(stored)
    with np.errstate(invalid="ignore"):
        nothing |= stored >= depth.beyond
    for value in depth.nothing:
        nothing |= np.isclose(stored, value, rtol=1e-6, atol=0, equal_nan=True)
    drawn = ~nothing
    making.drawn = drawn
    making.notes += odd_numbers("depth", np.where(drawn, stored, 0))
    ends = float((stored == HALF_MAX).mean())
    if ends and not whole:
        making.notes.append(f"{ends:.1%} of the depth are 65504, where half floats end: sky, or too far for them")
    if not drawn.any():
        making.notes.append("nothing drawn")
    return np.where(drawn, np.where(drawn, stored, 1) * depth.metres, np.inf)


def _camera(making: _Making, camera: PinholeCamera) -> tuple[tuple[Matrix, Matrix] | None, bool]:
    """(view, projection), and whether the view is known."""
    height, width = making.drawn.shape
    near, far = camera.planes
    if camera.positions:
        positions = stack(making.channels, camera.positions).astype(np.float64)
        found = camera_solver.camera_from_positions(positions, making.drawn & positions.any(-1), (near, far))
        making.lacks = "" if found else "its positions do not fix a pinhole camera"
        making.notes.append("camera solved from positions" if found else f"no camera: {making.lacks}")
        return found, found is not None
    if camera.projection:
        projection = np.array(camera.projection)
    else:
        focal = camera.focal or (width / 2 / np.tan(np.radians(camera.degrees) / 2),) * 2
        cx, cy = camera.centre or (width / 2, height / 2)
        projection = geometry.projection_from_intrinsics((focal[0], focal[1]), (cx, cy), (width, height), (near, far))
    if camera.pose:
        return (geometry.view_from_pose(np.array(camera.pose)), projection), True
    return (np.array(camera.view) if camera.view else np.eye(4), projection), bool(camera.view)


def _add_depth(making: _Making, mapping: Mapping, raw: Floats) -> None:
    assert mapping.depth is not None
    if mapping.depth.along == "axis":
        making.buffers["depth"] = raw.astype(np.float32)
    elif making.camera is not None:
        making.buffers["depth"] = geometry.depth_from_distance(raw, making.camera[1]).astype(np.float32)
    else:
        making.buffers[DISTANCE] = np.where(making.drawn, raw, 0).astype(np.float32)
        making.notes.append(f"distances stay {DISTANCE}: depth needs a camera (--mapping)")


def _add_normal(making: _Making, normal: Normal) -> None:
    """Add normals, in view space if that is known. Pixels drawn without a normal face the camera."""
    stored = stack(making.channels, normal.channels).astype(np.float64)
    making.notes += odd_numbers("normal", np.where(making.drawn[..., None], stored, 0))
    odd = ~np.isfinite(stored).all(-1) & making.drawn
    stored = np.where(np.isfinite(stored), stored, 0)
    if normal.encoding == "unit" or (normal.encoding == "either" and _is_unit(stored[making.drawn & ~odd])):
        stored = 2 * stored - 1
    vectors = np.stack([stored[..., "xyz".index(a[-1])] * (-1 if a[0] == "-" else 1) for a in normal.axes], -1)
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    known = (length[..., 0] > 1e-3) & ~odd
    vectors = np.where(known[..., None], vectors / np.maximum(length, 1e-3), 0)
    turn = None
    if normal.space == "world":
        turn = _turn(making, vectors, known)
        vectors = vectors if turn is None else geometry.turn(vectors, turn)
    lost = making.drawn & ~known & ~odd
    if normal.space == "world" and turn is None:
        making.notes.append(f"normals stay {WORLD_NORMAL}: view space needs a camera (--mapping)")
    elif lost.any():
        vectors[lost] = (0, 0, 1)
        making.notes.append(f"{lost.mean():.2%} drawn without a normal face the camera")
    vectors = np.where(making.drawn[..., None], vectors, 0)
    vectors[odd] = np.nan
    making.buffers[WORLD_NORMAL if normal.space == "world" and turn is None else "normal"] = vectors.astype(np.float16)


def _is_unit(stored: Floats) -> bool:
    """Whether the lengths of vectors (n,3) are closer to 1 if 0..1 is taken for -1..1."""
    off = [float(np.median(np.abs(np.linalg.norm(v, axis=-1) - 1))) for v in (stored, 2 * stored - 1) if len(v)]
    return len(off) == 2 and off[1] < off[0]


def _turn(making: _Making, world: Matrix, known: Bools) -> Matrix | None:
    """World to view: the camera's matrix, or the rotation that turns these normals into the depth's."""
    if making.camera is None:
        return None
    view, projection = making.camera
    if making.posed or "depth" not in making.buffers:
        return view if making.posed else None
    seen = geometry.normal_from_depth(making.buffers["depth"].astype(np.float64), projection)
    turn = camera_solver.rotation_from_normals(world, seen, making.drawn & known)
    if turn is None:
        making.lacks = "its normals do not fix how the camera is turned"
        return None
    making.camera = np.pad(turn, ((0, 1), (0, 1))) + np.diag([0.0, 0, 0, 1]), projection
    making.notes.append("the view's rotation solved from normals, its place unknown")
    return turn


def _add_others(making: _Making, mapping: Mapping) -> None:
    if mapping.motion is not None:
        making.buffers["motion"] = _motion(making, mapping.motion)
    for name, buffer in mapping.buffers.items():
        making.buffers[name] = _buffer(making, name, buffer)


def _motion(making: _Making, motion: Motion) -> Array:
    stored = stack(making.channels, motion.channels).astype(np.float64)
    making.notes += odd_numbers("motion", stored)
    with np.errstate(invalid="ignore"):
        return ((stored - motion.rest) * motion.pixels).astype(np.float32)


def _buffer(making: _Making, name: str, buffer: Buffer) -> Array:
    stored = stack(making.channels, buffer.channels)
    values = stored.astype(np.float64)
    with np.errstate(invalid="ignore"):
        if buffer.plus:
            values += stack(making.channels, buffer.plus).astype(np.float64)
        making.notes += odd_numbers(name, values)
        if making.to_rec709 is not None and name in BUFFERS and BUFFERS[name].space == "linear RGB":
            values = values @ making.to_rec709.T
        values = values * buffer.scale + buffer.offset
    found, cut = fitted(name, values, stored.dtype)
    if cut:
        making.notes.append(cut)
    return found


def fitted(name: str, values: Floats, stored: npt.DTypeLike) -> tuple[Array, str]:
    """Values in a buffer's range and type, and a note on what had to be clipped, empty if nothing was.

    float16 for standard buffers, `stored`'s precision for others. Infinities and nan stay.
    """
    coarse = np.dtype(stored) == np.float16 or name in BUFFERS
    dtype = np.float16 if coarse else np.float32
    low, high = BUFFERS[name].range if name in BUFFERS else (-np.inf, np.inf)
    top = HALF_MAX if dtype == np.float16 else float(np.finfo(np.float32).max)
    low, high = max(low, -top), min(high, top)
    inside = np.where(np.isfinite(values), np.clip(values, low, high), values)
    with np.errstate(invalid="ignore"):
        far = np.abs(inside - values) > RANGE_TOLERANCE * np.maximum(np.abs(inside), 1)
    fraction = float(far.any(-1).mean())
    note = f"{fraction:.2%} of {name} beyond {low:g}..{high:g} cut" if fraction else ""
    return (inside[..., 0] if inside.shape[-1] == 1 else inside).astype(dtype), note
