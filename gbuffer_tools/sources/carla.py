"""CARLA's G-buffers beside its frames, as `listen_to_gbuffer` and CARLA2Real (stefanos50/CARLA2Real) leave them.

    Frames/FinalColor-0000012.png                      the frame
    GBuffersCompressed/GBuffer-0000012.npz             arrays by name: SceneColor, SceneDepth, GBufferA, ...
    GBuffers/GBuffer-0000012.npz                       `arr_0`, 18 channels: their stack, in the order of `STACK`
    GBuffers/GBuffer-000012/GBufferA-000012.png        or an image each, also as GBufferA/000012.png
    SemanticSegmentation/SemanticSegmentation-0000012  .png: tags in red, as the sensor sends them;
                                                       .npz: `arr_0`, masks of the twelve groups of EPE

With several cameras, file or folder names contain the camera's name: rgb_front/0000012.png and
GBufferA_front/0000012.png. Each camera becomes a frame file.

Everything has 8 bits, which is enough for colours and materials and for nothing else:
 * SceneDepth was some depth in some scale before it was quantised to 256 steps, and nothing in the files says which. It
   is not a distance: `x_scene_depth`. Images of sensor.camera.depth, saved raw as Depth/0000012.png, are: 24 bits over
   three channels, red the lowest, for 0..1000 m along the view axis.
 * GBufferA has 0.5 n + 0.5 of normals in Unreal's world space: left-handed, x forward, y right, z up. Turning them into
   view space takes the camera's pose, which none of these files has: `x_world_normal`.
 * SceneColor was unbounded radiance, clipped at 1: `x_scene_color`.

Images of sensor.camera.normals, as Normals/0000012.png, are in view or in world space; no file says which, nor what the
tag numbers mean. The version decides both (classes/carla_tags.py); the user gives it with `--carla`.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gbuffer_tools import geometry
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import Array, Frame
from gbuffer_tools.frame_file.naming import shard_name
from gbuffer_tools.io.arrays import npz_headers, read_npz
from gbuffer_tools.io.folders import Walk
from gbuffer_tools.io.images import read_image, read_pixels
from gbuffer_tools.io.label_maps import plane
from gbuffer_tools.source import Job, ShardInfo, SourceFrame
from gbuffer_tools.sources.classes import carla_tags
from gbuffer_tools.sources.classes.taxonomies import GROUPS, mask_ids

# CARLA's buffer -> what it becomes, and how many of its channels. GBufferB becomes three buffers.
BECOMES: dict[str, tuple[str, int]] = {
    "SceneColor": ("x_scene_color", 3), "SceneDepth": ("x_scene_depth", 1), "SceneStencil": ("x_scene_stencil", 1),
    "GBufferA": ("x_world_normal", 3), "GBufferB": ("", 3), "GBufferC": ("albedo", 3),
    "GBufferD": ("x_custom_data", 3), "GBufferE": ("x_gbuffer_e", 3), "GBufferF": ("x_gbuffer_f", 3),
    "Velocity": ("x_velocity", 3), "SSAO": ("occlusion", 1), "GBufferSSAO": ("occlusion", 1),
    "CustomDepth": ("x_custom_depth", 1), "CustomStencil": ("x_custom_stencil", 1),
    "WorldNormal": ("x_world_normal", 3), "BaseColor": ("albedo", 3), "SubsurfaceColor": ("x_subsurface_color", 3),
    "Metallic": ("metallic", 1), "Specular": ("specular", 1), "Roughness": ("roughness", 1),
}  # fmt: skip
MATERIAL = ("metallic", "specular", "roughness")

# Channels of CARLA2Real's `arr_0`: buffer -> where it starts. Its stack for CARLA 0.10 (Unreal Engine 5) has colour
# channels in BGR order, noise in place of SSAO, and the class in place of the stencil; because of the noise it holds
# floats, which tell it apart.
STACK = {
    "SceneColor": 0, "SceneDepth": 3, "GBufferA": 4, "GBufferB": 7, "GBufferC": 10, "GBufferD": 13, "SSAO": 16,
    "CustomStencil": 17,
}  # fmt: skip
STACK_CHANNELS = 18
UNREAL_5 = {
    "SceneColor": "SceneColor", "GBufferA": "WorldNormal", "GBufferC": "BaseColor", "GBufferD": "SubsurfaceColor",
}  # fmt: skip
"""What the CARLA 0.10 stack has in place of the three-channel buffers."""

FRAME, ARRAYS, SEMANTIC, DEPTH, NORMALS = "frame", "arrays", "semantic", "depth", "normals"
MAX_METRES = 1000.0
"""The depth sensor's range in metres; the sky has this value."""
KINDS = {name.lower(): name for name in BECOMES} | {
    "finalcolor": FRAME, "frames": FRAME, "rgb": FRAME, "gbuffer": ARRAYS, "gbuffers": ARRAYS,
    "gbufferscompressed": ARRAYS, "semanticsegmentation": SEMANTIC, "semantic": SEMANTIC, "segmentation": SEMANTIC,
    "depth": DEPTH, "normals": NORMALS,
}  # fmt: skip
SURE = {ARRAYS, "GBufferA", "GBufferB", "GBufferC", "SceneDepth", "WorldNormal", "BaseColor"}
SUFFIXES = (".png", ".jpg", ".npz")
NUMBER = re.compile("[0-9]{1,12}")


