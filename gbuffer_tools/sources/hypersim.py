"""Hypersim scenes (apple/ml-hypersim; what follows is from its README and contrib/mikeroberts3000): a file per buffer.

    SCENE/images/scene_cam_00_final_hdf5/frame.0000.color.hdf5             unbounded radiance; and
                 diffuse_reflectance, diffuse_illumination, residual       linear, with
                                                                           color = reflectance * illumination + residual
    SCENE/images/scene_cam_00_final_preview/frame.0000.tonemap.jpg         the picture, if there is no color
    SCENE/images/scene_cam_00_geometry_hdf5/frame.0000.depth_meters.hdf5   metres to the camera's centre; nan: nothing
                 normal_cam, normal_bump_cam                               camera space: x right, y up, z to the camera
                 semantic, semantic_instance, render_entity_id             NYU40, numbers; -1 for none
    SCENE/_detail/cam_00/camera_keyframe_orientations.hdf5, …_positions    camera to world, asset units
    SCENE/_detail/metadata_scene.csv                                       metres per asset unit
    metadata_camera_parameters.csv                                         lenses by scene; in any folder above

or all of a camera's files in one folder. The picture is tone-mapped as in Hypersim's scene_generate_images_tonemap.py:
a factor and the power 1 / 2.2 map the 90th percentile of the brightness to 0.8, so each frame has its own exposure.

Lenses have a horizontal field of view of 60 degrees, except in scenes with tilted or shifted lenses, which
metadata_camera_parameters lists. Its M_cam_from_uv takes (u, v, 1), u and v from -1 to 1, right and up, to a ray in
camera space.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gbuffer_tools import geometry
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import MAX_FRAME_BYTES, MAX_SIDE, Array, Frame
from gbuffer_tools.frame_file import hdf5
from gbuffer_tools.frame_file.naming import fit_name, shard_name
from gbuffer_tools.io.arrays import not_numbers
from gbuffer_tools.io.folders import Walk
from gbuffer_tools.io.images import read_image
from gbuffer_tools.io.late import LateModule
from gbuffer_tools.io.text import MAX_JSON_BYTES, read_text
from gbuffer_tools.source import NO_PICTURE, Job, PlainSource, ShardInfo, SourceFrame

if TYPE_CHECKING:
    import h5py
else:
    h5py = LateModule("h5py")

Matrix = npt.NDArray[np.float64]

NAME = re.compile(r"(?:frame\.(?P<number>[0-9]{1,9})\.(?P<role>[a-z_]+)|camera_keyframe_[a-z_]+)\.(?:hdf5|jpg|png)")
IMAGES = re.compile(r"scene_(?P<camera>.+)_(?:final|geometry)_(?:hdf5|preview)")
FLOATS = frozenset(np.dtype(kind) for kind in ("f2", "f4", "f8"))
WHOLE = frozenset(np.dtype(kind) for kind in ("i2", "i4", "i8", "u1", "u2", "u4"))
# Role -> types and channels; 0: no channel axis.
KNOWN: dict[str, tuple[frozenset[np.dtype[np.generic]], int]] = {
    "color": (FLOATS, 3), "depth_meters": (FLOATS, 0), "normal_cam": (FLOATS, 3), "normal_world": (FLOATS, 3),
    "normal_bump_cam": (FLOATS, 3), "diffuse_reflectance": (FLOATS, 3), "diffuse_illumination": (FLOATS, 3),
    "residual": (FLOATS, 3), "semantic": (WHOLE, 0), "semantic_instance": (WHOLE, 0), "render_entity_id": (WHOLE, 0),
}  # fmt: skip
PICTURES = ("color", "tonemap")
CAMERAS = ("orientations", "positions")
SCENE, LENSES = "metadata_scene.csv", "metadata_camera_parameters.csv"
WANTED = "one of Hypersim's HDF5 files"
DEGREES = 60.0
PLANES = (0.01, 1000.0)
"""Metres; the files name none."""
# The 40 classes of NYU Depth v2 (Gupta, Arbelaez, Malik, CVPR 2013), which Hypersim's numbers refer to.
NYU40 = (
    "unlabeled", "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture",
    "counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes", "ceiling",
    "books", "refrigerator", "television", "paper", "towel", "shower curtain", "box", "whiteboard", "person",
    "night stand", "toilet", "sink", "lamp", "bathtub", "bag", "other structure", "other furniture", "other prop",
)  # fmt: skip
LICENCE = "CC BY-SA 3.0"
BRIGHTNESS, PERCENTILE, GAMMA = 0.8, 90, 2.2
LUMA = np.array([0.3, 0.59, 0.11])


@dataclass(frozen=True)
class Camera:
    """What is known about a frame's camera.

    Attributes:
        from_uv: (3,3), to rays in camera space.
        lens: where it comes from, in a few words.
        orientation: (3,3), camera to world.
        position: (3,), metres; None: the length of an asset unit is unknown.
    """

    from_uv: Matrix
    lens: str
    orientation: Matrix | None = None
    position: Matrix | None = None


def find(there: Walk) -> list[Job]:
    """The frames of the scenes in a folder, or of one of their files."""
    root = there.folder
    frames: dict[tuple[Path, str], dict[int, dict[str, Path]]] = {}
    for file in there.of((".hdf5", ".jpg", ".png")):
        match = NAME.fullmatch(file.name)
        if match and match["role"] in (*KNOWN, "tonemap") and (match["role"] == "tonemap") != (file.suffix == ".hdf5"):
            shard = frames.setdefault(_camera_folder(file), {})
            shard.setdefault(int(match["number"]), {}).setdefault(match["role"], file)
    return [
        job
        for (base, camera), shard in sorted(frames.items())
        for job in _jobs(_shard(root, base, camera), base, camera, root, shard)
    ]


def _shard(root: Path, base: Path, camera: str) -> str:
    """The name of a camera's frame file. The user may have named a folder inside the scene's, or a file."""
    scene = shard_name(root, base) if base == root or root in base.parents else base.resolve().name
    return fit_name("-".join(filter(None, (scene, camera))))


def _camera_folder(file: Path) -> tuple[Path, str]:
    """The scene's folder and the camera's name; the file's folder and "" if a camera's files are all in one folder."""
    match = IMAGES.fullmatch(file.parent.name)
    if not match:
        return file.parent, ""
    above = file.parent.parent
    return above.parent if above.name == "images" else above, match["camera"]


def _jobs(shard: str, base: Path, camera: str, root: Path, frames: dict[int, dict[str, Path]]) -> list[Job]:
    """The frames of a camera. If no frame has a picture, buffers make frames without one."""
    pictures = any(role in files for files in frames.values() for role in PICTURES)
    common = dict(_metadata(base, camera, root))
    jobs = []
    for number, files in sorted(frames.items()):
        first = next(iter(files.values()))
        missing = first.with_name(f"frame.{number:04d}.color.hdf5") if pictures else first
        file = next((files[role] for role in PICTURES if role in files), missing)
        others = tuple(sorted({**{role: f for role, f in files.items() if f != file}, **common}.items()))
        jobs.append(Job(shard, f"{number:04d}", file, number, others))
    return jobs


def _metadata(base: Path, camera: str, root: Path) -> list[tuple[str, Path]]:
    """The files that describe cameras: in the scene's `_detail`, beside the frames, or in a folder above."""
    folders = [base / "_detail" / camera, base / "_detail", base]
    above = [folder for folder in (base, *base.parents) if folder == root or root in folder.parents]
    places = {f"camera_keyframe_{name}.hdf5": folders for name in CAMERAS} | {
        SCENE: folders, LENSES: [*folders, *above, root.parent],
    }  # fmt: skip
    found = []
    for name, where in places.items():
        file = next((folder / name for folder in where if (folder / name).is_file()), None)
        found += [(name, file)] if file else []
    return found


