"""What is made of draws, without a game: object ids, nearest instances, maps by draw, correlation."""

import numpy as np
import pytest

from gbuffer_tools.profiles import PROFILES
from gbuffer_tools.renderdoc import capture_to_frame, texture_names
from gbuffer_tools.renderdoc.capture_to_frame import Replayed
from gbuffer_tools.renderdoc.draw_ids import Draw, Drawn
from gbuffer_tools.renderdoc.profile import Captured

PROFILE = PROFILES["supertuxkart"]
PROJECTION = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1.002, -2.002], [0, 0, -1, 0]])


def replayed(draw_map: np.ndarray, draws: tuple[Draw, ...]) -> Replayed:
    captured = Captured({}, np.zeros(draw_map.shape), draw_map > 0, {}, None, {}, {})
    return Replayed(captured, np.zeros((*draw_map.shape, 3), np.uint8), Drawn(draw_map, draws, {}))


def draw(texture: int = 0, origins: list[list[float]] | None = None) -> Draw:
    return Draw(1, texture, np.array(origins or [], np.float32).reshape(-1, 3))


def test_object_ids_follow_draws_and_nearest_instances():
    """A row of pixels, half a metre apart at depth 4, and two instances at x = -2 and x = 2 in the world."""
    draw_map = np.array([[2, 2, 2, 2, 1, 1, 0, 3]] * 1, np.uint16)
    draws = (draw(), draw(origins=[[2, 0, -4], [-2, 0, -4]]), draw())
    view = np.eye(4)
    view[0, 3] = 1.5  # the camera stands at x = -1.5
    depth = np.full((1, 8), 4.0)
    depth[0, 6] = np.inf
    # In view space the row is at x = -3.5, -2.5, …, 3.5; in the world 1.5 less: -5, -4, -3, -2, …
    found = capture_to_frame.object_map(replayed(draw_map, draws), depth, view, PROJECTION)
    assert found.tolist() == [[2, 2, 2, 2, 1, 1, 0, 3]]
    view[0, 3] = -2.0  # the camera at x = 2: the world's x is -1.5, -0.5, 0.5, 1.5, …
    found = capture_to_frame.object_map(replayed(draw_map, draws), depth, view, PROJECTION)
    assert found.tolist() == [[3, 3, 2, 2, 1, 1, 0, 4]]


def test_nearest_agrees_with_every_distance_written_out():
    rng = np.random.default_rng(0)
    points, origins = rng.normal(size=(9000, 3)) * 50, rng.normal(size=(17, 3)) * 50
    slow = [int(np.argmin(((origins - p) ** 2).sum(1))) for p in points]
    assert capture_to_frame.nearest(points, origins).tolist() == slow
    assert capture_to_frame.nearest(points[:3], origins[:1]).tolist() == [0, 0, 0]
    assert capture_to_frame.nearest(points[:2], np.zeros((0, 3))).tolist() == [0, 0]


def test_class_map_by_names():
    draw_map = np.array([[0, 1], [2, 3]], np.uint16)
    draws = (draw(7), draw(8), draw(0))
    names = {
        7: texture_names.TextureMatch("textures/city_asphalt_1.jpg", 0.001),
        8: texture_names.TextureMatch(None, 0.2),
    }
    found = capture_to_frame.class_map(replayed(draw_map, draws), PROFILE, names)
    wanted = [["sky", "road"], ["unknown", "unknown"]]
    assert [[PROFILE.classes[i] for i in row] for row in found] == wanted
    assert found.dtype == np.uint8


def test_by_draw():
    found = capture_to_frame.by_draw([10, 2**32 - 1], np.array([[0, 2], [1, 1]], np.uint16), np.uint32)
    assert found.tolist() == [[0, 2**32 - 1], [10, 10]]


def test_correlation():
    rng = np.random.default_rng(0)
    a, where = rng.random((9, 9, 3)), np.ones((9, 9), bool)
    assert capture_to_frame.correlation(a, 3 * a + 1, where) == pytest.approx(1)
    assert capture_to_frame.correlation(a, -a, where) == pytest.approx(-1)
    assert capture_to_frame.correlation(a, np.ones_like(a), where) == 0
    assert capture_to_frame.correlation(a, a, ~where) == 0
    broken = a.copy()
    broken[0, 0] = np.nan
    where[0, 0] = False
    assert capture_to_frame.correlation(broken, a, where) == pytest.approx(1)
