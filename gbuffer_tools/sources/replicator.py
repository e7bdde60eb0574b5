"""Folders that Omniverse Replicator's writers (Isaac Sim) fill: one file per frame and annotator.

The BasicWriter's:

    rgb_0000.png                                   beside all others; or, with several render products,
    PRODUCT/rgb_0000.png  PRODUCT_rgb_0000.png     or each annotator in a folder of its own: PRODUCT/rgb/rgb_0000.png
    camera_params_0000.json                        matrices for row vectors; view space is OpenGL's, in scene units
    distance_to_image_plane_0000.npy               metres along the view axis; where nothing is, inf, or 0 as documented
    distance_to_camera_0000.npy                    metres along the ray
    normals_0000.png, .npy                         world space, right-handed; 0.5 n + 0.5 in the image, rounded down
    motion_vectors_0000.npy                        to where the pixel was: +x it moved left, +y it moved up
    semantic_segmentation_0000.png                 ids or colours, explained by semantic_segmentation_labels_0000.json
    instance_segmentation_0000.png                 likewise, with instance_segmentation_mapping_0000.json

Scripts with their own writer choose names; these are read: ldr_color_0.png for the picture; depth_0.png or .npy;
semantic_0.png, with semantic_labels_0.json or semantic_0.json, or without. Nothing says what such a depth means:
NVIDIA's example (synthetic-data-examples, replicator_augmentation_example.py) stores 65535 (1 - metres / 100) in it,
others store millimetres. It becomes `x_depth`, not depth. For the pose writer's files, see omniverse/pose_writer.py.

NVIDIA's documentation (omni.replicator.core, annotators_details) gives no unit for motion vectors; its example for a
512-pixel image prints -93.8 to 23.5, which can only be pixels. Their y, downwards to where the pixel was, has the same
direction as the frame file's. Without camera parameters, normals and distances along rays stay as they are,
`x_world_normal` and `x_distance` (0 where nothing is).
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gbuffer_tools import geometry
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import MAX_CLASSES, Array, Frame
from gbuffer_tools.frame_file.naming import fit_name, shard_name
from gbuffer_tools.io.arrays import not_numbers, read_npy
from gbuffer_tools.io.folders import Walk
from gbuffer_tools.io.images import read_image, read_pixels
from gbuffer_tools.io.label_maps import by_table, distinct, plane
from gbuffer_tools.io.text import read_json
from gbuffer_tools.source import NO_PICTURE, Job, PlainSource, ShardInfo, SourceFrame
from gbuffer_tools.sources.omniverse import labels
from gbuffer_tools.sources.omniverse.camera import CameraMatrices, camera_of
from gbuffer_tools.sources.omniverse.labels import BACKGROUND, UNLABELLED
from gbuffer_tools.sources.omniverse.pose_writer import read_pose, written

Floats = npt.NDArray[np.floating]

RGB, AXIS, RAY, MOTION, CAMERA = (
    "rgb", "distance_to_image_plane", "distance_to_camera", "motion_vectors", "camera_params",
)  # fmt: skip
SEMANTIC, LABELS = "semantic_segmentation", "semantic_segmentation_labels"
INSTANCES = ("instance_segmentation", "instance_id_segmentation")
OWN_DEPTH, OWN_SEMANTIC, POSE = "depth", "semantic", "pose"
ROLES = {
    RGB: ("png", "jpg", "jpeg"), "ldr_color": ("png", "jpg", "jpeg"), "normals": ("png", "npy"), AXIS: ("npy",),
    RAY: ("npy",), MOTION: ("npy",), CAMERA: ("json",), SEMANTIC: ("png",), LABELS: ("json",),
    **{name: ("png",) for name in INSTANCES}, **{f"{name}_mapping": ("json",) for name in INSTANCES},
    OWN_DEPTH: ("png", "npy"), OWN_SEMANTIC: ("png", "json"), "semantic_labels": ("json",),
}  # fmt: skip
SAME = {("ldr_color", suffix): RGB for suffix in ROLES[RGB]} | {
    ("semantic_labels", "json"): LABELS, (OWN_SEMANTIC, "json"): LABELS,
}  # fmt: skip
"""An annotator's other name, and the file's suffix -> the BasicWriter's name."""
SURE = {AXIS, RAY, MOTION}
"""What no other program writes; it makes a frame even without a picture."""
THEIRS = {*SURE, CAMERA, SEMANTIC, *INSTANCES, POSE}
"""What shows that Replicator was the writer; anyone may call files rgb_1, depth_1 and normals_1."""
NAME = re.compile(rf"(?:(?P<product>.+?)_)?(?P<role>{'|'.join(ROLES)})_(?P<number>[0-9]{{1,12}})\.(?P<suffix>[a-z]+)")
# Below this, an image's normal counts as none: the middle of the range is one step away from 0.
MIN_LENGTH = 0.02
OWN_NAMES = "rgb, depth and the like, by the names of Replicator's scripts"
UNSTATED_DEPTH = "no file says what x_depth means"