def find(there: Walk) -> list[Job]:
    """The frames of recordings with G-buffers, by the numbers in the file names."""
    if there.alone:
        return []
    path = there.folder
    return [
        Job(shard_name(path, base), f"{number:07d}", files.get(FRAME, base / f"FinalColor-{number:07d}.png"), number,
            tuple((kind, files[kind]) for kind in sorted(files) if kind != FRAME))
        for base, frames in sorted(_recordings(_pieces(there)).items())
        if any(FRAME in files and SURE & set(files) for files in frames.values())
        for number, files in sorted(frames.items())
        if FRAME in files or SURE & set(files)
    ]  # fmt: skip


class Piece(NamedTuple):
    """A file of a recording: the recording's folder, the camera, the frame number, and what the file holds."""

    base: Path
    camera: str
    number: int
    kind: str
    file: Path


def _pieces(there: Walk) -> list[Piece]:
    numbers: dict[Path, set[int | None]] = {}
    for file in there.files:
        numbers.setdefault(file.parent, set()).add(_number(file))
    pieces = list[Piece]()
    for file in there.files:
        number, kind = _number(file), _kind(file)
        if file.suffix in SUFFIXES and number is not None and kind:
            base = _base(file, there.folder)
            camera = _camera(file, base, of_one_frame=numbers[file.parent] == {number})
            pieces.append(Piece(base, camera, number, kind, file))
    return pieces


def _recordings(pieces: list[Piece]) -> dict[Path, dict[int, dict[str, Path]]]:
    """Recording -> frame number -> kind -> file; each camera of a rig counts as a folder of its own.

    It is a rig if two cameras have pictures and buffers, or one frame would have two files of a kind. In other
    recordings, words that do not name a buffer mean nothing: pictures may be named differently from buffers.
    """
    pictures = {(piece.base, piece.camera) for piece in pieces if piece.kind == FRAME}
    buffers = {(piece.base, piece.camera) for piece in pieces if piece.kind in SURE}
    rigs = {base for base, count in Counter(base for base, _ in pictures & buffers).items() if count > 1}
    first: dict[tuple[Path, int, str], str] = {}
    for base, camera, number, kind, _ in pieces:
        if first.setdefault((base, number, kind), camera) != camera:
            rigs.add(base)
    found: dict[Path, dict[int, dict[str, Path]]] = {}
    for base, camera, number, kind, file in pieces:
        place = base / camera if base in rigs else base
        found.setdefault(place, {}).setdefault(number, {}).setdefault(kind, file)
    return found


