"""Frames from named channels and what they mean (mapping/schema.py). Pure: arrays in, a frame and a note out."""

from collections import abc
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gbuffer_tools import geometry
from gbuffer_tools.frame import BUFFERS, Array, Frame
from gbuffer_tools.mapping import camera_solver, cryptomatte
from gbuffer_tools.mapping.channel_names import Channels, pick, stack
from gbuffer_tools.mapping.schema import Classes, Ids, Image, Mapping, Normal, PinholeCamera
from gbuffer_tools.source import Names, SourceFrame

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]
Matrix = npt.NDArray[np.float64]

HALF_MAX = 65504.0
"""The largest float16; larger values are cut."""
WORLD_NORMAL, DISTANCE = "x_world_normal", "x_distance"
"""Buffers of files whose camera is not known; 0 where nothing was drawn, as only depth may be infinite."""


@dataclass
class _Making:
    """What is known of a frame so far."""

    channels: Channels
    drawn: Bools
    camera: tuple[Matrix, Matrix] | None = None
    posed: bool = False
    buffers: dict[str, Array] = field(default_factory=dict)
    ids: dict[str, Array] = field(default_factory=dict)
    names: dict[str, abc.Mapping[int, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    lacks: str = ""


def to_frame(name: str, channels: Channels, mapping: Mapping, attributes: abc.Mapping[str, object]) -> SourceFrame:
    """Make a frame in the frame file's conventions.

    Args:
        name: of the frame.
        channels: name -> (H,W), all of one size.
        mapping: of the channels; those that it does not name are ignored.
        attributes: header attributes, for the names of cryptomatte ids.

    Raises:
        ValueError: a named channel is missing, or ids are no ids.
    """
    if mapping.image is None:
        raise ValueError("has no image; name its channels under image.channels of a --mapping")
    image, clipped = to_image(channels, mapping.image)
    making = _Making(channels, np.ones(image.shape[:2], bool))
    if clipped > 0.001:
        making.notes.append(f"{clipped:.1%} of the image above 1 clipped")
    _add_buffers(making, mapping)
    _add_ids(making, mapping, attributes)
    view, projection = making.camera if making.camera is not None else (None, None)
    found = f"{', '.join([*making.buffers, *(f'ids/{key}' for key in making.ids)]) or 'RGB alone'}"
    frame = Frame(name, image, making.buffers, making.ids, view, projection)
    return SourceFrame(frame, "; ".join([found, *making.notes]), seen_names(making.ids, making.names), making.lacks)


def to_buffers(
    channels: Channels, mapping: Mapping, view: Matrix, projection: Matrix
) -> tuple[dict[str, Array], tuple[str, ...]]:
    """The buffers of channels whose camera is known, and notes about them; image and ids are left out.

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


def to_image(channels: Channels, image: Image) -> tuple[npt.NDArray[np.uint8], float]:
    """(H,W,3) uint8 sRGB, and the fraction of pixels that were above 1: there is no exposure and no tone curve."""
    values = np.nan_to_num(stack(channels, image.channels).astype(np.float64), nan=0, posinf=np.inf, neginf=0)
    values = np.repeat(values, 3 // values.shape[2], axis=2)
    clipped = float((values > 1).any(-1).mean())
    values = np.clip(values, 0, 1)
    srgb = geometry.linear_to_srgb(values) if image.colour == "linear" else values
    return np.round(srgb * 255).astype(np.uint8), clipped


def _raw_depth(making: _Making, mapping: Mapping) -> Floats | None:
    """Depth or distance in metres, inf where nothing was drawn; says what was drawn."""
    depth = mapping.depth
    if depth is None:
        return None
    stored = stack(making.channels, (depth.channel,))[..., 0].astype(np.float64)
    with np.errstate(invalid="ignore"):
        drawn = np.isfinite(stored) & (stored > 0) & (stored < depth.beyond)
    for value in depth.nothing:
        drawn &= ~np.isclose(stored, value, rtol=1e-6, atol=0)
    making.drawn = drawn
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
    """Add normals, in view space where that is known. What was drawn without a normal faces the camera."""
    stored = np.nan_to_num(stack(making.channels, normal.channels).astype(np.float64), posinf=0, neginf=0)
    if normal.encoding == "unit" or (normal.encoding == "either" and _is_unit(stored[making.drawn])):
        stored = 2 * stored - 1
    vectors = np.stack([stored[..., "xyz".index(a[-1])] * (-1 if a[0] == "-" else 1) for a in normal.axes], -1)
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    known = length[..., 0] > 1e-3
    vectors = np.where(known[..., None], vectors / np.maximum(length, 1e-3), 0)
    if normal.space == "world":
        turn = _turn(making, vectors)
        if turn is None:
            making.buffers[WORLD_NORMAL] = np.where(making.drawn[..., None], vectors, 0).astype(np.float16)
            making.notes.append(f"normals stay {WORLD_NORMAL}: view space needs a camera (--mapping)")
            return
        vectors = geometry.turn(vectors, turn)
    lost = making.drawn & ~known
    vectors[lost] = (0, 0, 1)
    if lost.any():
        making.notes.append(f"{lost.mean():.2%} drawn without a normal face the camera")
    making.buffers["normal"] = np.where(making.drawn[..., None], vectors, 0).astype(np.float16)


def _is_unit(stored: Floats) -> bool:
    """Whether vectors (n,3) have more nearly unit length when 0..1 is taken for -1..1."""
    off = [float(np.median(np.abs(np.linalg.norm(v, axis=-1) - 1))) for v in (stored, 2 * stored - 1) if len(v)]
    return len(off) == 2 and off[1] < off[0]


def _turn(making: _Making, world: Matrix) -> Matrix | None:
    """World to view: the camera's, or the rotation that turns these normals into the depth's."""
    if making.camera is None:
        return None
    view, projection = making.camera
    if making.posed or "depth" not in making.buffers:
        return view if making.posed else None
    seen = geometry.normal_from_depth(making.buffers["depth"].astype(np.float64), projection)
    turn = camera_solver.rotation_from_normals(world, seen, making.drawn)
    if turn is None:
        making.lacks = "its normals do not fix how the camera is turned"
        return None
    making.camera = np.pad(turn, ((0, 1), (0, 1))) + np.diag([0.0, 0, 0, 1]), projection
    making.notes.append("the view's rotation solved from normals, its place unknown")
    return turn


def _add_others(making: _Making, mapping: Mapping) -> None:
    if mapping.motion is not None:
        moved = stack(making.channels, mapping.motion.channels).astype(np.float64) - mapping.motion.rest
        moved = np.nan_to_num(moved * mapping.motion.pixels, posinf=0, neginf=0)
        making.buffers["motion"] = moved.astype(np.float32)
    for name, buffer in mapping.buffers.items():
        stored = stack(making.channels, buffer.channels)
        values = stored.astype(np.float64)
        if buffer.plus:
            values += stack(making.channels, buffer.plus).astype(np.float64)
        values = values * buffer.scale + buffer.offset
        making.buffers[name] = fitted(name, values, stored.dtype)


def fitted(name: str, values: Floats, stored: npt.DTypeLike) -> Array:
    """Values in a buffer's range and type: float16 for standard ones, `stored`'s precision for others; no nan."""
    coarse = np.dtype(stored) == np.float16 or name in BUFFERS
    dtype = np.float16 if coarse else np.float32
    low, high = BUFFERS[name].range if name in BUFFERS else (-np.inf, np.inf)
    top = HALF_MAX if dtype == np.float16 else float(np.finfo(np.float32).max)
    values = np.clip(np.nan_to_num(values, nan=0, posinf=top, neginf=-top), max(low, -top), min(high, top))
    return (values[..., 0] if values.shape[-1] == 1 else values).astype(dtype)


def _add_ids(making: _Making, mapping: Mapping, attributes: abc.Mapping[str, object]) -> None:
    known = {crypto.name.lower(): crypto for crypto in cryptomatte.cryptomattes(attributes)}
    classes = mapping.classes
    for name, ids in mapping.ids.items():
        making.ids[name] = _ids(making, name, ids)
        crypto = known.get(ids.cryptomatte.lower(), cryptomatte.Cryptomatte("", {}))
        making.names[name] = crypto.names
        if crypto.problem:
            making.notes.append(f"ids/{name} have no names: {crypto.problem}")
            if classes and classes.of == name and classes.rules:
                raise ValueError(f"{crypto.problem}; classes.rules need its names")
    if classes is None:
        if "class" in making.ids:
            raise ValueError("ids.class needs the section classes of a --mapping")
        return
    if classes.of not in making.ids:
        raise ValueError(
            f"classes.of is {classes.of!r}, wanted one of ids: {', '.join(making.ids) or 'there are none'}"
        )
    found = classes_of(making.ids[classes.of], making.names[classes.of], classes)
    making.ids["class"] = np.where(making.drawn, found, 0).astype(np.uint8)


def seen_names(ids: abc.Mapping[str, Array], names: abc.Mapping[str, abc.Mapping[int, str]]) -> dict[str, Names]:
    """Names of the ids that a frame has, by id map; ids without a name are left out."""
    found = {key: set(map(int, np.unique(ids[key]))) & set(known) for key, known in names.items() if known}
    return {f"ids/{key}": {i: {"name": names[key][i]} for i in sorted(seen)} for key, seen in found.items()}


def _ids(making: _Making, name: str, ids: Ids) -> npt.NDArray[np.uint32]:
    """(H,W) uint32, the same ids in every frame; 0 where nothing was drawn."""
    if ids.cryptomatte:
        found = cryptomatte.ids(making.channels, ids.cryptomatte)
        if found is None:
            raise ValueError(f"lacks the layer {ids.cryptomatte}00 of ids.{name}")
        return np.where(making.drawn, found, 0).astype(np.uint32)
    stored = pick(making.channels, ids.channel)
    if stored is None:
        raise ValueError(f"lacks the channel {ids.channel!r} of ids.{name}")
    values = np.nan_to_num(stored.astype(np.float64), nan=-1)
    whole = (values == np.round(values)) & (values >= 0) & (values < 2**32)
    if not whole.all():
        making.notes.append(f"ids/{name}: {(~whole).mean():.2%} are no whole numbers (averaged?) and become 0")
    return np.where(making.drawn & whole, np.where(whole, values, 0), 0).astype(np.uint32)


def classes_of(ids: Array, names: abc.Mapping[int, str], classes: Classes) -> npt.NDArray[np.uint8]:
    """The class of each pixel (H,W) by its id; 0, the first class, where the id is 0 and no number says otherwise.

    Raises:
        ValueError: ids that are classes already, beyond the list of classes.
    """
    found, where = np.unique(ids, return_inverse=True)
    if classes.of == "class":
        if int(found.max()) >= len(classes.names):
            raise ValueError(f"ids.class holds {int(found.max())}, wanted 0..{len(classes.names) - 1}")
        return ids.astype(np.uint8)
    table = [classes.index(i, names.get(i)) if i or 0 in classes.numbers else 0 for i in map(int, found)]
    return np.array(table, np.uint8)[where].reshape(ids.shape)
