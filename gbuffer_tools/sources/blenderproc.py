"""BlenderProc containers: N.hdf5, one frame each, with its buffers as datasets in the root.

What they hold follows from BlenderProc's code (DLR-RM/BlenderProc: WriterUtility, RendererUtility, FlowRendererUtility,
CameraUtility). Space is Blender's camera space, which is the frame file's view space: x right, y up, z to the camera.

 * normals: the compositor rotates Blender's world normals n by (R X)^T, where R is the camera's rotation and X rotates
   by -90 degrees about x. With v = R^T n, the normal in camera space, that is X^T v = (v.x, -v.z, v.y). It stores 0.5
   plus 0.5, -0.5, 0.5 times these, with the last two swapped: 0.5 v + 0.5, as the two swaps cancel out. The background
   is 0.5.
 * depth is along the axis, distance along the ray, in metres. The background is 1e10, or 65504 after half precision;
   if anti-aliased, it is BlenderProc's largest distance, 10000.
 * K has the first pixel's centre at 0: half a pixel from the frame file's.
 * backward_flow points to where a pixel was, forward_flow to where it will be, both with y down (measured with Blender
   3.4: for what moves right and up, its vector pass has negative red and green, which BlenderProc uses, y negated).
 * colors have 8 bits, as shown. diffuse has 8 bits through the scene's view transform, by default Filmic, which cannot
   be undone (measured: 0.5 becomes 177 of 255, sRGB would be 188): `x_diffuse`. Written as OPEN_EXR it has floats,
   linear light: albedo.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gbuffer_tools import geometry
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import MAX_CLASSES, MAX_FRAME_BYTES, MAX_SIDE, Array, Frame
from gbuffer_tools.frame_file import hdf5
from gbuffer_tools.frame_file.naming import fit_name, shard_name
from gbuffer_tools.io.arrays import not_numbers
from gbuffer_tools.io.folders import Walk
from gbuffer_tools.io.late import LateModule
from gbuffer_tools.io.text import MAX_JSON_BYTES, parse_json, plain
from gbuffer_tools.source import Job, PlainSource, ShardInfo, SourceFrame
from gbuffer_tools.sources import hypersim

if TYPE_CHECKING:
    import h5py
else:
    h5py = LateModule("h5py")

Matrix = npt.NDArray[np.float64]

Types = frozenset[np.dtype[np.generic]]

BYTES: Types = frozenset([np.dtype("u1")])
FLOATS: Types = frozenset(np.dtype(kind) for kind in ("f2", "f4", "f8"))
NUMBERS: Types = FLOATS.union(np.dtype(kind) for kind in ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8"))
# Dataset -> types, and channels; 0: no channel axis.
KNOWN: dict[str, tuple[Types, tuple[int, ...]]] = {
    "colors": (BYTES, (3, 4)), "depth": (FLOATS, (0, 1)), "distance": (FLOATS, (0, 1)), "normals": (FLOATS, (3,)),
    "diffuse": (BYTES | FLOATS, (3, 4)), "category_id_segmaps": (NUMBERS, (0, 1)), "class_segmaps": (NUMBERS, (0, 1)),
    "instance_segmaps": (NUMBERS, (0, 1)), "forward_flow": (FLOATS, (2,)), "backward_flow": (FLOATS, (2,)),
}  # fmt: skip
CLASSES = ("category_id_segmaps", "class_segmaps")
CAMERAS = ("camera_pose", "cam_states", "campose")
ATTRIBUTES = ("instance_attribute_maps", "segcolormap")
# Datasets of numbers -> what `camera_of` calls them.
MATRICES = {"cam_K": ("cam_K", (3, 3)), "campose": ("cam2world", (4, 4)), "cam2world": ("cam2world", (4, 4))}
VERSION = "blender_proc_version"
WANTED = "a container of BlenderProc"
EYES = ("", "-left", "-right")
MAX_DISTANCE, MAX_DISTANCE_TOLERANCE = 1e4, 0.1
PLANES = (0.1, 1000.0)
"""Near and far plane. The files do not hold them; these are Blender's defaults."""
MIN_LENGTH = 0.1
LARGEST = sys.float_info.max
"""JSON may have larger whole numbers."""


def find(there: Walk) -> list[Job]:
    """The containers in a folder and its subfolders, or a single one. Stereo pairs are two frames."""
    folders = dict[Path, list[Path]]()
    for file in there.of((".hdf5",)):
        if not hypersim.NAME.fullmatch(file.name):
            folders.setdefault(file.parent, []).append(file)
    return [job for files in folders.values() for job in _jobs(there.folder, files, there.alone)]