def _words(path: Path) -> list[str]:
    return re.split("[-_]", path.stem)


def _number(file: Path) -> int | None:
    numbers = [word for word in _words(file) if NUMBER.fullmatch(word)]
    return int(numbers[-1]) if numbers else None


def _kind(file: Path) -> str | None:
    """What a file holds, from a word in its name, else from a word in the folder's; None if neither says."""
    words = [*_words(file), *_words(file.parent)]
    kind = next((KINDS[word.lower()] for word in words if word.lower() in KINDS), None)
    wrong = {FRAME: file.suffix == ".npz", ARRAYS: file.suffix != ".npz"}
    return None if kind is None or wrong.get(kind) else kind


def _base(file: Path, root: Path) -> Path:
    """The recording's folder: the lowest folder above a file that is not named after a buffer."""
    folder = file.parent
    while folder != root and any(word.lower() in KINDS for word in _words(folder)):
        folder = folder.parent
    return folder


def _camera(file: Path, base: Path, *, of_one_frame: bool) -> str:
    """What the names of a file and its folders in a recording say besides buffers and the frame number.

    Args:
        file: of the recording.
        base: the recording's folder.
        of_one_frame: whether all files beside it belong to one frame, whose number may be in the folder's name.
    """
    folders = [word for part in file.parent.relative_to(base).parts for word in re.split("[-_]", part)]
    if of_one_frame:
        folders = [word for word in folders if not (NUMBER.fullmatch(word) and int(word) == _number(file))]
    words = _words(file)
    last = max(i for i, word in enumerate(words) if NUMBER.fullmatch(word))
    return "-".join(word for word in (*folders, *words[:last], *words[last + 1 :]) if word.lower() not in KINDS)


def to_buffers(found: Mapping[str, Array]) -> dict[str, Array]:
    """A frame's buffers, made from CARLA's.

    Args:
        found: by CARLA's names, (H,W) or (H,W,3 or more) uint8 in RGB order.

    Returns:
        Name -> (H,W) or (H,W,3) uint8, fixed point; albedo is linear uint16, converted from sRGB, as Unreal stores it.
    """
    buffers: dict[str, Array] = {}
    for name, values in found.items():
        becomes, channels = BECOMES[name]
        wide = values if values.ndim == 3 else values[..., None].repeat(channels, -1)
        if name == "GBufferB":
            buffers |= {each: np.ascontiguousarray(wide[..., i]) for i, each in enumerate(MATERIAL)}
        elif becomes == "albedo":
            buffers[becomes] = geometry.linear16(wide[..., :3].astype(np.uint8))
        else:
            buffers[becomes] = np.ascontiguousarray(wide[..., :3] if channels == 3 else wide[..., 0])
    return buffers


def from_stack(stack: Array) -> dict[str, Array]:
    """CARLA's buffers in CARLA2Real's stack (H,W,18): uint8, or float for Unreal Engine 5.

    Raises:
        ValueError: another number of channels, or numbers that do not fit 8 bits.
    """
    if stack.shape[2] != STACK_CHANNELS:
        raise ValueError(f"arr_0 has {stack.shape[2]} channels, wanted {STACK_CHANNELS}")
    noise = np.asarray(stack[..., STACK["SSAO"]], np.float64)
    if stack.dtype == np.uint8:
        return {
            name: stack[..., at] if BECOMES[name][1] == 1 else stack[..., at : at + 3] for name, at in STACK.items()
        }
    rest = np.delete(stack.astype(np.float64), STACK["SSAO"], -1)
    if not ((noise >= 0) & (noise < 1)).all() or (rest != np.clip(np.round(rest), 0, 255)).any():
        raise ValueError(f"arr_0 is {stack.dtype}, wanted uint8, or floats of whole 0..255 with noise in channel 16")
    found = from_stack(np.where(np.arange(STACK_CHANNELS) == STACK["SSAO"], 0, stack).astype(np.uint8))
    material = found["GBufferB"]
    return (
        {meant: found[name][..., ::-1] for name, meant in UNREAL_5.items()}
        | {"SceneDepth": found["SceneDepth"]}
        | {name.capitalize(): material[..., i] for i, name in enumerate(MATERIAL)}
    )


