"""Unity Perception data sets in the SOLO format: JSON for each step of a sequence, and images beside it.

    metadata.json, annotation_definitions.json      of the whole data set
    sequence.0/step0.frame_data.json                captures: a camera, its picture, and annotations with their images
    sequence.0/step0.camera.png                     the picture; 8 bits, as shown
    sequence.0/step0.camera.semantic segmentation.png, step0.camera.instance segmentation.png
                                                    colours, which the JSON names; black is nothing
    sequence.0/step0.camera.Depth.exr               R: metres along the axis, or along the ray if the annotation's
                                                    measurementStrategy is Range; 0 where nothing is
    sequence.0/step0.camera.Normal.exr              0.5 n + 0.5 in camera space, x right, y up, z to the camera (the
                                                    sign of z is flipped after all else); 0 where nothing is

This follows the package's code (Unity-Technologies/com.unity.perception, GroundTruth/Labelers, WorldToSensorNormals)
and manual (Schema/SoloSchema). Images are found through the JSON, or by the names that the package gives them if the
annotation's definition says what they are. Class colours are the same in the whole data set, and so are instance
colours, which the package derives only from instance numbers: a frame whose JSON names none uses what other frames say.

Unity's world is left-handed, x right, y up, z forward: `view` holds a reflection. `matrix` is the upper left 3 x 3 of
an OpenGL projection; the near plane is not stored, so Unity's default of 0.3 m is used.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gbuffer_tools import geometry
from gbuffer_tools.errors import InputError
from gbuffer_tools.exr import reader
from gbuffer_tools.frame import MAX_CLASSES, Array, Frame
from gbuffer_tools.frame_file.naming import fit_name, shard_name
from gbuffer_tools.io.arrays import not_numbers
from gbuffer_tools.io.folders import Walk, walk
from gbuffer_tools.io.images import read_image, read_pixels
from gbuffer_tools.io.label_maps import by_table
from gbuffer_tools.io.text import inside, plain, read_json
from gbuffer_tools.source import Job, PlainSource, ShardInfo, SourceFrame

Matrix = npt.NDArray[np.float64]
Object = Mapping[str, object]
Colour = tuple[int, ...]

ENDING = ".frame_data.json"
DEFINITIONS, METADATA = "annotation_definitions.json", "metadata.json"
DATA = "frame data"
SEMANTIC, INSTANCE, DEPTH, NORMAL = "semantic", "instance", "depth", "normal"
KINDS = {
    "SemanticSegmentationAnnotation": SEMANTIC, "InstanceSegmentationAnnotation": INSTANCE, "DepthAnnotation": DEPTH,
    "NormalAnnotation": NORMAL,
}  # fmt: skip
"""The last word of an annotation's "@type" -> what it is here."""
SUFFIXES = {SEMANTIC: "png", INSTANCE: "png", DEPTH: "exr", NORMAL: "exr"}
NEAR, FAR = 0.3, 1000.0
"""Metres: Unity's own planes."""
BACKGROUND = "background"
NOTHING: dict[Colour, int] = {(0, 0, 0, 255): 0}
MIN_LENGTH = 0.1


def find(there: Walk) -> list[Job]:
    """The captures of all steps in a folder, or of one `.frame_data.json`. `shard_info` reports unreadable ones."""
    return [job for file in there.files if file.name.endswith(ENDING) for job in _jobs(there.folder, file)]


def _jobs(root: Path, data: Path) -> Iterator[Job]:
    """The captures of a step; a single job if its JSON cannot be read."""
    folder = _root(data) if data.parent != root else root
    step, sequence = data.name.removesuffix(ENDING), data.parent.name if folder != data.parent else ""
    name = fit_name("-".join(_padded(word) for word in (sequence, step) if word))
    shard = shard_name(root, folder)
    common = tuple((key, folder / key) for key in (DEFINITIONS, METADATA) if (folder / key).is_file())
    try:
        captures, defined = _captures(data), _definitions(dict(common).get(DEFINITIONS))
    except InputError:
        captures, defined = [], {}
    for index, capture in enumerate(captures):
        sensor = str(capture.get("id", ""))
        files = dict(_images(data, step, sensor, capture, defined))
        picture = data.parent / str(capture.get("filename") or f"{step}.{sensor}.png")
        own = fit_name(f"{shard}-{sensor}") if sensor else shard
        yield Job(own, name, picture, index, ((DATA, data), *common, *sorted(files.items())))
    if not captures:
        yield Job(shard, name, data, 0, ((DATA, data), *common))


