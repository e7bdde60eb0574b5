"""A depth that is averaged over its pixels, against one that is that of one surface a pixel."""

import numpy as np
import pytest

from gbuffer_tools.checks.depth_edges import DepthEdges
from tests.gbuffer_tools.cameras import ridge
from tests.gbuffer_tools.sources.miniatures.exr_blender import PROJECTION

SIZE = H, W = 48, 64
FINE = 8


def scene(scale: int, sky: float) -> np.ndarray:
    """Two slopes, a ball before them and the sky behind, at `scale` samples a pixel and side."""
    y, x = np.mgrid[0 : H * scale, 0 : W * scale] / scale
    depth = 20 - 0.1 * y + 0.05 * np.abs(x - 30)
    depth[(y < 9 + x / 5)] = sky
    away = np.hypot(x - 35, y - 28)
    return np.where(away < 11, 4 - 0.5 * np.sqrt(np.maximum(1 - (away / 11) ** 2, 0)), depth)


def averaged(sky: float) -> np.ndarray:
    found = scene(FINE, sky).reshape(H, FINE, W, FINE).mean((1, 3))
    return np.where(found >= min(sky, 1e9), np.inf, found)


def problem(*depths: np.ndarray) -> str:
    edges = DepthEdges()
    for depth in depths:
        edges.add(depth)
    return edges.problem


@pytest.mark.parametrize("sky", [40.0, 655.04, np.inf])
def test_one_surface_a_pixel_is_no_finding(sky):
    assert problem(scene(1, sky)) == ""


@pytest.mark.parametrize("sky", [40.0, 655.04, np.inf])
def test_averages_over_pixels_are_found(sky):
    """Over infinite samples the average is infinite, too: the ball's edge is what tells."""
    line = problem(averaged(sky), averaged(sky))
    assert line.startswith("depth is anti-aliased? ")
    assert "belongs to neither" in line


def test_thin_things_before_a_wall_are_no_finding():
    depth = scene(1, np.inf)
    depth[:, ::9] = 7
    assert problem(depth) == ""


@pytest.mark.parametrize("horizon", [20.0, 20.05, 20.2, 20.5, 20.9])
def test_the_ground_that_runs_to_the_horizon_is_no_finding(horizon):
    y = np.arange(120)[:, None] + 0.5
    with np.errstate(divide="ignore"):
        ground = np.where(y > horizon, 100 / (y - horizon), np.inf)
    depth = np.repeat(ground, 200, axis=1)
    assert problem(depth) == ""
    assert problem(np.where(np.arange(200) < 60, 5.0, depth)) == ""


def test_a_few_edges_of_a_small_picture_are_enough():
    depth = np.full((16, 24), 3.0)
    depth[:, 12:] = 9
    assert problem(depth) == ""
    depth[:, 12] = 6.5
    assert problem(depth) != ""


def test_noise_slopes_and_tiny_pictures_say_nothing():
    rng = np.random.default_rng(0)
    assert problem(*(rng.uniform(1, 100, (200, 300)) for _ in range(20))) == ""
    assert problem(ridge(PROJECTION, (40, 60))[0]) == ""
    assert problem(np.ones((1, 1)), np.full((3, 9), np.nan), np.full((9, 9), np.inf)) == ""
