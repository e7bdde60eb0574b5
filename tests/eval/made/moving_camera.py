"""A camera before a textured wall: pictures, depth and matrices whose motion is known in closed form."""

import cv2
import numpy as np

from gbuffer_tools.geometry import projection_from_intrinsics

HEIGHT, WIDTH, FOCAL = 48, 64, 60.0
PROJECTION = projection_from_intrinsics((FOCAL, FOCAL), (WIDTH / 2, HEIGHT / 2), (WIDTH, HEIGHT), (0.1, 1000.0))


def camera(x: float = 0.0, y: float = 0.0, z: float = 0.0, turn: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """View and projection at a point of the world, turned to the left about the vertical axis (radians)."""
    view = np.eye(4)
    view[:3, :3] = [[np.cos(turn), 0, -np.sin(turn)], [0, 1, 0], [np.sin(turn), 0, np.cos(turn)]]
    view[:3, 3] = -view[:3, :3] @ (x, y, z)
    return view, PROJECTION


def texture(seed: int = 0) -> np.ndarray:
    """A picture (HEIGHT, WIDTH, 3) uint8 of smooth noise."""
    noise = np.random.default_rng(seed).normal(size=(HEIGHT, WIDTH, 3))
    return np.clip(127 + 300 * cv2.GaussianBlur(noise, (0, 0), 3), 0, 255).astype(np.uint8)
