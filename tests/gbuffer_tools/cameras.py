"""How made-up cameras are turned, and what they see."""

import numpy as np

from gbuffer_tools import geometry


def rotation(seed: int) -> np.ndarray:
    turn, upper = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    turn = turn * np.sign(np.diag(upper))
    return turn * np.sign(np.linalg.det(turn))


def ridge(projection: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Two planes that meet: depth (H,W) and unit view normals (H,W,3)."""
    rays = geometry.position(np.ones(size), projection)
    planes = [(np.array([0.6, 0, 0.8]), 4.0), (np.array([-0.48, 0.36, 0.8]), 4.0)]
    depths = np.stack([c / -(rays @ n) for n, c in planes])
    return depths.min(0), np.stack([n for n, _ in planes])[depths.argmin(0)]