Files = dict[str, Path]


def find(there: Walk) -> list[Job]:
    """The frames from annotators' files in a folder and its subfolders; if there are none, those of the pose writer.

    A picture makes a frame if it, or another one beside it, has an annotator's file.
    """
    if there.alone:
        return []
    path, files = there.folder, list(there.files)
    shards: dict[tuple[Path, str], dict[int, Files]] = {}
    for file in files:
        match = NAME.fullmatch(file.name)
        if match and match["suffix"] in ROLES[match["role"]]:
            # An annotator's own folder; the root may happen to be named like one.
            base = file.parent.parent if file.parent.name in ROLES and file.parent != path else file.parent
            role = SAME.get((match["role"], match["suffix"]), match["role"])
            frames = shards.setdefault((base, match["product"] or ""), {})
            frames.setdefault(int(match["number"]), {}).setdefault(role, file)
    jobs = [job for key, frames in sorted(shards.items()) for job in _jobs(_shard(path, *key), key, frames)]
    return jobs or list(_posed(path, files))


def _shard(path: Path, base: Path, product: str) -> str:
    return fit_name("-".join(filter(None, (shard_name(path, base), product))))


def _jobs(shard: str, key: tuple[Path, str], frames: dict[int, Files]) -> Iterator[Job]:
    """The frames of a render product. If no frame has a picture, arrays make frames without one."""
    pictures = any(RGB in files for files in frames.values())
    if not any((RGB in files and len(files) > 1) or SURE & set(files) for files in frames.values()):
        return
    base, product = key
    for number, files in sorted(frames.items()):
        if pictures or SURE & set(files):
            first = next((files[role] for role in files if role in SURE), next(iter(files.values())))
            missing = base / f"{f'{product}_' if product else ''}rgb_{first.stem.rpartition('_')[2]}.png"
            file = files.get(RGB, missing if pictures else first)
            others = tuple((role, files[role]) for role in sorted(files) if role != RGB)
            yield Job(shard, f"{number:04d}", file, number, others)


def _posed(path: Path, files: list[Path]) -> Iterator[Job]:
    found = list(written(files))
    pictures = any(picture for *_, picture in found)
    for file, product, number, picture in found:
        image = picture or (file.with_suffix(".png") if pictures else file)
        yield Job(_shard(path, file.parent, product), f"{number:06d}", image, number, ((POSE, file),))


def shard_info(jobs: list[Job]) -> ShardInfo:
    """Background, unlabelled, then all classes named in these frames' label files, sorted.

    Label maps that nothing explains are read to find their colours; each becomes a class.
    """
    for job in jobs:
        if not job.file.is_file():
            raise InputError(f"{job.file}: is not there, but other files of this frame are; add it, or remove them")
    classes = _classes([dict(job.others) for job in jobs])
    if len(classes) > MAX_CLASSES:
        raise InputError(f"{jobs[0].file}: its frames have {len(classes)} classes, wanted at most {MAX_CLASSES}")
    for job in jobs:
        if POSE in dict(job.others):
            read_pose(dict(job.others)[POSE])
    roles = {role for job in jobs for role in dict(job.others)}
    source = "Omniverse Replicator" if roles & THEIRS else OWN_NAMES
    return ShardInfo(source, "replicator", classes)