def _jobs(root: Path, files: list[Path], alone: bool) -> list[Job]:
    """The frames of a folder's files. If none is BlenderProc's, only unreadable ones and one named `alone` are kept;
    `shard_info` tells what is wrong with them."""
    eyes = {file: _eyes(file) for file in files}
    if not alone and not any(eyes.values()):
        eyes = {file: count for file, count in eyes.items() if count is None}
    return [
        Job(shard_name(root, file.parent), _frame_name(file, eye), file, eye)
        for file, count in eyes.items()
        for eye in ((1, 2) if count == 2 else (0,))
    ]


def _frame_name(file: Path, eye: int) -> str:
    number = re.fullmatch("[0-9]{1,9}", file.stem)
    return fit_name((f"{int(file.stem):06d}" if number else file.stem) + EYES[eye])


def _eyes(file: Path) -> int | None:
    """1, or 2 for a stereo pair; 0 if the file is not BlenderProc's, None if it cannot be read."""
    try:
        with hdf5.open_read(file, WANTED) as container, hdf5.broken(file, "the root"):
            if "colors" in container and isinstance(container.get("colors", getlink=True), h5py.HardLink):
                return 2 if getattr(container["colors"], "ndim", 0) == 4 else 1
            return 2 if "colors_0" in container and "colors_1" in container else 0
    except InputError:
        return None


def shard_info(jobs: list[Job]) -> ShardInfo:
    """Version and classes, named by the attribute maps of all frames.

    A class has the name of its objects if they all have the same name.
    """
    named: dict[int, set[str]] = {}
    version, classes = "", False
    for job in jobs:
        with hdf5.open_read(job.file, WANTED) as container, hdf5.broken(job.file, "the root"):
            there = hdf5.names(container, job.file)
            if not {"colors", "colors_0"} & set(there):
                held = ", ".join(map(plain, there[:10])) or "nothing"
                raise InputError(f"{job.file}: has no colors, it holds {held}; wanted {WANTED} with its picture")
            for key in KNOWN:
                _dataset(container, there, key, job)
            classes = classes or any(key.removesuffix("_0") in CLASSES for key in there)
            for row in _rows(container, there, job.file, ATTRIBUTES):
                number = row.get("category_id", row.get("class"))
                if type(number) is int and 0 <= number < MAX_CLASSES:
                    found = row.get("category_name", re.sub(r"\.\d{3}$", "", str(row.get("name", ""))))
                    named.setdefault(number, set()).add(plain(found))
            if VERSION in there:
                version = plain(hdf5.text_in(container, VERSION, job.file, max_bytes=64))
    source = f"BlenderProc {version}".strip()
    return ShardInfo(source, "blenderproc", class_names(named) if classes else ())


def class_names(named: Mapping[int, set[str]]) -> tuple[str, ...]:
    """Names by number: "class N" if the objects of a class have several names, or no file gives any."""
    only = {number: next(iter(names)) for number, names in named.items() if len(names) == 1 and "" not in names}
    count = max(named) + 1 if named else MAX_CLASSES
    return tuple("background" if i == 0 and i not in only else only.get(i, f"class {i}") for i in range(count))


def _rows(container: h5py.File, there: list[str], file: Path, keys: tuple[str, ...]) -> Iterator[dict[str, object]]:
    """The objects in the first existing one of the JSON texts `keys`: a list of them, or a single one."""
    for key in keys:
        if key in there and hdf5.is_text(container[key]):
            text = hdf5.text_in(container, key, file, max_bytes=MAX_JSON_BYTES)
            read = parse_json(text, f"{file}: /{key}")
            yield from (row for row in (read if isinstance(read, list) else [read]) if isinstance(row, dict))
            return


def _camera_row(container: h5py.File, there: list[str], file: Path) -> dict[str, object]:
    """What a container says about its camera: a JSON object, and matrices stored as datasets."""
    row = next(_rows(container, there, file, CAMERAS), {})
    for key, (becomes, shape) in MATRICES.items():
        if key in there and getattr(container[key], "shape", None) == shape:
            row.setdefault(becomes, hdf5.dataset_in(container, key, file, hdf5.either_order(FLOATS))[()].tolist())
    return row


def _dataset(container: h5py.File, there: list[str], key: str, job: Job) -> h5py.Dataset | None:
    """The dataset of a buffer, that of the job's eye if it has its own; checked before any of it is read."""
    name = f"{key}_{job.index - 1}" if job.index and key not in there else key
    if name not in there:
        return None
    dtypes, channels = KNOWN[key]
    found = hdf5.dataset_in(container, name, job.file, hdf5.either_order(dtypes))
    shape = _shape(found, job, key, there)
    fits = (0 if len(shape) == 2 else shape[2] if len(shape) == 3 else -1) in channels
    if not fits or not 0 < min(shape) <= max(shape) <= MAX_SIDE:
        raise InputError(f"{job.file}: /{name} has shape {found.shape}, wanted (H, W) and {channels[-1]} channels")
    if math.prod(found.shape) * found.dtype.itemsize > MAX_FRAME_BYTES:
        raise InputError(f"{job.file}: /{name} takes more than {MAX_FRAME_BYTES:,} bytes")
    return found