def _padded(word: str) -> str:
    """`sequence.3` and `step12` with numbers padded to one length, so names sort by number."""
    text = word.rstrip("0123456789")
    return f"{text.rstrip('.')}{word[len(text) :]:0>6}" if text != word else word


def _images(
    data: Path, step: str, sensor: str, capture: Object, defined: Mapping[str, str]
) -> Iterator[tuple[str, Path]]:
    """A capture's images by what they are: those that the JSON names, else those with the package's names."""
    for kind, annotation in _annotations(capture):
        if annotation.get("filename"):
            yield kind, data.parent / str(annotation["filename"])
    named = {kind for kind, annotation in _annotations(capture) if annotation.get("filename")}
    for name, kind in defined.items():
        file = data.parent / f"{step}.{sensor}.{name}.{SUFFIXES[kind]}"
        if kind not in named and inside(data.parent, file.name) and file.is_file():
            yield kind, file


def _captures(data: Path) -> list[Object]:
    """What a step's JSON says about its cameras."""
    read = read_json(data)
    found = read.get("captures") if isinstance(read, dict) else None
    if not isinstance(found, list) or not all(isinstance(capture, dict) for capture in found):
        raise InputError(f"{data}: has no list of captures; wanted a step of Unity Perception (SOLO)")
    return [capture for capture in found if not str(capture.get("@type", "RGBCamera")).endswith("Lidar")]


def _annotations(capture: Object) -> list[tuple[str, Object]]:
    """A capture's annotations that have images, by what they are."""
    found = capture.get("annotations")
    rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
    kinds = [(KINDS.get(str(row.get("@type")).rpartition(".")[2]), row) for row in rows]
    return [(kind, row) for kind, row in kinds if kind]


def _definitions(file: Path | None) -> dict[str, str]:
    """Annotation id -> what it is."""
    return {str(row.get("id")): kind for kind, row in _defined(file)}


def _defined(file: Path | None) -> list[tuple[str, Object]]:
    read = read_json(file) if file else {}
    rows = read.get("annotationDefinitions") if isinstance(read, dict) else None
    return _annotations({"annotations": rows})


def shard_info(jobs: list[Job]) -> ShardInfo:
    """Unity's and the package's versions, and the classes named in any frame or the definitions, background first."""
    metadata = next((dict(job.others)[METADATA] for job in jobs if METADATA in dict(job.others)), None)
    facts = read_json(metadata) if metadata else {}
    versions = facts if isinstance(facts, dict) else {}
    for job in jobs:
        _check_files(job)
    semantic = any(SEMANTIC in dict(job.others) for job in jobs)
    named = list(dict.fromkeys(name for name, _ in _colours(jobs, SEMANTIC)))
    classes = (BACKGROUND, *(name for name in named if name != BACKGROUND)) if semantic else ()
    if len(classes) > MAX_CLASSES:
        raise InputError(f"{jobs[0].file}: its data set has {len(classes)} classes, wanted at most {MAX_CLASSES}")
    words = ("Unity", versions.get("unityVersion"), "Perception", versions.get("perceptionVersion"))
    return ShardInfo(plain(" ".join(str(word) for word in words if word)), "unity", classes)


def _check_files(job: Job) -> None:
    """Check that a capture's JSON can be read, and that its images exist and are beside it."""
    data = dict(job.others)[DATA]
    if job.index >= len(_captures(data)):
        raise InputError(f"{data}: has no captures of a camera; there is nothing to make a frame of")
    for file in (job.file, *(file for _, file in job.others)):
        if file.parent != data.parent.parent and inside(data.parent, str(file.absolute())) is None:
            raise InputError(f"{data}: names {file}, which is outside {data.parent}; write the data set again")
        if not file.is_file():
            raise InputError(f"{file}: is not there, but {data.name} names it; add it, or remove this step")


def _colours(jobs: Iterable[Job], kind: str) -> Iterator[tuple[str, tuple[Colour, int]]]:
    """The name of each coloured thing, its colour, and its instance number; from definitions, then from frames."""
    definitions, data = dict[Path, None](), dict[tuple[Path, int], None]()
    for job in jobs:
        files = dict(job.others)
        definitions |= {files[DEFINITIONS]: None} if DEFINITIONS in files else {}
        data |= {(files[DATA], job.index): None}
    for file in definitions:
        yield from _rows(file, [row for found, row in _defined(file) if found == kind], "spec")
    for file, index in data:
        yield from _rows(
            file, [row for found, row in _annotations(_captures(file)[index]) if found == kind], "instances"
        )