def shard_info(jobs: list[Job]) -> ShardInfo:
    """Every header is checked now, before the first buffer is read."""
    for job in jobs:
        if not job.file.is_file():
            raise InputError(f"{job.file}: is not there, but other files of this frame are; add it, or remove them")
        for role, file in _roles(job).items():
            if role in KNOWN:
                _shape(file, role)
        _camera(job)
    labelled = any("semantic" in _roles(job) for job in jobs)
    return ShardInfo("Hypersim", "hypersim", NYU40 if labelled else (), LICENCE)


def _roles(job: Job) -> dict[str, Path]:
    """All files of a frame by what they hold."""
    match = NAME.fullmatch(job.file.name)
    return dict(job.others) | ({match["role"]: job.file} if match else {})


def _shape(file: Path, role: str) -> tuple[int, ...]:
    with hdf5.open_read(file, WANTED) as container, hdf5.broken(file, "/dataset"):
        shape: tuple[int, ...] = _dataset(container, file, KNOWN[role]).shape
        return shape


def _dataset(container: h5py.File, file: Path, wanted: tuple[frozenset[np.dtype[np.generic]], int]) -> h5py.Dataset:
    """The one dataset of a file, checked before any of it is read."""
    dtypes, channels = wanted
    there = hdf5.names(container, file)
    if "dataset" not in there:
        raise InputError(f"{file}: has no dataset, only {', '.join(there[:10]) or 'an empty root'}; wanted {WANTED}")
    found = hdf5.dataset_in(container, "dataset", file, hdf5.either_order(dtypes))
    shape = found.shape
    if shape[2:] != ((channels,) if channels else ()) or len(shape) < 2 or not 0 < min(shape) <= max(shape) <= MAX_SIDE:
        raise InputError(f"{file}: /dataset has shape {shape}, wanted (H, W{f', {channels}' if channels else ''})")
    if prod(shape) * found.dtype.itemsize > MAX_FRAME_BYTES:
        raise InputError(f"{file}: /dataset takes more than {MAX_FRAME_BYTES:,} bytes")
    return found