def _shape(data: h5py.Dataset, job: Job, key: str, there: list[str]) -> tuple[int, ...]:
    """The shape of one eye's array."""
    shape: tuple[int, ...] = data.shape
    return shape[1:] if _both_eyes(job, key, there) and shape[:1] == (2,) else shape


def _both_eyes(job: Job, key: str, there: list[str]) -> bool:
    """Whether a dataset holds both eyes of a pair, (2,H,W) or (2,H,W,C)."""
    return job.index > 0 and key in there


def camera_of(row: Mapping[str, object], size: tuple[int, int]) -> tuple[Matrix, Matrix] | None:
    """(view, projection) from what scripts store about a camera; None if it lacks a pose or intrinsics.

    Args:
        row: `cam_K` (9 numbers or 3 x 3) or `fov_x`, `fov_y` (radians); and `cam2world`, `cam2world_matrix` (4 x 4,
            Blender's camera), or its `location`, `rotation_euler` (XYZ, radians), or `cam_R_w2c`, `cam_t_w2c`
            (OpenCV's camera).
        size: (height, width), pixels.

    Raises:
        ValueError: the matrices are not a camera's.
    """
    height, width = size
    if "cam_K" in row:
        k = _numbers(row["cam_K"], 9).reshape(3, 3)
        focal, centre = (k[0, 0], k[1, 1]), (k[0, 2] + 0.5, k[1, 2] + 0.5)
        if k[0, 1] or k[1, 0] or k[2].tolist() != [0, 0, 1]:
            raise ValueError("cam_K is sheared, or no matrix of intrinsics")
    elif "fov_x" in row and "fov_y" in row:
        half = np.tan(_numbers([row["fov_x"], row["fov_y"]], 2) / 2)
        focal, centre = (width / 2 / half[0], height / 2 / half[1]), (width / 2, height / 2)
    else:
        return None
    view = _view(row)
    if view is None:
        return None
    if min(focal) <= 0 or not geometry.is_rigid(view):
        raise ValueError("the camera's rotation or focal length is none")
    return view, geometry.projection_from_intrinsics(focal, centre, (width, height), PLANES)


def _view(row: Mapping[str, object]) -> Matrix | None:
    """World to view from a script's stored pose, in any of its forms."""
    pose = row.get("cam2world", row.get("cam2world_matrix"))
    if pose is not None:
        return geometry.view_from_pose(_numbers(pose, 16).reshape(4, 4))
    if "location" in row and "rotation_euler" in row:
        placed = np.eye(4)
        placed[:3, :3], placed[:3, 3] = euler(_numbers(row["rotation_euler"], 3)), _numbers(row["location"], 3)
        return geometry.view_from_pose(placed)
    if "cam_R_w2c" in row and "cam_t_w2c" in row:
        flip = np.diag([1.0, -1, -1])  # OpenCV's y is down, its z forward
        view = np.eye(4)
        view[:3, :3] = flip @ _numbers(row["cam_R_w2c"], 9).reshape(3, 3)
        view[:3, 3] = flip @ _numbers(row["cam_t_w2c"], 3)
        return view
    return None


