"""EXR files from Unreal's Movie Render Queue and Movie Render Graph: one multilayer file per frame, or one per pass.

Layers are FinalImage (bare R, G, B), FinalImage<material> for each post-process material, and ActorHitProxyMask00 …,
the Object Ids pass, a cryptomatte. Single-pass files have the pass in their file or folder name ({render_pass}).
The following is read, by material name (Epic's documentation, Cinematic Render Passes; metadata keys as the engine's
MoviePipeline and MovieGraph write them). None of this could be checked with an engine here:

    …WorldDepth, …SceneDepth    centimetres, red channel; taken as depth along the view axis. Half floats end at 65504,
                                655.04 m: this value means sky, or further away. Movie Render Queue's depth is
                                anti-aliased unless the job has one sample and no anti-aliasing: `check` finds it
    …WorldNormal                world space; signed or 0..1, whichever gives unit lengths
    …BaseColor, …Roughness, …Metallic, …Specular, …AmbientOcclusion
    …MotionVectors              0.5 means no motion; the unit is the whole screen. The signs are not documented: kept as
                                x_motion_unreal (0 at rest), unless a mapping's motion section gives them
    …CustomStencil              palette colours for viewing, not ids; the Object Ids pass has ids
    unreal/camera/curPos, curRot, <pass>/fov     the camera; unreal/layerData/<layer>/curPos, curRot, fov in files from
                                Movie Render Graph, where the picture's layer is rgba. The world stays Unreal's:
                                left-handed, x forward, z up, but in metres; so camera/view holds a reflection
    unreal/colorSpace/destination                primaries, if the header has no chromaticities (exr/attributes.py)

Warm-up frames before the first one have negative numbers: the sign is part of the name.
"""

import math
import re
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from gbuffer_tools.exr.mapped_source import SUFFIXES, Attributes, ExrSource, text
from gbuffer_tools.exr.reading import ChannelReading
from gbuffer_tools.frame_file.naming import fit_name, shard_name
from gbuffer_tools.io.folders import Walk
from gbuffer_tools.mapping.channel_names import components, layers
from gbuffer_tools.mapping.schema import Buffer, Depth, Ids, Image, Mapping, Normal, PinholeCamera
from gbuffer_tools.source import Job

PREFIX, MASK = "FinalImage", "ActorHitProxyMask"
METADATA = "unreal/"
METRES = 0.01
SINGLES = {"roughness": "roughness", "metallic": "metallic", "specular": "specular", "ambientocclusion": "occlusion"}
PASS_IN_NAME = re.compile(rf"^(.*?)({PREFIX}(?:[A-Za-z]\w*?)?|{MASK}\d\d)((?:[._ /-]+\d.*|/.*)?)$")
BETWEEN = "._ -"
LENS = re.compile(r"(unreal/camera)/[^/]+/(?:fov|focalLength)|(unreal/.+)/(?:fov|focalLength)")
OVERSCAN = "unreal/camera/overscanPercentage"


def reading_of(names: tuple[str, ...], attributes: Attributes, layer: str) -> ChannelReading | None:
    """What the layers hold, by material name; None if there are neither Unreal's metadata nor its layers."""
    passes = {layer: layer.lower().removeprefix(PREFIX.lower()) for layer in layers(names) if layer}
    ours = any(layer.startswith((PREFIX, MASK)) for layer in passes)
    if not ours and not any(key.startswith(METADATA) for key in attributes):
        return None
    if layer:
        raise ValueError("Unreal's files have no view layers; leave --layer out")
    image = components(names, "", "RGB") or components(names, PREFIX, "RGB")
    depth = _channels(names, passes, "worlddepth", "R") or _channels(names, passes, "scenedepth", "R")
    normal = _channels(names, passes, "worldnormal", "RGB")
    ids = {"object": Ids(cryptomatte=MASK)} if components(names, f"{MASK}00", "RG") else {}
    mapping = Mapping(
        image=Image(image) if image else None,
        depth=Depth(depth[0], metres=METRES) if depth else None,
        normal=Normal(normal, "world", encoding="either") if normal else None,
        buffers=_buffers(names, passes),
        ids=ids,
        camera=camera(attributes),
    )
    notes = []
    if any("customstencil" in name.replace("_", "") for name in passes.values()):
        notes.append("CustomStencil holds colours of a palette, no ids; render Object Ids instead")
    if _number(attributes, OVERSCAN):
        notes.append("no camera, as the picture has an overscan")
    return ChannelReading(mapping, tuple(notes))


def _channels(names: tuple[str, ...], passes: dict[str, str], word: str, letters: str) -> tuple[str, ...] | None:
    """Channels of the first layer whose material name contains the word."""
    layer = next((layer for layer, name in passes.items() if word in name.replace("_", "")), None)
    return components(names, layer, letters) if layer else None


def _buffers(names: tuple[str, ...], passes: dict[str, str]) -> dict[str, Buffer]:
    found = {}
    if albedo := _channels(names, passes, "basecolor", "RGB"):
        found["albedo"] = Buffer(albedo)
    for word, name in SINGLES.items():
        if channels := _channels(names, passes, word, "R"):
            found[name] = Buffer(channels)
    if motion := _channels(names, passes, "motionvector", "RG"):
        found["x_motion_unreal"] = Buffer(motion, offset=-0.5)
    return found


