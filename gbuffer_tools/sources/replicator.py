"""Folders that the BasicWriter of Omniverse Replicator (Isaac Sim) writes: a file per frame and annotator.

    rgb_0000.png                                   beside all others; or, with several render products,
    PRODUCT/rgb_0000.png  PRODUCT_rgb_0000.png     or each annotator in a folder of its own: PRODUCT/rgb/rgb_0000.png
    camera_params_0000.json                        matrices for row vectors; view space is OpenGL's, in scene units
    distance_to_image_plane_0000.npy               metres along the view axis; where nothing is, inf, or 0 as documented
    distance_to_camera_0000.npy                    metres along the ray
    normals_0000.png, .npy                         of the world, right-handed; 0.5 n + 0.5 in the image, rounded down
    motion_vectors_0000.npy                        to where the pixel was: +x it moved left, +y it moved up
    semantic_segmentation_0000.png                 ids or colours, of which semantic_segmentation_labels_0000.json tells
    instance_segmentation_0000.png                 likewise, with instance_segmentation_mapping_0000.json

NVIDIA's documentation (omni.replicator.core, annotators_details) names no unit of motion vectors; its example for an
image of 512 pixels prints -93.8 to 23.5, which can only be pixels. Their y, downwards to where the pixel was, has the
direction of the frame file's. Without camera parameters normals and distances along rays stay as they are,
`x_world_normal` and `x_distance` (0 where nothing is).
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gbuffer_tools import geometry
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import MAX_CLASSES, Array, Frame
from gbuffer_tools.frame_file.naming import fit_name, shard_name
from gbuffer_tools.io.arrays import read_npy
from gbuffer_tools.io.images import read_image, read_pixels
from gbuffer_tools.io.text import plain, read_json
from gbuffer_tools.source import Job, PlainSource, ShardInfo, SourceFrame

Floats = npt.NDArray[np.floating]

AXIS, RAY, MOTION, CAMERA = "distance_to_image_plane", "distance_to_camera", "motion_vectors", "camera_params"
SEMANTIC, LABELS = "semantic_segmentation", "semantic_segmentation_labels"
INSTANCES = ("instance_segmentation", "instance_id_segmentation")
ROLES = {
    "rgb": ("png", "jpg", "jpeg"), "normals": ("png", "npy"), AXIS: ("npy",), RAY: ("npy",), MOTION: ("npy",),
    CAMERA: ("json",), SEMANTIC: ("png",), LABELS: ("json",),
    **{name: ("png",) for name in INSTANCES}, **{f"{name}_mapping": ("json",) for name in INSTANCES},
}  # fmt: skip
NAME = re.compile(rf"(?:(?P<product>.+?)_)?(?P<role>{'|'.join(ROLES)})_(?P<number>[0-9]{{1,12}})\.(?P<suffix>[a-z]+)")
BACKGROUND, UNLABELLED = "BACKGROUND", "UNLABELLED"
# Below this the normal of an image is none: the middle of the range is a step away from 0.
MIN_LENGTH = 0.02
MIN_METRES, MAX_METRES = 1e-6, 1e9


@dataclass(frozen=True)
class CameraMatrices:
    """A pinhole camera: the frame file's `view` and `projection`, metres."""

    view: npt.NDArray[np.float64]
    projection: npt.NDArray[np.float64]


def find(path: Path) -> list[Job]:
    """The images that have at least one other annotator's file, in a folder or up to three below it."""
    if not path.is_dir():
        return []
    found: dict[tuple[Path, str, int], dict[str, Path]] = {}
    for file in sorted(p for pattern in ("*", "*/*", "*/*/*", "*/*/*/*") for p in path.glob(pattern)):
        match = NAME.fullmatch(file.name)
        if match and match["suffix"] in ROLES[match["role"]] and file.is_file():
            # An annotator's own folder; the root may happen to have the name of one.
            base = file.parent.parent if file.parent.name in ROLES and file.parent != path else file.parent
            key = (base, match["product"] or "", int(match["number"]))
            found.setdefault(key, {}).setdefault(match["role"], file)
    return [
        Job(fit_name("-".join(filter(None, (shard_name(path, base), product)))), f"{number:04d}", files["rgb"], number,
            tuple((role, files[role]) for role in sorted(files) if role != "rgb"))
        for (base, product, number), files in sorted(found.items())
        if "rgb" in files and len(files) > 1
    ]  # fmt: skip