def sensor_depth(pixels: Array) -> Array:
    """Metres along the view axis (H,W) float32, inf in the sky, from the depth sensor's raw image (H,W,3 or 4) uint8.

    Raises:
        ValueError: the image was converted to grey.
    """
    wide = (pixels if pixels.ndim == 3 else pixels[..., None].repeat(3, -1)).astype(np.float64)
    if (wide[..., 0] == wide[..., 1]).all() and (wide[..., 1] == wide[..., 2]).all():
        raise ValueError("is grey; wanted the depth sensor's image raw, without a ColorConverter")
    metres = MAX_METRES * (wide[..., :3] @ (1, 256, 65536)) / (2**24 - 1)
    return np.where(metres < MAX_METRES, metres, np.inf).astype(np.float32)


def _found(files: dict[str, Path]) -> Iterator[tuple[str, Array]]:
    """CARLA's buffers, by its names: those of the archive if there is one."""
    if ARRAYS not in files:
        yield from ((name, _eight_bits(files[name])) for name in files if name in BECOMES)
        return
    archive = files[ARRAYS]
    headers = npz_headers(archive)
    if "arr_0" in headers:
        yield from from_stack(read_npz(archive, {"arr_0": ("uf", 3)})["arr_0"]).items()
        return
    known = [name for name in headers if name in BECOMES]
    if not known:
        there = ", ".join(headers)[:200] or "no array"
        raise InputError(f"{archive}: has {there}; wanted arr_0 or arrays named after G-buffers")
    for name, values in read_npz(archive, {name: ("u", 3) for name in known}).items():
        if values.dtype != np.uint8 or values.shape[2] < 3:
            raise InputError(f"{archive}: {name} is {values.dtype} {values.shape}, wanted uint8 (H, W, 3)")
        yield name, values


def _eight_bits(path: Path) -> Array:
    pixels = read_pixels(path)
    if pixels.dtype != np.uint8:
        raise InputError(f"{path}: has 16 bits, wanted the 8 that CARLA writes")
    return pixels


def _colours(path: Path) -> Array:
    """(H,W,3) uint8."""
    pixels = _eight_bits(path)
    return np.ascontiguousarray((pixels if pixels.ndim == 3 else np.dstack([pixels] * 3))[..., :3])


def _depth(path: Path) -> Array:
    try:
        return sensor_depth(_eight_bits(path))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def class_ids(path: Path, tags: tuple[str, ...]) -> Array:
    """Class ids (H,W): `tags` from an image of the semantic sensor, `GROUPS` from masks."""
    if path.suffix == ".npz":
        masks = read_npz(path, {"arr_0": ("fub", 3)})["arr_0"]
        if masks.shape[2] != len(GROUPS) - 1:
            raise InputError(f"{path}: arr_0 is {masks.shape}, wanted masks (H, W, {len(GROUPS) - 1})")
        return mask_ids(masks)
    pixels = plane(_eight_bits(path))
    found = pixels if pixels.ndim == 2 else pixels[..., 0]
    highest = pixels.reshape(found.size, -1).max(0).tolist()
    if found.max() >= len(tags) or (pixels.ndim == 3 and pixels[..., 1:3].any()):
        raise InputError(
            f"{path}: wanted tags 0..{len(tags) - 1} in red, got up to {highest}; save the sensor's image raw, without "
            "ColorConverter.CityScapesPalette, and tell CARLA's version by --carla"
        )
    return np.ascontiguousarray(found)