def _rows(file: Path, annotations: list[Object], key: str) -> Iterator[tuple[str, tuple[Colour, int]]]:
    for annotation in annotations:
        rows = annotation.get(key)
        for row in rows if isinstance(rows, list) else []:
            colour = _first(row, "pixelValue", "pixel_value", "color")
            if colour is not None:
                name = plain(_first(row, "labelName", "label_name"))
                yield name, (_colour(colour, file), _number(row.get("instanceId", 0), file))


def _first(row: object, *keys: str) -> object:
    return next((row[key] for key in keys if isinstance(row, dict) and key in row), None)


def _colour(value: object, file: Path) -> Colour:
    """[r, g, b, a], or {"r": …}, in 0..255."""
    numbers = [value.get(key) for key in "rgba"] if isinstance(value, dict) else value
    if not isinstance(numbers, list) or len(numbers) != 4 or not all(type(n) is int and 0 <= n < 256 for n in numbers):
        raise InputError(f"{file}: a colour is {str(value)[:60]}, wanted four numbers of 0..255")
    return tuple(numbers)


def _number(value: object, file: Path) -> int:
    if type(value) is not int or not 0 <= value < 2**32:
        raise InputError(f"{file}: an instanceId is {str(value)[:60]}, wanted 0..{2**32 - 1}")
    return value


def camera_of(capture: Object) -> tuple[Matrix, Matrix] | None:
    """(view, projection) of a capture; None if it has none, or its rays are parallel.

    Args:
        capture: `projection`; `matrix`, 9 numbers; `position`, metres; `rotation`, the quaternion (x, y, z, w) that
            turns the camera's x right, y up, z forward into the world.

    Raises:
        ValueError: the numbers are not a camera's.
    """
    if capture.get("projection", "Perspective") != "Perspective" or not {"matrix", "position", "rotation"} <= set(
        capture
    ):
        return None
    matrix = _numbers(capture, "matrix", 9).reshape(3, 3)
    position, quaternion = _numbers(capture, "position", 3), _numbers(capture, "rotation", 4)
    length = float(np.linalg.norm(quaternion))
    if abs(length - 1) > 1e-3:
        raise ValueError(f"rotation is a quaternion of length {length:.4g}, wanted 1")
    third = matrix[2, 2]
    far = NEAR * (third - 1) / (third + 1) if third < -1 else FAR
    projection = geometry.projection_from_intrinsics((1, 1), (1, 1), (2, 2), (NEAR, far if far > NEAR else FAR))
    projection[:2, :3] = matrix[:2]
    if not geometry.is_perspective(projection):
        raise ValueError("matrix is no pinhole camera's, or sheared")
    pose = np.eye(4)
    pose[:3, :3] = rotation_of(quaternion / length) @ np.diag([1.0, 1, -1])  # our z is backward
    pose[:3, 3] = position
    return geometry.view_from_pose(pose), projection


def rotation_of(quaternion: Matrix) -> Matrix:
    """The rotation (3,3) of a unit quaternion (x, y, z, w)."""
    x, y, z, w = quaternion
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip


def _numbers(row: Object, key: str, count: int) -> Matrix:
    value = row[key]
    if not isinstance(value, list) or len(value) != count or not all(type(n) in (int, float) for n in value):
        raise ValueError(f"{key} is {str(value)[:60]}, wanted {count} numbers")
    if not all(abs(n) <= sys.float_info.max for n in value):  # JSON may have larger whole numbers
        raise ValueError(f"{key} has numbers that are not finite")
    return np.array(value, np.float64)


def to_buffers(found: Mapping[str, Array], projection: Matrix | None, ray: bool) -> dict[str, Array]:
    """Buffers of a frame.

    Args:
        found: "depth" (H,W) metres, 0 for nothing; "normal" (H,W,3) in [0,1], 0 for nothing.
        projection: None if unknown; distances along rays then stay as they are.
        ray: "depth" is along the rays, not along the axis.
    """
    buffers: dict[str, Array] = {}
    if DEPTH in found:
        given = found[DEPTH].astype(np.float64)
        there = ~(np.isnan(given) | geometry.nothing_drawn(given))
        metres = np.where(there, given, np.inf)
        if ray and projection is None:
            buffers["x_distance"] = np.where(there, metres, 0).astype(np.float32)
        else:
            along = geometry.depth_from_distance(metres, projection) if ray and projection is not None else metres
            buffers["depth"] = along.astype(np.float32)
    if NORMAL in found:
        encoded = found[NORMAL].astype(np.float64)
        normal = 2 * encoded - 1
        length = np.linalg.norm(normal, axis=-1, keepdims=True)
        drawn = encoded.any(-1, keepdims=True) & (length > MIN_LENGTH)
        buffers["normal"] = np.where(drawn, normal / np.maximum(length, MIN_LENGTH), 0).astype(np.float16)
    return buffers


