"""Views out of panoramas, against a sphere whose colour is its direction."""

import numpy as np
import pytest
from numpy.typing import NDArray

from app.fetching.panoramas import perspective


def sphere(rows: int = 512) -> NDArray[np.uint8]:
    """A panorama whose colours are the directions (right, up, ahead) of its pixels, from -1..1 to 0..255."""
    azimuth = ((np.arange(2 * rows) + 0.5) / rows - 1) * np.pi
    elevation = (0.5 - (np.arange(rows) + 0.5)[:, None] / rows) * np.pi
    level = np.cos(elevation)
    directions = np.stack(np.broadcast_arrays(level * np.sin(azimuth), np.sin(elevation), level * np.cos(azimuth)), -1)
    return np.round((directions + 1) * 127.5).astype(np.uint8)


def directions(view: NDArray[np.uint8]) -> NDArray[np.float64]:
    return view / 127.5 - 1


# Half a step of 8 bits is 0.004, and so is half a step of the panorama's own rounding.
TOLERANCE = 0.01


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (90, 0), (180, 0), (-135, 20), (30, -40), (400, 5)])
def test_the_middle_shows_where_the_camera_looks(yaw: float, pitch: float) -> None:
    view = directions(perspective(sphere(), yaw, pitch, 60, (41, 61)))
    a, e = np.radians(yaw), np.radians(pitch)
    wanted = np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)
    np.testing.assert_allclose(view[20, 30], wanted, atol=TOLERANCE)


@pytest.mark.parametrize("field", [40, 70, 100])
def test_rays_are_those_of_a_pinhole(field: float) -> None:
    height, width = 90, 120
    view = directions(perspective(sphere(), 0, 0, field, (height, width)))
    focal = width / 2 / np.tan(np.radians(field) / 2)
    x = np.arange(width) + 0.5 - width / 2
    y = height / 2 - (np.arange(height)[:, None] + 0.5)
    rays = np.stack(np.broadcast_arrays(x, y, focal), -1)
    np.testing.assert_allclose(view, rays / np.linalg.norm(rays, axis=-1, keepdims=True), atol=TOLERANCE)


def test_looking_up_turns_the_rays_about_the_axis_to_the_right() -> None:
    level, up = (directions(perspective(sphere(), 0, pitch, 60, (60, 80))) for pitch in (0, 30))
    c, s = np.cos(np.radians(30)), np.sin(np.radians(30))
    turned = level @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    np.testing.assert_allclose(up, turned, atol=2 * TOLERANCE)


def test_a_panorama_finer_than_the_view_is_averaged() -> None:
    stripes = np.zeros((512, 1024, 3), np.uint8)
    stripes[:, ::2] = 200
    view = perspective(stripes, 10, 0, 90, (8, 8)).astype(float)
    assert np.abs(view - 100).max() < 10  # some 30 columns under a pixel; sampling one of them would show 0 or 200


def test_what_does_not_go_round_is_refused() -> None:
    with pytest.raises(ValueError, match="wanted a panorama, twice as wide as high"):
        perspective(np.zeros((100, 150, 3), np.uint8), 0, 0, 60, (8, 8))
