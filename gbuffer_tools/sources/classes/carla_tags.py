"""CARLA's class tags, whose numbers changed between versions (LibCarla/source/carla/rpc/ObjectLabel.h and
carla.readthedocs.io, sensors reference), and what else depends on the version."""

import re

from gbuffer_tools.errors import InputError

TAGS = (
    "unlabeled", "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
    "terrain", "sky", "pedestrian", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle", "static",
    "dynamic", "other", "water", "road line", "ground", "bridge", "rail track", "guard rail",
)  # fmt: skip
"""For 0.9.14 and later."""
TAGS_0_10 = (*TAGS, "rock")
TAGS_0_9_13 = (
    "unlabeled", "building", "fence", "other", "pedestrian", "pole", "road line", "road", "sidewalk", "vegetation",
    "vehicle", "wall", "traffic sign", "sky", "ground", "bridge", "rail track", "guard rail", "traffic light", "static",
    "dynamic", "water", "terrain",
)  # fmt: skip
"""For 0.9.13 and earlier; the first versions had the first 13 of these."""
ASSUMED = "0.9.14"

Version = tuple[int, int, int]
"""(0, 9, 13); () stands for an unknown version."""


def parse(text: str) -> Version | tuple[()]:
    """A version such as 0.9.13 or 0.10; () for an empty text.

    Raises:
        InputError: it is not a version.
    """
    match = re.fullmatch(r"([0-9]{1,3})\.([0-9]{1,3})(?:\.([0-9]{1,3}))?", text)
    if text and not match:
        raise InputError(f"--carla {text}: wanted CARLA's version, such as 0.9.13 or 0.10.0")
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else ()


def tags(version: Version | tuple[()]) -> tuple[str, ...]:
    """The classes by tag; those of `ASSUMED` if the version is unknown."""
    if not version or (0, 9, 14) <= version < (0, 10, 0):
        return TAGS
    return TAGS_0_10 if version >= (0, 10, 0) else TAGS_0_9_13


def sensor_normals(version: Version | tuple[()]) -> str:
    """The buffer for images of sensor.camera.normals.

    Until April 2025 they were in view space, in an undocumented encoding; since then they are in Unreal's world space,
    0.5 n + 0.5 (pull requests 8810 for 0.10, 8859 for 0.9.16). If the version is unknown, it may be either.
    """
    if not version:
        return "x_sensor_normal"
    return "x_view_normal" if version <= (0, 9, 15) or version == (0, 10, 0) else "x_world_normal"