@dataclass(frozen=True)
class CarlaSource:
    """CARLA recordings: a `Source` (gbuffer_tools.source) that takes the version from the user.

    Attributes:
        version: such as "0.9.13"; "" if the user does not give it.
    """

    version: str = ""
    name: str = "carla"
    reads: str = "CARLA: frames beside the G-buffers of listen_to_gbuffer, as images or as CARLA2Real's .npz"
    conventions: str = (
        "8 bits; normals of the world (left-handed: x forward, y right, z up) and depth of unknown scale stay x_; base "
        "colour is taken as sRGB; the depth sensor's depth is along the axis; labels are tags of CARLA >= 0.9.14, or "
        "of the version that --carla tells"
    )
    stepwise: bool = False
    beside: tuple[str, ...] = ()

    def ready(self) -> AbstractContextManager[None]:
        """Nothing to set up."""
        return nullcontext()

    def find(self, there: Walk) -> list[Job]:
        """The frames that have G-buffers, by the numbers in the file names."""
        return find(there)

    def shard_info(self, jobs: list[Job]) -> ShardInfo:
        """What class ids mean: tags if label maps are images, groups if they are masks."""
        tags = carla_tags.tags(carla_tags.parse(self.version))
        for job in jobs:
            if not job.file.is_file():
                what = f"no picture of frame {job.frame} is there, but buffers are; add it, or remove them"
                raise InputError(f"{job.others[0][1]}: {what}")
        kinds = {dict(job.others)[SEMANTIC].suffix if SEMANTIC in dict(job.others) else "" for job in jobs}
        if len(kinds) > 1:
            raise InputError(
                f"{jobs[0].file}: its recording has frames with {' and with '.join(sorted(k or 'no' for k in kinds))} "
                "label maps; wanted one kind for all"
            )
        classes = {"": (), ".npz": GROUPS}.get(kinds.pop(), tags)
        return ShardInfo(f"CARLA {self.version}".strip(), "carla", classes)

    def read(self, job: Job, info: ShardInfo) -> SourceFrame:
        """Read a frame and its buffers."""
        files, version = dict(job.others), carla_tags.parse(self.version)
        try:
            found = dict(_found(files))
            buffers = to_buffers(found)
            ids = {"class": class_ids(files[SEMANTIC], info.classes)} if SEMANTIC in files else {}
        except ValueError as error:
            raise InputError(f"{files.get(ARRAYS, job.file)}: {error}") from error
        if DEPTH in files:
            buffers["depth"] = _depth(files[DEPTH])
        if NORMALS in files:
            name = carla_tags.sensor_normals(version)
            buffers["x_sensor_normal" if name in buffers else name] = _colours(files[NORMALS])
        image = read_image(job.file)
        for name, array in (*buffers.items(), *ids.items()):
            if array.shape[:2] != image.shape[:2]:
                raise InputError(f"{job.file}: is {image.shape[:2]}, its {name} {array.shape[:2]}; wanted one size")
        unknown = ", ".join(sorted(name for name in buffers if name.startswith("x_"))) or "none"
        notes = [
            f"{len(found)} buffers of 8 bits, without standard meaning: {unknown}",
            self._assumed(files),
            "the sensor's normals are of the view or of the world, by version: --carla" if self._unsure(files) else "",
        ]
        lacks = "" if SURE & set(files) else "it has no G-buffers"
        return SourceFrame(Frame(job.frame, image, buffers, ids), "; ".join(filter(None, notes)), lacks=lacks)

    def _assumed(self, files: Mapping[str, Path]) -> str:
        """What the frame's line says about tags."""
        if SEMANTIC not in files or files[SEMANTIC].suffix == ".npz":
            return ""
        if self.version:
            return f"tags of CARLA {self.version}"
        return f"tags are taken for those of CARLA {carla_tags.ASSUMED} and later: --carla VERSION tells of another"

    def _unsure(self, files: Mapping[str, Path]) -> bool:
        return NORMALS in files and not self.version


SOURCE = CarlaSource()