def camera(attributes: Attributes) -> PinholeCamera | None:
    """The camera in the metadata; None if some of it is missing, or the picture has an overscan.

    Movie Render Graph has one per layer; the picture's counts: that of unreal/camera, else that of rgba.
    """
    lenses = [match[1] or match[2] for key in sorted(attributes) if (match := LENS.fullmatch(key))]
    start = min(lenses, key=lambda key: (key != f"{METADATA}camera", not key.endswith("/rgba")), default="")
    degrees = _degrees(attributes, start)
    place = [_number(attributes, f"{start}/curPos/{axis}") for axis in "xyz"]
    turns = [_number(attributes, f"{start}/curRot/{axis}") for axis in ("pitch", "yaw", "roll")]
    if degrees is None or not 0 < degrees < 180 or _number(attributes, OVERSCAN):
        return None
    if any(value is None for value in (*place, *turns)):
        return PinholeCamera(degrees=degrees)
    pitch, yaw, roll = (math.radians(value or 0.0) for value in turns)
    at = np.array([value or 0.0 for value in place]) * METRES
    return PinholeCamera(degrees=degrees, view=tuple(map(tuple, view_matrix(at, pitch, yaw, roll).tolist())))


def _degrees(attributes: Attributes, start: str) -> float | None:
    """The horizontal field of view of the picture's pass, else of any, stated or from focal length and sensor width."""
    own = re.compile(rf"{re.escape(start)}/([^/]+/)?\w+")
    parts = {match[1] or "" for key in attributes if (match := own.fullmatch(key))}
    for part in sorted(parts, key=lambda part: (part != f"{PREFIX}/", part)):
        fov = _number(attributes, f"{start}/{part}fov")
        if fov is not None:
            return fov
        focal, width = (_number(attributes, f"{start}/{part}{key}") for key in ("focalLength", "sensorWidth"))
        if focal and width and min(focal, width) > 0:
            return math.degrees(2 * math.atan(width / 2 / focal))
    return None


def view_matrix(place: np.ndarray, pitch: float, yaw: float, roll: float) -> np.ndarray:
    """Unreal's world to view space (4,4); the rows are the camera's right, up and backward axes.

    Args:
        place: (3,) metres, in Unreal's axes: x forward, y right, z up.
        pitch, yaw, roll: radians; the rotator rotates by roll about x, then pitch about y, then yaw about z; pitch
            lifts x towards z, yaw turns x towards y, and roll turns z towards y (Unreal documentation, FRotator).
    """
    (cp, cy, cr), (sp, sy, sr) = np.cos([pitch, yaw, roll]), np.sin([pitch, yaw, roll])
    forward = np.array([cp * cy, cp * sy, sp])
    right = np.array([sr * sp * cy - cr * sy, sr * sp * sy + cr * cy, -sr * cp])
    up = np.array([-cr * sp * cy - sr * sy, cy * sr - cr * sp * sy, cr * cp])
    view = np.eye(4)
    view[:3, :3] = right, up, -forward
    view[:3, 3] = -view[:3, :3] @ place
    return view


def _number(attributes: Attributes, key: str) -> float | None:
    """A finite number from the metadata, which holds texts; else None."""
    value = attributes.get(key)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return value if isinstance(value, float) and math.isfinite(value) else None


def without_pass(stem: str) -> tuple[str, str]:
    """A file's path without the pass and the separator before it, and the pass; frame numbers keep their own sign.

    The first character between pass and number separates them; a minus after it belongs to the number.
    """
    match = PASS_IN_NAME.match(stem)
    if match is None:
        return stem, PREFIX
    before, role, after = match.groups()
    start, between = before.rstrip(BETWEEN), before[len(before.rstrip(BETWEEN)) :]
    if not after or after.startswith("/"):
        return f"{start}{after}", role
    sign, number = re.fullmatch(r"[._ -]+?(-?)(\d.*)", after, re.DOTALL).groups()  # type: ignore[union-attr]
    joint = (between or after[0])[:1] if start and not start.endswith("/") else ""
    return f"{start}{joint}{sign}{number}", role


def job(root: Path, key: str, group: dict[str, Path]) -> Job:
    """The frame made from a group of files, named without the pass."""
    *folders, name = key.split("/")
    folder = root.joinpath(*(part for part in folders if part))
    others = tuple(sorted((role, file) for role, file in group.items() if role != PREFIX))
    return Job(shard_name(root, folder), fit_name(name or "frame"), group[PREFIX], others=others)


def producer(attributes: Attributes) -> str:
    """Unreal, and its version if the file gives it."""
    return f"Unreal Engine {text(attributes, 'unreal/engineVersion', 'unreal/system/engineVersion')[:100]}".strip()


@dataclass(frozen=True)
class UnrealSource(ExrSource):
    """Unreal's EXR files, several of which may make up a frame."""

    def find(self, there: Walk) -> list[Job]:
        """Frames made of one file, and of several: files whose names differ only in the pass."""
        root = there.folder
        groups: dict[tuple[str, int], dict[str, Path]] = {}
        for file in there.of(SUFFIXES):
            stem = file.relative_to(root).with_suffix("").as_posix()
            key, role = without_pass(stem)
            # Two files with the same pass and number are two frames with the same name, which extract refuses.
            again = next(i for i in count() if role not in groups.get((key, i), {}))
            groups.setdefault((key, again), {})[role] = file
        found = [job(root, key, group) for (key, _), group in groups.items() if PREFIX in group]
        return found if any(len(item.others) > 0 or self.is_mine(item.file) for item in found) else []


SOURCE = UnrealSource(
    name="exr_unreal",
    reads="EXR files of Unreal's Movie Render Queue, multilayer or one file a pass",
    conventions=(
        "world left-handed, x forward, z up, centimetres (stored as metres); normals in world space; depth along the "
        "view axis; scene-linear RGB"
    ),
    reading_of=reading_of,
    producer=producer,
)
