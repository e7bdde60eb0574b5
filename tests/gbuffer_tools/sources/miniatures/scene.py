"""A ground plane under a sky, seen by a tilted camera: what every buffer has to be, by school geometry."""

from dataclasses import dataclass

import numpy as np

SIZE = (24, 32)
FOCAL, CENTRE = (30.0, 28.0), (17.0, 11.5)
"""Pixels; the centre from the image's top left corner."""
HEIGHT = 1.5
"""Of the camera above the plane z = 0, metres."""


@dataclass(frozen=True)
class Scene:
    """Arrays (H,W) or (H,W,3) of a camera that looks along its -z, y up.

    Attributes:
        pose: (4,4), camera to world.
        depth, distance: along the axis, along the ray; inf in the sky.
        normal: in view space; 0 in the sky.
        world_normal: likewise, of the world (z up).
        sky: where nothing is.
    """

    pose: np.ndarray
    depth: np.ndarray
    distance: np.ndarray
    normal: np.ndarray
    world_normal: np.ndarray
    sky: np.ndarray


def scene(focal: tuple[float, float] = FOCAL, centre: tuple[float, float] = CENTRE) -> Scene:
    """Seen from 1.5 m above, turned by 30 degrees about the vertical and tilted 10 degrees down."""
    tilt, yaw = np.radians(80), np.radians(30)
    about_x = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    about_z = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = about_z @ about_x, (4, -2, HEIGHT)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    rays = np.stack([(columns - centre[0]) / focal[0], (centre[1] - rows) / focal[1], -np.ones(SIZE)], -1)
    down = -(rays @ pose[:3, :3].T)[..., 2]
    sky = down <= 0.02
    depth = np.where(sky, np.inf, HEIGHT / np.where(sky, 1, down))
    world = np.where(sky[..., None], 0, np.array([0.0, 0, 1]))
    return Scene(pose, depth, depth * np.linalg.norm(rays, axis=-1), world @ pose[:3, :3], world, sky)
