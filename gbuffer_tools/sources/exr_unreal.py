"""EXR files of Unreal's Movie Render Queue: one multilayer file a frame, or one file a pass.

Layers are FinalImage (bare R, G, B), FinalImage<material> for each post process material, and ActorHitProxyMask00 …,
the Object Ids pass, a cryptomatte. Files of one pass have the pass in their name or folder ({render_pass}).
What is read, by the material's name (Epic's documentation, Cinematic Render Passes; metadata keys as the engine's
MoviePipeline writes them). Nothing of this could be checked with an engine here:

    …WorldDepth, …SceneDepth    centimetres, red channel; taken as depth along the view axis
    …WorldNormal                world space; signed or 0..1, whichever gives unit lengths
    …BaseColor, …Roughness, …Metallic, …Specular, …AmbientOcclusion
    …MotionVectors              0.5 means at rest, the unit is the whole screen. Its signs are not documented: kept as
                                x_motion_unreal (0 at rest), until a mapping's motion section tells them
    unreal/camera/curPos, curRot, <pass>/fov     the camera. The world stays Unreal's: left-handed, x forward, z up,
                                but in metres; so camera/view holds a reflection
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gbuffer_tools.exr import reader
from gbuffer_tools.exr.mapped_source import ExrSource, exr_files, text
from gbuffer_tools.frame_file.naming import fit_name, shard_name
from gbuffer_tools.mapping.channel_names import components, layers
from gbuffer_tools.mapping.schema import Buffer, Depth, Ids, Image, Mapping, Normal, PinholeCamera
from gbuffer_tools.source import Job

PREFIX, MASK = "FinalImage", "ActorHitProxyMask"
METADATA = "unreal/"
METRES = 0.01
FAR = 1e7
"""Centimetres: the sky. In 16-bit files it saturates at 65504."""
HALF_MAX = 65504.0
SINGLES = {"roughness": "roughness", "metallic": "metallic", "specular": "specular", "ambientocclusion": "occlusion"}
PASS_IN_NAME = re.compile(rf"^(.*?)({PREFIX}(?:[A-Za-z]\w*?)?|{MASK}\d\d)((?:[._ /-]\d.*|/.*)?)$")


def mapping_of(names: tuple[str, ...], attributes: dict[str, reader.Attribute]) -> Mapping | None:
    """What the layers hold, by their materials' names; None where there is neither Unreal's metadata nor its layers."""
    passes = {layer: layer.lower().removeprefix(PREFIX.lower()) for layer in layers(names) if layer}
    ours = any(layer.startswith((PREFIX, MASK)) for layer in passes)
    if not ours and not any(key.startswith(METADATA) for key in attributes):
        return None
    image = components(names, "", "RGB") or components(names, PREFIX, "RGB")
    depth = _channels(names, passes, "worlddepth", "R") or _channels(names, passes, "scenedepth", "R")
    normal = _channels(names, passes, "worldnormal", "RGB")
    ids = {"object": Ids(cryptomatte=MASK)} if components(names, f"{MASK}00", "RG") else {}
    return Mapping(
        image=Image(image) if image else None,
        depth=Depth(depth[0], metres=METRES, nothing=(HALF_MAX,), beyond=FAR) if depth else None,
        normal=Normal(normal, "world", encoding="either") if normal else None,
        buffers=_buffers(names, passes),
        ids=ids,
        camera=camera(attributes),
    )


def _channels(names: tuple[str, ...], passes: dict[str, str], word: str, letters: str) -> tuple[str, ...] | None:
    """Channels of the first layer whose material's name has the word."""
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


def camera(attributes: dict[str, reader.Attribute]) -> PinholeCamera | None:
    """The camera of the metadata; None where some of it is missing, or the picture has an overscan."""
    fovs = sorted(key for key in attributes if re.fullmatch(r"unreal/camera/[^/]+/fov", key))
    fov = _number(attributes, f"unreal/camera/{PREFIX}/fov")
    degrees = fov if fov is not None else _number(attributes, fovs[0]) if fovs else None
    place = [_number(attributes, f"unreal/camera/curPos/{axis}") for axis in "xyz"]
    turns = [_number(attributes, f"unreal/camera/curRot/{axis}") for axis in ("pitch", "yaw", "roll")]
    if degrees is None or not 0 < degrees < 180 or _number(attributes, "unreal/camera/overscanPercentage"):
        return None
    if any(value is None for value in (*place, *turns)):
        return PinholeCamera(degrees=degrees)
    pitch, yaw, roll = (math.radians(value or 0.0) for value in turns)
    at = np.array([value or 0.0 for value in place]) * METRES
    return PinholeCamera(degrees=degrees, view=tuple(map(tuple, view_matrix(at, pitch, yaw, roll).tolist())))


def view_matrix(place: np.ndarray, pitch: float, yaw: float, roll: float) -> np.ndarray:
    """Unreal's world to view space (4,4): its rows are the camera's right, up and backward axes.

    Args:
        place: (3,) metres, Unreal's axes: x forward, y right, z up.
        pitch, yaw, roll: radians; the rotator turns by roll about x, then pitch about y, then yaw about z, where pitch
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


def _number(attributes: dict[str, reader.Attribute], key: str) -> float | None:
    """Metadata are texts."""
    value = attributes.get(key)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return value if isinstance(value, float) and math.isfinite(value) else None


def job(root: Path, key: str, group: dict[str, Path]) -> Job:
    """The frame of a group of files; named without the pass and the signs around it."""
    *folders, name = key.split("/")
    folder = root.joinpath(*(part for part in folders if part))
    clean = re.sub(r"([._ -])[._ -]+", r"\1", name).strip("._ -") or "frame"
    others = tuple(sorted((role, file) for role, file in group.items() if role != PREFIX))
    return Job(shard_name(root, folder), fit_name(clean), group[PREFIX], others=others)


def producer(attributes: dict[str, reader.Attribute]) -> str:
    """Unreal, and its version where the file tells it."""
    return f"Unreal Engine {text(attributes, 'unreal/engineVersion', 'unreal/system/engineVersion')[:100]}".strip()


@dataclass(frozen=True)
class UnrealSource(ExrSource):
    """EXR files of Unreal, of which several may make a frame."""

    def find(self, path: Path) -> list[Job]:
        """Frames of one file, and frames of several: files whose names differ in the pass only."""
        root = path if path.is_dir() else path.parent
        groups: dict[str, dict[str, Path]] = {}
        for file in exr_files(path):
            stem = file.relative_to(root).with_suffix("").as_posix()
            match = PASS_IN_NAME.match(stem)
            key, role = (f"{match[1]}{match[3]}", match[2]) if match else (stem, PREFIX)
            groups.setdefault(key, {}).setdefault(role, file)
        found = [job(root, key, group) for key, group in groups.items() if PREFIX in group]
        return found if any(len(item.others) > 0 or self.is_mine(item.file) for item in found) else []


SOURCE = UnrealSource(
    name="exr_unreal",
    reads="EXR files of Unreal's Movie Render Queue, multilayer or one file a pass",
    conventions=(
        "world left-handed, x forward, z up, centimetres (stored as metres); normals in world space; depth along the "
        "view axis; scene-linear RGB"
    ),
    mapping_of=mapping_of,
    producer=producer,
)
