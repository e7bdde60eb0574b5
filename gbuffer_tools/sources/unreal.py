"""Screenshots of Unreal Engine 4 and 5 with its buffer visualisations: no plugin, only the console (docs/sources.md).

    HighresScreenshot00001.png, HighresScreenshot_2023.12.20-20.49.11.png, or the name from HighResShot filename=…
                                               the picture; or …_FinalImage.png
    HighresScreenshot00001_WorldNormal.png     and so on, a file for each name in r.BufferVisualizationOverviewTargets
                                               .exr with r.BufferVisualizationDumpFramesAsHDR 1

    BaseColor       .png: sRGB as on the screen, so albedo; .exr: `x_base_color`, as nothing says whether it is linear
    Metallic, Specular, Roughness, AmbientOcclusion     0..1
    WorldNormal     world space, left-handed: x forward, y right, z up; 0.5 n + 0.5 in .png. No file has the camera, so
                    it stays `x_world_normal`
    SceneDepth      `x_scene_depth`: 8 bits, or floats whose unit Unreal's documentation does not state. One user
                    measured on a flat wall that .exr has 1 for 100 m along the axis, and that SceneDepthWorldUnits has
                    metres along the ray
    CustomStencil   palette colours, one for each value

All others, including users' materials, become `x_` with their own names: PPMI_Segmentation is `x_ppmi_segmentation`.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from gbuffer_tools import geometry
from gbuffer_tools.errors import InputError
from gbuffer_tools.exr import reader
from gbuffer_tools.frame import BUFFERS, Array, Frame
from gbuffer_tools.frame_file.naming import fit_name, shard_name
from gbuffer_tools.io.arrays import not_numbers
from gbuffer_tools.io.folders import Walk
from gbuffer_tools.io.images import image_size, read_image, read_pixels
from gbuffer_tools.io.label_maps import plane
from gbuffer_tools.source import NO_PICTURE, Job, PlainSource, ShardInfo, SourceFrame

SUFFIXES = (".exr", ".png", ".jpg", ".bmp")
"""In order of preference, if a buffer exists more than once."""
BECOMES = {
    "BaseColor": "albedo", "Metallic": "metallic", "Specular": "specular", "Roughness": "roughness",
    "AmbientOcclusion": "occlusion",
}  # fmt: skip
ONLY_UNREAL_S = (
    "WorldNormal", "SceneDepth", "SceneDepthWorldUnits", "CustomStencil", "CustomDepth", "CustomDepthWorldUnits",
    "ShadingModel", "SubsurfaceColor", "SceneColor", "PreTonemapHDRColor", "PostTonemapHDRColor",
    "SeparateTranslucencyRGB", "SeparateTranslucencyA", "WorldTangent", "MaterialAO",
)  # fmt: skip
"""Names that no other program gives to files; those in `BECOMES` are also names of textures."""
OTHERS = ("Opacity", "Anisotropy", "Velocity", "LightingModel")
PICTURE = "FinalImage"
KNOWN = (*BECOMES, *ONLY_UNREAL_S, *OTHERS, PICTURE)
SCREENSHOT = re.compile(r"(?P<shot>Highres[Ss]creenshot(?:[0-9]+|_[0-9.]+-[0-9.]+(?:_[0-9]+)?))(?:_(?P<buffer>.+))?")
NAMED = re.compile(rf"(?P<shot>.+)_(?P<buffer>{'|'.join(KNOWN)})")

Files = dict[str, Path]


def find(there: Walk) -> list[Job]:
    """The screenshots that have buffers, in a folder and its subfolders."""
    if there.alone:
        return []
    path, files = there.folder, there.of(SUFFIXES)
    shots: dict[tuple[Path, str], Files] = {}
    for file in sorted(files, key=lambda file: SUFFIXES.index(file.suffix.lower())):
        shot, buffer = _parts(file)
        if buffer:
            shots.setdefault((file.parent, shot), {}).setdefault(buffer, file)
    pictures = {(file.parent, file.stem): file for file in reversed(files)}
    folders: dict[Path, dict[str, Files]] = {}
    for (folder, shot), found in sorted(shots.items()):
        picture = found.pop(PICTURE, None) or pictures.get((folder, shot))
        if found and (SCREENSHOT.fullmatch(shot) or (picture and set(found) & set(ONLY_UNREAL_S))):
            folders.setdefault(folder, {})[shot] = found | ({PICTURE: picture} if picture else {})
    return [job for folder, found in folders.items() for job in _jobs(path, folder, found)]


def _parts(file: Path) -> tuple[str, str]:
    """The screenshot and the buffer that a file name gives; "" for the latter if it is not a buffer."""
    match = SCREENSHOT.fullmatch(file.stem) or NAMED.fullmatch(file.stem)
    return (match["shot"], match["buffer"] or "") if match else (file.stem, "")


def _jobs(path: Path, folder: Path, shots: dict[str, Files]) -> Iterator[Job]:
    """The frames of a folder. If none has a picture, buffers make frames without one."""
    pictures = any(PICTURE in files for files in shots.values())
    for shot, files in sorted(shots.items()):
        first = next(iter(files.values()))
        file = files.get(PICTURE, folder / f"{shot}.png" if pictures else first)
        others = tuple((name, files[name]) for name in sorted(files) if name != PICTURE)
        yield Job(shard_name(path, folder), fit_name(shot), file, others=others)


def shard_info(jobs: list[Job]) -> ShardInfo:
    """Screenshots have no classes. Every header is checked now, before the first image is decoded."""
    for job in jobs:
        if not job.file.is_file():
            raise InputError(f"{job.file}: is not there, but buffers of this screenshot are; add it, or remove them")
        for file in {job.file, *dict(job.others).values()}:
            if file.suffix.lower() == ".exr":
                reader.header(file)
            else:
                image_size(file)
    return ShardInfo("Unreal Engine screenshots", "unreal", ())


def to_buffers(found: Mapping[str, Array]) -> dict[str, Array]:
    """Buffers of a frame.

    Args:
        found: by Unreal's names, (H,W) or (H,W,3): uint8, or floats from an EXR file.

    Returns:
        Name -> (H,W) or (H,W,3): fixed-point uint8 from uint8; albedo linear uint16; float16 or float32 from floats.
    """
    buffers: dict[str, Array] = {}
    for name, values in found.items():
        floats = values.dtype.kind == "f"
        becomes = BECOMES.get(name, buffer_name(name))
        becomes = "x_base_color" if becomes == "albedo" and floats else becomes
        one = plane(values)
        if becomes == "albedo":
            colour = (values if values.ndim == 3 else np.dstack([values] * 3)).astype(np.uint8)
            buffers[becomes] = geometry.linear16(colour)
        elif becomes in BUFFERS:
            single = one if one.ndim == 2 else one[..., 0]
            buffers[becomes] = np.clip(single, 0, 1).astype(np.float16) if floats else single.copy()
        elif becomes == "x_world_normal" and floats:
            buffers[becomes] = _directions(values)
        else:
            buffers[becomes] = np.ascontiguousarray(one.astype(np.float32) if floats else one)
    return buffers


def _directions(values: Array) -> Array:
    """Normals (H,W,3) in [-1,1] from floats that are signed, or 0.5 n + 0.5 if they are nowhere negative."""
    given = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
    signed = given if given.min() < -0.01 else 2 * given - 1
    return np.clip(signed, -1, 1).astype(np.float16)


def buffer_name(name: str) -> str:
    """Unreal's name as a buffer name: SceneDepth is x_scene_depth."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return "x_" + (re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")[:40] or "buffer")