def shard_info(jobs: list[Job]) -> ShardInfo:
    """Background, unlabelled, then all classes that the label files of these frames name, sorted."""
    labelled = [job for job in jobs if SEMANTIC in dict(job.others)]
    names = {name for job in labelled for name in labels(job).values()} - {BACKGROUND, UNLABELLED}
    classes = (BACKGROUND, UNLABELLED, *sorted(names)) if labelled else ()
    if len(classes) > MAX_CLASSES:
        raise InputError(f"{jobs[0].file}: its frames have {len(classes)} classes, wanted at most {MAX_CLASSES}")
    return ShardInfo("Omniverse Replicator", "replicator", classes)


def labels(job: Job) -> dict[tuple[int, ...], str]:
    """Id or colour, as a tuple -> name of the class."""
    path = dict(job.others).get(LABELS)
    if path is None:
        raise InputError(f"{dict(job.others)[SEMANTIC]}: has no {LABELS}_{job.frame}.json beside it; add it")
    return {key: _class_name(value) for key, value in _table(path).items()}


def _class_name(value: object) -> str:
    """The name in {"class": NAME}; where an object has no class, its other types of semantics, joined."""
    if isinstance(value, dict):
        value = value.get("class", "/".join(str(value[key]) for key in sorted(value)))
    return plain(value) or UNLABELLED


def _table(path: Path) -> dict[tuple[int, ...], object]:
    """{"5": ...} or {"(r, g, b, a)": ...}, with numbers for keys."""
    read = read_json(path)
    keys = (
        [tuple(int(n) for n in re.findall("[0-9]{1,10}", str(key))) for key in read] if isinstance(read, dict) else []
    )
    if not isinstance(read, dict) or len({len(key) for key in keys} | {1, 4}) > 2 or len(set(keys)) < len(keys):
        raise InputError(f"{path}: wanted an object whose keys are ids or all are colours (r, g, b, a)")
    return dict(zip(keys, read.values(), strict=True))


def by_table(pixels: Array, table: Mapping[tuple[int, ...], int], default: int) -> npt.NDArray[np.uint32]:
    """The meaning (H,W) of each pixel.

    Args:
        pixels: ids (H,W), or colours (H,W,4), uint8 or uint16.
        table: an id or a colour -> its meaning.
        default: of 0, or of transparent black, where the table has it not.

    Raises:
        ValueError: an id or a colour that the table does not have.
    """
    width = 1 if pixels.ndim == 2 else 4
    if pixels.ndim == 3 and pixels.shape[2] != width:
        raise ValueError(f"the image has {pixels.shape[2]} channels, wanted 1 (ids) or 4 (colours)")
    meant = {(0,) * width: default, **table}
    flat = pixels.reshape(-1, width).astype(np.uint64)
    packed = flat @ (np.uint64(65536) ** np.arange(width, dtype=np.uint64))
    _, first, inverse = np.unique(packed, return_index=True, return_inverse=True)
    values = [tuple(int(v) for v in flat[i]) for i in first]
    unknown = [value for value in values if value not in meant]
    if unknown:
        raise ValueError(f"{len(unknown)} ids or colours are not in the JSON file beside it, the first is {unknown[0]}")
    return np.array([meant[value] for value in values], np.uint32)[inverse].reshape(pixels.shape[:2])


