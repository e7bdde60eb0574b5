"""The street of gbuffer_tools/profiles/godot3_street in closed forms: what a camera's ray meets first, and where."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gbuffer_tools import geometry, profiles

STREET: dict[str, Any] = json.loads(
    (Path(profiles.__file__).parent / "godot3_street" / "street.json").read_text(encoding="utf-8")
)
THINGS: list[dict[str, Any]] = STREET["things"]


@dataclass(frozen=True)
class Seen:
    """Per pixel: depth along the view axis (inf for the sky), normal in view space, index of the thing (-1: sky)."""

    depth: np.ndarray
    normal: np.ndarray
    thing: np.ndarray


def view(number: int) -> np.ndarray:
    """World to view (4,4) of picture `number`."""
    facts = STREET["camera"]
    pitch, yaw = math.radians(facts["pitch"]), math.radians(facts["yaw"])
    about_x = [[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]]
    about_y = [[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]]
    pose = np.eye(4)
    pose[:3, :3] = np.array(about_y) @ np.array(about_x)
    pose[:3, 3] = np.array(facts["start"]) + np.array(facts["step"]) * (number % facts["frames"])
    return geometry.view_from_pose(pose)


def projection(width: int, height: int) -> np.ndarray:
    """OpenGL's (4,4), whose vertical field of view is given."""
    facts = STREET["camera"]
    focal = height / 2 / math.tan(math.radians(facts["fov"]) / 2)
    centre = (width / 2, height / 2)
    return geometry.projection_from_intrinsics((focal, focal), centre, (width, height), (facts["near"], facts["far"]))


def look(number: int, width: int, height: int) -> Seen:
    """Every pixel's ray against every thing."""
    turned = view(number)
    rotation = turned[:3, :3]
    origin = -rotation.T @ turned[:3, 3]
    rays = geometry.position(np.ones((height, width)), projection(width, height)) @ rotation  # a depth of 1 long
    depth = np.full((height, width), np.inf)
    normal, thing = np.zeros((height, width, 3)), np.full((height, width), -1)
    with np.errstate(all="ignore"):
        for index, facts in enumerate(THINGS):
            at, facing = MEETINGS[facts["shape"]](facts, origin - facts["at"], rays)
            nearer = (at > 0) & (at < depth)
            depth[nearer], thing[nearer] = at[nearer], index
            normal[nearer] = facing[nearer] @ rotation.T
    return Seen(depth, normal, thing)


def plane(facts: dict[str, Any], origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    at = -origin[1] / rays[..., 1]
    x, z = (origin[i] + at * rays[..., i] for i in (0, 2))
    inside = (np.abs(x) <= facts["size"][0] / 2) & (np.abs(z) <= facts["size"][1] / 2)
    return np.where(inside, at, np.inf), np.broadcast_to([0.0, 1, 0], rays.shape)


def box(facts: dict[str, Any], origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    half = np.array(facts["size"]) / 2
    ends = np.sort(np.stack([(side * half - origin) / rays for side in (-1, 1)]), axis=0)
    entry, leave = ends[0].max(-1), ends[1].min(-1)
    axis = ends[0].argmax(-1)[..., None] == np.arange(3)
    return np.where(entry < leave, entry, np.inf), np.where(axis, -np.sign(rays), 0)


def sphere(facts: dict[str, Any], origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    at = first_root((rays**2).sum(-1), rays @ origin, origin @ origin - facts["radius"] ** 2)
    return at, (origin + at[..., None] * rays) / facts["radius"]


def cylinder(facts: dict[str, Any], origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The side alone: no camera of the street sees an end that nothing covers."""
    flat, start = rays * [1, 0, 1], origin * [1, 0, 1]
    at = first_root((flat**2).sum(-1), flat @ start, start @ start - facts["radius"] ** 2)
    inside = np.abs(origin[1] + at * rays[..., 1]) <= facts["height"] / 2
    return np.where(inside, at, np.inf), (start + at[..., None] * flat) / facts["radius"]


def first_root(a: np.ndarray, half: np.ndarray, c: float) -> np.ndarray:
    """The smaller x of a x^2 + 2 half x + c = 0; nan where there is none."""
    return (-half - np.sqrt(half**2 - a * c)) / a


MEETINGS = {"plane": plane, "box": box, "sphere": sphere, "cylinder": cylinder}