def _read(file: Path, role: str) -> Array:
    with hdf5.open_read(file, WANTED) as container, hdf5.broken(file, "/dataset"):
        return hdf5.native(_dataset(container, file, KNOWN[role])[()])


def _camera(job: Job) -> Camera:
    """A frame's camera; with a lens of 60 degrees, for 4:3 pictures, if no file describes another."""
    files = _roles(job)
    lens = _lens(files.get(LENSES), job)
    scale = _asset_unit(files.get(SCENE)) or (lens or {}).get("settings_units_info_meters_scale")
    orientation, position = (_keyframe(files.get(f"camera_keyframe_{name}.hdf5"), job.index) for name in CAMERAS)
    if orientation is not None and not geometry.is_rigid(
        np.pad(orientation, ((0, 1), (0, 1))) + np.diag([0.0, 0, 0, 1])
    ):
        raise InputError(f"{files['camera_keyframe_orientations.hdf5']}: row {job.index} is no rotation; get it again")
    place = position * scale if position is not None and scale else None
    if lens is None:
        return Camera(np.zeros((3, 3)), f"lens taken for {DEGREES:g} degrees", orientation, place)
    matrix = np.array([[lens[f"M_cam_from_uv_{row}{column}"] for column in range(3)] for row in range(3)])
    return Camera(matrix, "", orientation, place)


def _keyframe(file: Path | None, index: int) -> Matrix | None:
    """A frame's row in a camera file."""
    if file is None:
        return None
    wanted = (3, 3) if "orientations" in file.name else (3,)
    with hdf5.open_read(file, WANTED) as container, hdf5.broken(file, "/dataset"):
        if "dataset" not in hdf5.names(container, file):
            raise InputError(f"{file}: has no dataset; wanted {WANTED}")
        data = hdf5.dataset_in(container, "dataset", file, hdf5.either_order(FLOATS))
        if data.ndim != 1 + len(wanted) or data.shape[1:] != wanted or index >= len(data):
            raise InputError(f"{file}: /dataset has shape {data.shape}, wanted {(f'more than {index}', *wanted)}")
        row: Matrix = np.asarray(data[index], np.float64)
    if not np.isfinite(row).all():
        raise InputError(f"{file}: row {index} has numbers that are not finite; get it again")
    return row