def _classes(frames: list[Files]) -> tuple[str, ...]:
    for files in frames:
        if SEMANTIC in files and LABELS not in files:
            number = files[SEMANTIC].stem.rpartition("_")[2]
            raise InputError(f"{files[SEMANTIC]}: has no {LABELS}_{number}.json beside it; add it")
    tables = [files[LABELS] for files in frames if LABELS in files and (SEMANTIC in files or OWN_SEMANTIC in files)]
    named = {name for path in tables for name in labels.class_names(path).values()} - {BACKGROUND, UNLABELLED}
    alone = labels.seen(files[OWN_SEMANTIC] for files in frames if OWN_SEMANTIC in files and LABELS not in files)
    return (BACKGROUND, UNLABELLED, *sorted(named), *alone) if tables else alone


def to_buffers(found: Mapping[str, Array], camera: CameraMatrices | None) -> dict[str, Array]:
    """Buffers of a frame.

    Args:
        found: annotator -> its array: distances (H,W) or (H,W,1), `normals` (H,W,3 or 4) float or uint8,
            `motion_vectors` (H,W,2 or more), a script's own `depth` (H,W) or (H,W,C).
        camera: None if unknown.
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
    if OWN_DEPTH in found:
        given = plane(found[OWN_DEPTH])
        buffers["x_depth"] = np.ascontiguousarray(given.astype(np.float32) if given.dtype.kind == "f" else given)
    return buffers


def _something(distance: Array) -> Floats:
    """Distances (H,W), inf where there is nothing."""
    flat: Floats = distance.reshape(distance.shape[:2]).astype(np.float64)
    return np.where(np.isnan(flat) | geometry.nothing_drawn(flat), np.inf, flat)


def view_normals(given: Array, view: Floats) -> npt.NDArray[np.float64]:
    """View-space unit normals (H,W,3) from world normals, uint8 for 0.5 n + 0.5; 0 where there is none."""
    # The image was rounded down: the middle of a step is half a step up.
    world = given.astype(np.float64)
    world = (world + 0.5) / 255 * 2 - 1 if given.dtype == np.uint8 else world
    length = np.linalg.norm(world, axis=-1, keepdims=True)
    return np.where(length > MIN_LENGTH, geometry.turn(world / np.maximum(length, MIN_LENGTH), view), 0)


def read(job: Job, info: ShardInfo) -> SourceFrame:
    """Read a frame: the files with its number."""
    files = dict(job.others)
    if POSE in files:
        return _read_posed(job)
    found = _arrays(files)
    camera = None
    if CAMERA in files:
        try:
            camera = camera_of(read_json(files[CAMERA]))
        except ValueError as error:
            raise InputError(f"{files[CAMERA]}: {error}; write the folder again") from error
    ids = _ids(files, info)
    pictured = job.file not in files.values()
    size = next(iter(found.values())).shape[:2] if found else (1, 1)
    image = read_image(job.file) if pictured else np.zeros((*size, 3), np.uint8)
    for name, array in (*found.items(), *ids.items()):
        if array.shape[:2] != image.shape[:2]:
            raise InputError(f"{job.file}: is {image.shape[:2]}, its {name} {array.shape[:2]}; wanted one size")
    with np.errstate(all="ignore"):  # damaged numbers; `check` finds nan
        buffers = to_buffers(found, camera)
    view, projection = (camera.view, camera.projection) if camera else (None, None)
    notes = [
        ", ".join((*buffers, *ids)) or "RGB alone",
        "" if pictured else f"no rgb: {NO_PICTURE}",
        "" if camera else "no pinhole camera: no view space",
        UNSTATED_DEPTH if OWN_DEPTH in found else "",
        "classes are colours, which no file names" if OWN_SEMANTIC in files and LABELS not in files else "",
        not_numbers(found),
    ]
    lacks = "" if files else "it has no other annotator's file"
    return SourceFrame(
        Frame(job.frame, image, buffers, ids, view, projection), "; ".join(filter(None, notes)), lacks=lacks
    )


def _read_posed(job: Job) -> SourceFrame:
    path = dict(job.others)[POSE]
    camera, size = read_pose(path)
    pictured = job.file != path
    image = read_image(job.file) if pictured else np.zeros((*size, 3), np.uint8)
    if image.shape[:2] != size:
        raise InputError(f"{job.file}: is {image.shape[:2]}, its camera's pictures are {size}; write the folder again")
    view, projection = (camera.view, camera.projection) if camera else (None, None)
    note = "camera alone" if camera else "RGB alone; no pinhole camera"
    frame = Frame(job.frame, image, view=view, projection=projection)
    return SourceFrame(frame, note if pictured else f"{note}; {NO_PICTURE}")


def _arrays(files: Files) -> dict[str, Array]:
    """The arrays of annotators whose pixels are numbers, by annotator name."""
    found: dict[str, Array] = {name: read_npy(files[name], "f", (2, 3)) for name in (AXIS, RAY) if name in files}
    for name, distance in found.items():
        if distance.shape[2:] not in ((), (1,)):
            raise InputError(f"{files[name]}: is {distance.shape}, wanted (H, W); write the folder again")
    found |= {name: _read_vectors(files[name], count) for name, count in (("normals", 3), (MOTION, 2)) if name in files}
    if OWN_DEPTH in files:
        path = files[OWN_DEPTH]
        found[OWN_DEPTH] = read_npy(path, "f", (2, 3)) if path.suffix == ".npy" else read_pixels(path)
    return found


def _read_vectors(path: Path, min_channels: int) -> Array:
    """(H,W,n), where n is `min_channels` or more."""
    pixels = read_npy(path, "f", (3,)) if path.suffix == ".npy" else read_pixels(path)
    if pixels.ndim != 3 or pixels.shape[2] < min_channels or (path.suffix == ".png" and pixels.dtype != np.uint8):
        raise InputError(
            f"{path}: is {pixels.dtype} {pixels.shape}, wanted vectors (H, W, 3 or 4), of 8 bits in a .png"
        )
    return pixels


def _ids(files: Files, info: ShardInfo) -> dict[str, Array]:
    ids = dict[str, Array]()
    semantic = files.get(SEMANTIC, files.get(OWN_SEMANTIC))
    try:
        if semantic:
            path = semantic
            ids["class"] = _class_ids(path, files.get(LABELS), info).astype(np.uint8)
        for name in INSTANCES:
            if name in files and f"{name}_mapping" in files and "object" not in ids:
                path = files[name]
                table = labels.objects(labels.table(files[f"{name}_mapping"]))
                ids["object"] = by_table(labels.read_label_map(path, _width(table)), table, 0)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    return ids


def _class_ids(path: Path, named: Path | None, info: ShardInfo) -> npt.NDArray[np.uint32]:
    if named:
        table = {key: info.classes.index(name) for key, name in labels.class_names(named).items()}
        return by_table(labels.read_label_map(path, _width(table)), table, 0)
    pixels = read_pixels(path)
    values, inverse = distinct(pixels)
    found = np.array([info.classes.index(labels.text_of(value)) for value in values], np.uint32)
    return found[inverse].reshape(pixels.shape[:2])


def _width(table: Mapping[tuple[int, ...], int]) -> int:
    """1 for a table of ids, 4 for one of colours."""
    return len(next(iter(table), (0,)))


SOURCE = PlainSource(
    name="replicator",
    reads="folders of Omniverse Replicator (Isaac Sim): BasicWriter, scripts' own names, the pose writer",
    conventions=(
        "right-handed; normals of the world, turned by camera_params; depth along the axis, or along the ray and "
        "converted; motion to the previous frame, pixels; images as shown"
    ),
    beside=("metadata.txt", "bounding_box_*", "pointcloud_*", "occlusion_*", "skeleton_data_*", "*_overlay.*"),
    find=find,
    shard_info=shard_info,
    read=read,
)
