"""Frames from what Blender drew, in the frame file's conventions. Pure: arrays and a town in, a frame out."""

import functools

import numpy as np
import numpy.typing as npt

from gbuffer_tools import geometry
from gbuffer_tools.frame import Array, Frame, Header
from gbuffer_tools.mapping.apply import to_buffers
from gbuffer_tools.mapping.channel_names import Channels, stack
from gbuffer_tools.mapping.schema import Buffer, Depth, Normal
from gbuffer_tools.mapping.schema import Mapping as Meaning
from gbuffer_tools.streets.drive import TICKS
from gbuffer_tools.streets.plan import Town
from gbuffer_tools.streets.shapes.mesh import Floats
from gbuffer_tools.streets.things import CLASSES, Still

NEAR, FAR = 0.05, 2000.0
"""The near and far planes of the projection, metres."""
LAYER = "ViewLayer"
FARTHEST = 1e9
"""Depths beyond this are sky; Cycles writes 1e10."""
MIST = 1000.0
"""Metres at which the mist pass is 1."""
SHOULDER = 0.6
"""Where the tone curve leaves the straight line; it reaches 1 at infinity."""
MEANING = Meaning(
    depth=Depth(f"{LAYER}.Depth.Z", beyond=FARTHEST),
    normal=Normal(tuple(f"{LAYER}.Normal.{c}" for c in "XYZ"), "world"),
    buffers={
        "albedo": Buffer(tuple(f"{LAYER}.albedo.{c}" for c in "RGB")),
        "roughness": Buffer((f"{LAYER}.surface.R",)),
        "metallic": Buffer((f"{LAYER}.surface.G",)),
    },
)


def header(size_of: str) -> Header:
    """The root attributes of a town's frame file; `size_of` says what drew it."""
    return Header("town", "town", CLASSES, "Apache-2.0", size_of)


def projection(town: Town, size: tuple[int, int]) -> Floats:
    """OpenGL's projection (4,4) of the town's camera for a width and height in pixels."""
    focal = size[0] / 2 / np.tan(np.radians(town.degrees) / 2)
    centre = size[0] / 2, size[1] / 2
    return geometry.projection_from_intrinsics((focal, focal), centre, size, (NEAR, FAR))


def to_frame(name: str, ticks: tuple[int, int], town: Town, picture: Channels, drawn: Channels) -> Frame:
    """A frame with all of its buffers.

    Args:
        name: the frame's.
        ticks: those of the previous frame and of this one.
        town: the one that was drawn.
        picture: channels (H,W) of the picture.
        drawn: those of the buffers.

    Raises:
        ValueError: a channel is missing.
    """
    drawn_parts = np.round(stack(drawn, (f"{LAYER}.Object Index.X",))[..., 0].astype(np.float64)).astype(np.int64)
    size = drawn_parts.shape[1], drawn_parts.shape[0]
    view, lens = geometry.view_from_pose(town.camera(ticks[1])), projection(town, size)
    made, _ = to_buffers(drawn, MEANING, view, lens)
    number = np.where(np.isfinite(made["depth"].astype(np.float64)), drawn_parts, 0)
    labels, owners = tables(town)
    made |= {key: np.where(number > 0, made[key], 0).astype(np.float16) for key in ("roughness", "metallic")}
    made["albedo"] = np.where(number[..., None] > 0, made["albedo"], 0).astype(np.float16)
    glow = np.nan_to_num(stack(drawn, (f"{LAYER}.surface.B",)).astype(np.float32))
    made["emission"] = (made["albedo"].astype(np.float32) * glow).astype(np.float16)
    made["motion"] = motion(town, ticks, made["depth"], number, size)
    ids: dict[str, Array] = {"class": labels[number], "object": owners[number]}
    return Frame(name, developed(picture, made["depth"], town), made, ids, view, lens, ticks[1] / TICKS)


@functools.lru_cache(maxsize=4)
def tables(town: Town) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]]:
    """Class and object of each part number (P+1,); part 0 is the sky."""
    labels = [0, *(CLASSES.index(thing.label) for thing in town.things)]
    owners = [0, *(thing.owner for thing in town.things)]
    return np.array(labels, np.uint8), np.array(owners, np.uint16)


def developed(picture: Channels, depth: Array, town: Town) -> npt.NDArray[np.uint8]:
    """The picture (H,W,3) as sRGB: haze, exposure, and a tone curve that never clips.

    The haze's distance is from the mist pass, so it is as smooth as the picture. But where a pixel has a share of sky,
    it is no farther than what else is there, by the depth (H,W).
    """
    light = np.nan_to_num(stack(picture, tuple(f"{LAYER}.Combined.{c}" for c in "RGB")).astype(np.float64), nan=0.0)
    away = np.clip(stack(picture, (f"{LAYER}.Mist.Z",)).astype(np.float64), 0, 1) * MIST
    weather = town.weather
    hidden = 1 - np.exp(-weather.haze * np.minimum(away, farthest_near(depth)[..., None]))
    light = np.maximum(light * (1 - hidden) + np.array(weather.horizon) * hidden, 0) * weather.exposure
    above = np.maximum(light - SHOULDER, 0) / (1 - SHOULDER)
    toned = np.where(light < SHOULDER, light, SHOULDER + (1 - SHOULDER) * (1 - np.exp(-above)))
    return np.round(geometry.linear_to_srgb(toned) * 255).astype(np.uint8)


def farthest_near(depth: Array) -> Floats:
    """The largest finite depth among each pixel and its neighbours (H,W); 0 where all is sky."""
    finite = np.pad(np.where(np.isfinite(depth), depth, 0).astype(np.float64), 1)
    rows, columns = depth.shape
    return np.max([finite[i : i + rows, j : j + columns] for i in range(3) for j in range(3)], axis=0)


def motion(
    town: Town, ticks: tuple[int, int], depth: Array, number: npt.NDArray[np.int64], size: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """The vector (H,W,2) in pixels from each pixel to where its surface was in the previous frame.

    It is 0 if that was behind the camera. Parts are rigid, so it follows from the depth (H,W), the part numbers (H,W)
    and the poses at the ticks of the previous frame and of this one. The sky is infinitely far.
    """
    earlier, tick = ticks
    lens = projection(town, size)
    seen = np.isfinite(depth)
    here = geometry.position(np.where(seen, depth, 1.0).astype(np.float64), lens)
    points = np.concatenate([here, seen[..., None].astype(np.float64)], -1)  # a direction if it is sky
    pose, before = town.camera(tick), geometry.view_from_pose(town.camera(earlier))
    moved = points @ (before @ pose).T
    for part in np.unique(number[number > 0]):
        track = town.things[part - 1].track
        if not isinstance(track, Still):
            mine = number == part
            moved[mine] = points[mine] @ (before @ track.pose(earlier) @ np.linalg.inv(track.pose(tick)) @ pose).T
    clip = moved @ lens.T
    behind = -moved[..., 2] < NEAR
    ahead = np.where(behind, 1.0, clip[..., 3])
    place = (clip[..., :2] / ahead[..., None] * (0.5, -0.5) + 0.5) * size
    rows, columns = np.indices(number.shape)
    found = place - np.stack([columns + 0.5, rows + 0.5], -1)
    return np.where(behind[..., None], 0, found).astype(np.float32)