def _rows(file: Path) -> list[dict[str, str]]:
    try:
        return list(csv.DictReader(StringIO(read_text(file, MAX_JSON_BYTES))))
    except csv.Error as error:
        raise InputError(f"{file}: not readable CSV ({error}); get it again") from error


def _asset_unit(file: Path | None) -> float | None:
    rows = _rows(file) if file else []
    found = [row.get("parameter_value") for row in rows if row.get("parameter_name") == "meters_per_asset_unit"]
    return _number(found[0], file, "meters_per_asset_unit") if file and found else None


def _lens(file: Path | None, job: Job) -> dict[str, float] | None:
    """What the lens table says about the scene whose name is in the job's path."""
    if file is None:
        return None
    parts = set(job.file.absolute().parts)
    row = next((row for row in _rows(file) if row.get("scene_name") in parts), None)
    keys = [f"M_cam_from_uv_{row}{column}" for row in range(3) for column in range(3)]
    if row is None:
        return None
    found = {key: _number(row.get(key), file, key) for key in keys}
    unit = "settings_units_info_meters_scale"
    return found | ({unit: _number(row[unit], file, unit)} if row.get(unit) else {})


def _number(text: object, file: Path, key: str) -> float:
    try:
        value = float(str(text))
    except ValueError:
        value = np.nan
    if not np.isfinite(value) or abs(value) > 1e6:
        raise InputError(f"{file}: {key} is {str(text)[:60]!r}, wanted a number; get it again")
    return value