def read(job: Job, info: ShardInfo) -> SourceFrame:
    """Read a capture and its images."""
    files = dict(job.others)
    capture = _captures(files[DATA])[job.index]
    try:
        camera = camera_of(capture)
    except ValueError as error:
        raise InputError(f"{files[DATA]}: {error}; write the data set again") from error
    found = {kind: _exr(files[kind], letters) for kind, letters in ((DEPTH, "R"), (NORMAL, "RGB")) if kind in files}
    ids, names = _ids(job, info)
    image = read_image(job.file)
    for kind, array in (*found.items(), *ids.items()):
        if array.shape[:2] != image.shape[:2]:
            raise InputError(f"{job.file}: is {image.shape[:2]}, its {kind} {array.shape[:2]}; wanted one size")
    ray = any(kind == DEPTH and row.get("measurementStrategy") == "Range" for kind, row in _annotations(capture))
    with np.errstate(all="ignore"):  # damaged numbers; `check` finds nan
        buffers = to_buffers(found, camera[1] if camera else None, ray)
    view, projection = camera or (None, None)
    words = ", ".join((*buffers, *ids)) or "RGB alone", "" if camera else "no pinhole camera", not_numbers(found)
    frame = Frame(job.frame, image, buffers, ids, view, projection)
    return SourceFrame(frame, "; ".join(filter(None, words)), names)


def _exr(path: Path, letters: str) -> Array:
    channels, _ = reader.read(path)
    if not set(letters) <= set(channels):
        raise InputError(f"{path}: has the channels {', '.join(channels)[:200]}; wanted {', '.join(letters)}")
    return channels["R"] if letters == "R" else np.stack([channels[letter] for letter in letters], -1)


def _ids(job: Job, info: ShardInfo) -> tuple[dict[str, Array], dict[str, dict[int, Object]]]:
    """A frame's classes and instances, by its own colours or those that other frames name; and instance names."""
    files, ids, names = dict(job.others), dict[str, Array](), dict[str, dict[int, Object]]()
    for kind, name in ((SEMANTIC, "class"), (INSTANCE, "object")):
        if kind not in files:
            continue
        rows = tuple(_colours([job], kind))
        if not any(kind == SEMANTIC or number for _, (_, number) in rows):
            rows = _siblings_colours(_root(files[DATA]), job.index, kind)
        meant = {
            colour: info.classes.index(label) if kind == SEMANTIC else number
            for label, (colour, number) in rows
            if kind == INSTANCE or label in info.classes
        }
        try:
            ids[name] = by_table(_opaque(read_pixels(files[kind])), NOTHING | meant, 0)
        except ValueError as error:
            raise InputError(f"{files[kind]}: {error}") from error
        if kind == INSTANCE:
            there = set(map(int, np.unique(ids[name])))
            names["ids/object"] = {number: {"name": label} for label, (_, number) in rows if number in there}
    if "class" in ids:
        ids["class"] = ids["class"].astype(np.uint8)
    return ids, names


def _root(data: Path) -> Path:
    return data.parent.parent if data.parent.name.startswith("sequence") else data.parent


@lru_cache(maxsize=8)
def _siblings_colours(root: Path, index: int, kind: str) -> tuple[tuple[str, tuple[Colour, int]], ...]:
    """What the captures of one sensor name in all steps of a data set; cached, as any frame may need it."""
    jobs = [job for job in find(walk(root)) if job.file.suffix != ".json" and job.index == index]
    return tuple(dict.fromkeys(_colours(jobs, kind)))


def _opaque(pixels: Array) -> Array:
    """Colours (H,W,4) from colours (H,W,3) or greys (H,W)."""
    wide = np.dstack([pixels] * 3) if pixels.ndim == 2 else pixels
    return wide if wide.shape[2] == 4 else np.dstack([wide, np.full_like(wide[..., 0], 255)])


SOURCE = PlainSource(
    name="unity",
    reads="data sets of Unity Perception (SOLO)",
    conventions=(
        "world left-handed (x right, y up, z forward); normals in camera space, 0.5 n + 0.5; depth along the axis, or "
        "along the ray and converted; images as shown"
    ),
    beside=("metadata.json", "*_definitions.json"),
    find=find,
    shard_info=shard_info,
    read=read,
)