def camera_of(parameters: object) -> CameraMatrices | None:
    """The camera of a `camera_params` file's content; None where it is no pinhole.

    Raises:
        ValueError: matrices that are no camera's.
    """
    found = parameters if isinstance(parameters, dict) else {}
    if found.get("cameraModel", "pinhole") != "pinhole":
        return None
    view, given = (_matrix(found.get(key), key) for key in ("cameraViewTransform", "cameraProjection"))
    unit = _numbers(found.get("metersPerSceneUnit", 1.0), 1, "metersPerSceneUnit")[0]
    near, far = _numbers(found.get("cameraNearFar", (0.01, 1e6)), 2, "cameraNearFar") * unit
    if not geometry.is_rigid(view) or not 0 < unit < MAX_METRES:
        raise ValueError("cameraViewTransform is no rotation with a translation, or metersPerSceneUnit no length")
    if given[3].tolist() != [0, 0, -1, 0]:  # parallel rays
        return None
    near, far = max(near, MIN_METRES), min(far, MAX_METRES)
    view[:3, 3] *= unit
    projection = np.zeros((4, 4))
    # Theirs maps depth the other way round, far to 0; the rest is OpenGL's.
    projection[:2], projection[3] = given[:2], given[3]
    projection[2, 2:] = (far + near) / (near - far), 2 * far * near / (near - far)
    if not near < far or not geometry.is_perspective(projection):
        raise ValueError(f"cameraProjection or cameraNearFar ({near:g}, {far:g}) is no camera's, or it is sheared")
    return CameraMatrices(view, projection)


def _matrix(value: object, key: str) -> npt.NDArray[np.float64]:
    flat = [n for row in value for n in (row if isinstance(row, list) else [row])] if isinstance(value, list) else value
    return _numbers(flat, 16, key).reshape(4, 4).T.copy()


def _numbers(value: object, count: int, key: str) -> npt.NDArray[np.float64]:
    items = [value] if isinstance(value, int | float) else value
    if not isinstance(items, list | tuple) or len(items) != count or not all(type(n) in (int, float) for n in items):
        raise ValueError(f"{key} is {str(value)[:60]}, wanted {count} numbers")
    if not all(math.isfinite(n) or (key == "cameraNearFar" and n > 0) for n in items):
        raise ValueError(f"{key} has numbers that are not finite")
    return np.array(items, np.float64)


def to_buffers(found: Mapping[str, Array], camera: CameraMatrices | None) -> dict[str, Array]:
    """Buffers of a frame.

    Args:
        found: annotator -> its array: distances (H,W) or (H,W,1), `normals` (H,W,3 or 4) float or uint8,
            `motion_vectors` (H,W,2 or more).
        camera: None where it is not known.
    """
    buffers: dict[str, Array] = {}
    distances = {name: _something(found[name]) for name in (AXIS, RAY) if name in found}
    if AXIS in distances:
        buffers["depth"] = distances[AXIS].astype(np.float32)
    elif RAY in distances and camera:
        buffers["depth"] = geometry.depth_from_distance(distances[RAY], camera.projection).astype(np.float32)
    elif RAY in distances:
        buffers["x_distance"] = np.where(np.isinf(distances[RAY]), 0, distances[RAY]).astype(np.float32)
    if "normals" in found:
        given = found["normals"][..., :3]
        if camera:
            buffers["normal"] = view_normals(given, camera.view).astype(np.float16)
        else:
            buffers["x_world_normal"] = np.ascontiguousarray(
                given if given.dtype == np.uint8 else given.astype(np.float16)
            )
    if MOTION in found:
        buffers["motion"] = np.ascontiguousarray(found[MOTION][..., :2].astype(np.float32))
    return buffers


def _something(distance: Array) -> Floats:
    """Distances (H,W), inf where nothing is."""
    flat: Floats = distance.reshape(distance.shape[:2]).astype(np.float64)
    return np.where(flat > 0, flat, np.inf)