def tone_mapped(colour: Array, there: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """The picture (H,W,3) from radiance; `there` (H,W) marks the pixels that determine its exposure."""
    linear = np.nan_to_num(colour.astype(np.float64), nan=0, posinf=geometry.HALF_MAX, neginf=0)
    bright = linear @ LUMA
    level = float(np.percentile(bright[there], PERCENTILE)) if there.any() else 0.0
    scale = BRIGHTNESS**GAMMA / level if level > 1e-4 else float(not there.any())
    return np.round(np.clip(np.maximum(scale * linear, 0) ** (1 / GAMMA), 0, 1) * 255).astype(np.uint8)


def to_buffers(found: Mapping[str, Array], matrix: Matrix, orientation: Matrix | None) -> dict[str, Array]:
    """Buffers of a frame.

    Args:
        found: by Hypersim's names: depth_meters (H,W), the others (H,W,3).
        matrix: M_cam_from_uv (3,3).
        orientation: (3,3), camera to world; without it, world normals stay `x_world_normal`.
    """
    buffers: dict[str, Array] = {}
    if "depth_meters" in found:
        distance = found["depth_meters"].astype(np.float64)
        buffers["depth"] = geometry.depth_from_uv_rays(distance, matrix).astype(np.float32)
    if "normal_cam" in found:
        buffers["normal"] = _unit(found["normal_cam"])
    elif "normal_world" in found:
        world = _unit(found["normal_world"])
        known = orientation is not None
        buffers["normal" if known else "x_world_normal"] = (
            (world.astype(np.float64) @ orientation).astype(np.float16) if orientation is not None else world
        )
    if "normal_bump_cam" in found:
        buffers["x_bump_normal"] = _unit(found["normal_bump_cam"])
    for name, becomes, top in (
        ("diffuse_reflectance", "albedo", 1.0), ("diffuse_illumination", "irradiance", geometry.HALF_MAX),
        ("residual", "x_residual", geometry.HALF_MAX),
    ):  # fmt: skip
        if name in found:
            low = -geometry.HALF_MAX if becomes.startswith("x_") else 0.0
            buffers[becomes] = np.clip(found[name].astype(np.float64), low, top).astype(np.float16)  # nan stays
    return buffers


def _unit(normals: Array) -> npt.NDArray[np.float16]:
    """Unit normals; 0 where there is none."""
    given = np.nan_to_num(normals.astype(np.float64), posinf=0, neginf=0)
    length = np.linalg.norm(given, axis=-1, keepdims=True)
    return np.where(length > 1e-3, given / np.maximum(length, 1e-3), 0).astype(np.float16)


def read(job: Job, info: ShardInfo) -> SourceFrame:
    """Read the files of a frame."""
    files = _roles(job)
    found = {role: _read(file, role) for role, file in files.items() if role in KNOWN}
    sizes = {role: array.shape[:2] for role, array in found.items()}
    picture = read_image(job.file) if job.file.suffix != ".hdf5" else None
    if picture is not None:
        sizes["tonemap"] = picture.shape[:2]
    size = next(iter(sizes.values()))
    odd = next((role for role in sizes if sizes[role] != size), None)
    if odd:
        raise InputError(f"{files[odd]}: is {sizes[odd]}, {next(iter(sizes))} {size}; wanted one size")
    camera = _camera(job)
    matrix = geometry.uv_rays(DEGREES, (size[0], size[1])) if camera.lens else camera.from_uv
    with np.errstate(all="ignore"):  # damaged numbers; `check` finds nan
        buffers = to_buffers(found, matrix, camera.orientation)
        ids = _ids(found, files)
        if picture is None:
            there = found["render_entity_id"] != -1 if "render_entity_id" in found else np.ones(size, bool)
            picture = tone_mapped(found["color"], there) if "color" in found else None
    projection, view = geometry.projection_from_uv_rays(matrix, PLANES), None
    if projection is not None and camera.orientation is not None:
        pose = np.eye(4)
        pose[:3, :3] = camera.orientation
        pose[:3, 3] = 0 if camera.position is None else camera.position
        view = geometry.view_from_pose(pose)
    notes = [
        ", ".join((*buffers, *ids)) or "RGB alone",
        NO_PICTURE if picture is None else "",
        camera.lens,
        "a tilted lens, so no camera" if projection is None else "",
        "no camera_keyframe_orientations, so no camera" if camera.orientation is None else "",
        f"the camera's place unknown: no {SCENE}" if view is not None and camera.position is None else "",
        not_numbers({role: array for role, array in found.items() if role != "depth_meters"}),
    ]
    image = np.zeros((*size, 3), np.uint8) if picture is None else picture
    frame = Frame(job.frame, image, buffers, ids, view, projection if view is not None else None)
    return SourceFrame(frame, "; ".join(filter(None, notes)))


def _ids(found: Mapping[str, Array], files: Mapping[str, Path]) -> dict[str, Array]:
    """Classes, 0 for none; and objects, numbered one higher than in the file, in which -1 is none."""
    ids: dict[str, Array] = {}
    if "semantic" in found:
        numbers = np.maximum(found["semantic"], 0)
        if numbers.max() >= len(NYU40):
            raise InputError(f"{files['semantic']}: reaches {numbers.max()}, wanted NYU40's -1..{len(NYU40) - 1}")
        ids["class"] = numbers.astype(np.uint8)
    for role, name in (("semantic_instance", "object"), ("render_entity_id", "entity")):
        if role in found:
            ids[name] = (np.clip(found[role].astype(np.int64), -1, 2**32 - 2) + 1).astype(np.uint32)
    return ids


SOURCE = PlainSource(
    name="hypersim",
    reads="scenes of Hypersim (.hdf5, a file per buffer)",
    conventions=(
        "right-handed, camera space x right, y up, z to the camera; distance to the camera's centre, converted; "
        "radiance tone-mapped as Hypersim does; positions in asset units, by metadata_scene.csv in metres"
    ),
    beside=("metadata_*.csv", "camera_keyframe_*.hdf5", "frame.*.hdf5", "frame.*.jpg", "frame.*.png"),
    find=find,
    shard_info=shard_info,
    read=read,
)