def euler(angles: Matrix) -> Matrix:
    """The rotation (3,3) of Blender's Euler angles in its order XYZ: about x first, then y, then z; radians."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    turned: Matrix = about_z @ about_y @ about_x
    return turned


def _numbers(value: object, count: int) -> Matrix:
    flat = [n for row in value for n in (row if isinstance(row, list) else [row])] if isinstance(value, list) else []
    if len(flat) != count or not all(type(n) in (int, float) and abs(n) <= LARGEST for n in flat):
        raise ValueError(f"a camera has {str(value)[:60]}, wanted {count} numbers")
    return np.array(flat, np.float64)


def to_buffers(found: Mapping[str, Array], projection: Matrix | None) -> dict[str, Array]:
    """Buffers of a frame.

    Args:
        found: the datasets, by BlenderProc's names: depth or distance (H,W), normals (H,W,3) in [0,1], diffuse (H,W,3)
            uint8 or linear floats, flows (H,W,2).
        projection: None if unknown; distances along the rays then stay as they are, 0 for nothing.
    """
    buffers: dict[str, Array] = {}
    nothing: npt.NDArray[np.bool_] | None = None
    if "depth" in found or "distance" in found:
        name, metres, nothing = distances(found, projection)
        buffers[name] = np.where(nothing, np.inf if name == "depth" else 0, metres).astype(np.float32)
    if "normals" in found:
        normal = 2 * found["normals"].astype(np.float64) - 1
        length = np.linalg.norm(normal, axis=-1, keepdims=True)
        none = length < MIN_LENGTH if nothing is None else nothing[..., None] | (length < MIN_LENGTH)
        buffers["normal"] = np.where(none, 0, normal / np.maximum(length, MIN_LENGTH)).astype(np.float16)
    if "diffuse" in found:
        colour = found["diffuse"][..., :3]
        if colour.dtype == np.uint8:
            buffers["x_diffuse"] = np.ascontiguousarray(colour)
        else:
            buffers["albedo"] = np.clip(colour.astype(np.float32), 0, 1).astype(np.float16)
    for name, becomes in (("backward_flow", "motion"), ("forward_flow", "x_forward_flow")):
        if name in found:
            buffers[becomes] = found[name].astype(np.float32)
    return buffers


def distances(found: Mapping[str, Array], projection: Matrix | None) -> tuple[str, Matrix, npt.NDArray[np.bool_]]:
    """The buffer for depth or distance, (H,W) metres, and where nothing was drawn."""
    values = found["depth" if "depth" in found else "distance"].astype(np.float64)
    axis = 1.0 if projection is None else geometry.depth_from_distance(np.ones(values.shape), projection)
    along = values / axis if "depth" in found else values
    blended = np.abs(along - MAX_DISTANCE) < MAX_DISTANCE_TOLERANCE
    nothing = geometry.nothing_drawn(along) | (along >= geometry.HALF_MAX) | blended | np.isnan(along)
    if "depth" in found:
        return "depth", values, nothing
    return "x_distance" if projection is None else "depth", values * axis, nothing


def read(job: Job, info: ShardInfo) -> SourceFrame:
    """Read a container, or one eye of it."""
    with hdf5.open_read(job.file, WANTED) as container, hdf5.broken(job.file, "its datasets"):
        there = hdf5.names(container, job.file)
        datasets = {key: _dataset(container, there, key, job) for key in KNOWN}
        sizes = {key: _shape(data, job, key, there)[:2] for key, data in datasets.items() if data is not None}
        odd = next((key for key in sizes if sizes[key] != sizes["colors"]), None)
        if odd:
            raise InputError(f"{job.file}: colors are {sizes['colors']}, {odd} {sizes[odd]}; wanted one size")
        found: dict[str, Array] = {}
        for key, data in datasets.items():
            if data is None:
                continue
            values = hdf5.native(data[job.index - 1] if _both_eyes(job, key, there) else data[()])
            found[key] = values[..., 0] if values.ndim == 3 and 0 in KNOWN[key][1] else values
        row = _camera_row(container, there, job.file)
    image = np.ascontiguousarray(found.pop("colors")[..., :3])
    try:
        # The pose may be the left eye's or the middle's; nothing says which.
        camera = None if job.index else camera_of(row, (image.shape[0], image.shape[1]))
        ids = to_ids(found, len(info.classes))
    except ValueError as error:
        raise InputError(f"{job.file}: {error}; write it again") from error
    with np.errstate(all="ignore"):  # damaged numbers; `check` finds nan
        buffers = to_buffers(found, camera[1] if camera else None)
    view, projection = camera or (None, None)
    note = (", ".join((*buffers, *ids)) or "RGB alone") + ("" if camera else "; no camera")
    if unnamed := [i for i in np.unique(ids.get("class", ())) if info.classes[int(i)] == f"class {i}"]:
        numbers = ", ".join(map(str, unnamed[:10])) + (" …" if len(unnamed) > 10 else "")
        note += f"; no one name for the classes {numbers} in {' or '.join(ATTRIBUTES)}"
    if wrong := not_numbers(found):
        note += f"; {wrong}"
    return SourceFrame(Frame(job.frame, image, buffers, ids, view, projection), note)


def to_ids(found: Mapping[str, Array], classes: int) -> dict[str, Array]:
    """Classes and objects of a frame; raises `ValueError` for numbers that are not ids, or exceed the classes."""
    ids: dict[str, Array] = {}
    for name, dtype, keys in (("class", np.uint8, CLASSES), ("object", np.uint32, ("instance_segmaps",))):
        for key in keys:
            if key in found and name not in ids:
                values, highest = found[key], classes - 1 if name == "class" else 2**32 - 1
                with np.errstate(invalid="ignore"):  # nan
                    whole = values.astype(np.int64).clip(0, highest)
                if (whole != values).any():
                    raise ValueError(f"{key} has numbers other than 0..{highest}")
                ids[name] = values.astype(dtype)
    return ids


SOURCE = PlainSource(
    name="blenderproc",
    reads="BlenderProc's containers (.hdf5)",
    conventions=(
        "right-handed, Blender's camera space (x right, y up, z to the camera), normals 0.5 n + 0.5; depth along the "
        "axis, distance along the ray; colors as shown, diffuse linear where it has floats"
    ),
    find=find,
    shard_info=shard_info,
    read=read,
)