def view_normals(given: Array, view: Floats) -> npt.NDArray[np.float64]:
    """Unit normals in view space (H,W,3) from those of the world, uint8 for 0.5 n + 0.5; 0 where there is none."""
    # The image was rounded down: the middle of the step is half a step up.
    world = given.astype(np.float64)
    world = (world + 0.5) / 255 * 2 - 1 if given.dtype == np.uint8 else world
    length = np.linalg.norm(world, axis=-1, keepdims=True)
    return np.where(length > MIN_LENGTH, geometry.turn(world / np.maximum(length, MIN_LENGTH), view), 0)


def read(job: Job, info: ShardInfo) -> SourceFrame:
    """Read a frame: the files of its number."""
    files = dict(job.others)
    found: dict[str, Array] = {name: read_npy(files[name], "f", (2, 3)) for name in (AXIS, RAY) if name in files}
    for name, distance in found.items():
        if distance.shape[2:] not in ((), (1,)):
            raise InputError(f"{files[name]}: is {distance.shape}, wanted (H, W); write the folder again")
    found |= {name: _read_vectors(files[name], count) for name, count in (("normals", 3), (MOTION, 2)) if name in files}
    camera = None
    if CAMERA in files:
        try:
            camera = camera_of(read_json(files[CAMERA]))
        except ValueError as error:
            raise InputError(f"{files[CAMERA]}: {error}; write the folder again") from error
    ids = _ids(job, info)
    image = read_image(job.file)
    for name, array in (*found.items(), *ids.items()):
        if array.shape[:2] != image.shape[:2]:
            raise InputError(f"{job.file}: is {image.shape[:2]}, its {name} {array.shape[:2]}; wanted one size")
    with np.errstate(all="ignore"):  # of damaged numbers; `check` finds what is no number
        buffers = to_buffers(found, camera)
    frame = Frame(
        job.frame, image, buffers, ids, camera.view if camera else None, camera.projection if camera else None
    )
    return SourceFrame(frame, ", ".join((*buffers, *ids)) + ("" if camera else "; no pinhole camera: no view space"))


def _read_vectors(path: Path, min_channels: int) -> Array:
    """(H,W,n), n being `min_channels` or more."""
    pixels = read_npy(path, "f", (3,)) if path.suffix == ".npy" else read_pixels(path)
    if pixels.ndim != 3 or pixels.shape[2] < min_channels or (path.suffix == ".png" and pixels.dtype != np.uint8):
        raise InputError(
            f"{path}: is {pixels.dtype} {pixels.shape}, wanted vectors (H, W, 3 or 4), of 8 bits in a .png"
        )
    return pixels


def _ids(job: Job, info: ShardInfo) -> dict[str, Array]:
    files, ids = dict(job.others), dict[str, Array]()
    try:
        if SEMANTIC in files:
            path = files[SEMANTIC]
            table = {key: info.classes.index(name) for key, name in labels(job).items()}
            ids["class"] = by_table(read_pixels(path), table, 0).astype(np.uint8)
        for name in INSTANCES:
            if name in files and f"{name}_mapping" in files and "object" not in ids:
                path = files[name]
                ids["object"] = by_table(read_pixels(path), _objects(_table(files[f"{name}_mapping"])), 0)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    return ids


def _objects(table: dict[tuple[int, ...], object]) -> dict[tuple[int, ...], int]:
    """Ids of objects, from 1, in the order of their paths in the scene; 0 for the background."""
    paths = {key: str(value) for key, value in table.items()}
    order = {path: i for i, path in enumerate(sorted(set(paths.values()) - {BACKGROUND}), 1)}
    return {key: order.get(path, 0) for key, path in paths.items()}


SOURCE = PlainSource(
    name="replicator",
    reads="folders of Omniverse Replicator's BasicWriter (Isaac Sim)",
    conventions=(
        "right-handed; normals of the world, turned by camera_params; depth along the axis, or along the ray and "
        "converted; motion to the previous frame, pixels; images as shown"
    ),
    find=find,
    shard_info=shard_info,
    read=read,
)