def read(job: Job, _: ShardInfo) -> SourceFrame:
    """Read a screenshot and its buffers."""
    files = dict(job.others)
    pictured = job.file not in files.values()
    found = {name: _pixels(file) for name, file in files.items()}
    size = next(iter(found.values())).shape[:2]
    image = _picture(job.file) if pictured else np.zeros((*size, 3), np.uint8)
    for name, array in found.items():
        if array.shape[:2] != image.shape[:2]:
            raise InputError(f"{files[name]}: is {array.shape[:2]}, {job.file.name} {image.shape[:2]}; wanted one size")
    buffers = to_buffers(found)
    unsure = ", ".join(sorted(name for name in buffers if name.startswith("x_")))
    notes = [
        ", ".join(name for name in buffers if name in BUFFERS) or "no standard buffer",
        f"without standard meaning: {unsure}" if unsure else "",
        "" if pictured else NO_PICTURE,
        not_numbers(found),
    ]
    return SourceFrame(Frame(job.frame, image, buffers), "; ".join(filter(None, notes)))


def _pixels(file: Path) -> Array:
    """A buffer's pixels, (H,W) or (H,W,3), without alpha."""
    if file.suffix.lower() == ".exr":
        return _exr(file)
    pixels = read_pixels(file)
    if pixels.dtype != np.uint8:
        pixels = (pixels >> 8).astype(np.uint8)
    return pixels[..., :3] if pixels.ndim == 3 else pixels


def _exr(file: Path) -> Array:
    channels, _ = reader.read(file)
    letters = [letter for letter in "RGB" if letter in channels]
    if letters not in (["R"], ["R", "G", "B"]):
        raise InputError(f"{file}: has the channels {', '.join(channels)[:200]}; wanted R, G, B")
    values = np.stack([channels[letter] for letter in letters], -1)
    return values[..., 0] if len(letters) == 1 else values


def _picture(file: Path) -> Array:
    """(H,W,3) uint8 sRGB; the linear light of an EXR file is clipped at 1."""
    if file.suffix.lower() != ".exr":
        return read_image(file)
    linear = np.clip(np.nan_to_num(_exr(file).astype(np.float64), posinf=geometry.HALF_MAX), 0, 1)
    srgb = np.round(geometry.linear_to_srgb(linear) * 255).astype(np.uint8)
    return srgb if srgb.ndim == 3 else np.dstack([srgb] * 3)


SOURCE = PlainSource(
    name="unreal",
    reads="screenshots of Unreal Engine with buffers (r.BufferVisualizationDumpFrames), .png or .exr",
    conventions=(
        "world left-handed, x forward, y right, z up; normals of the world stay x_, and so does depth, whose unit is "
        "not stated; base colour of .png is taken as sRGB"
    ),
    find=find,
    shard_info=shard_info,
    read=read,
)
