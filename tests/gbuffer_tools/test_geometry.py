"""Geometry against closed forms."""

import numpy as np
import pytest

from gbuffer_tools import geometry


def perspective(near: float, far: float, fx: float, fy: float, cx: float = 0, cy: float = 0) -> np.ndarray:
    return np.array(
        [
            [fx, 0, cx, 0],
            [0, fy, cy, 0],
            [0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)],
            [0, 0, -1, 0],
        ]
    )


def test_window_depth_of_near_and_far_plane():
    p = perspective(0.5, 200, 1, 1)
    assert geometry.depth_from_window(np.array([0.0, 1.0]), p) == pytest.approx([0.5, 200], rel=1e-9)


def test_position_projects_back_to_its_pixel():
    p = perspective(1, 100, 1.3, 2.1, 0.2, -0.1)
    depth = np.random.default_rng(0).uniform(1, 100, (5, 7))
    at = np.concatenate([geometry.position(depth, p), np.ones((5, 7, 1))], -1)
    clip = at @ p.T
    ndc = clip[..., :3] / clip[..., 3:]
    x = (ndc[..., 0] + 1) / 2 * 7 - 0.5
    y = (1 - ndc[..., 1]) / 2 * 5 - 0.5
    assert np.allclose(x, np.arange(7)[None], atol=1e-9)
    assert np.allclose(y, np.arange(5)[:, None], atol=1e-9)
    window = (ndc[..., 2] + 1) / 2
    assert np.allclose(geometry.depth_from_window(window, p), depth)


@pytest.mark.parametrize("normal", [(0.0, 0.0, 1.0), (0.3, 0.4, 0.86), (-0.5, 0.1, 0.86)])
def test_normal_of_a_plane(normal):
    """Depth of the plane n . x = d along each ray, in closed form."""
    n = np.array(normal) / np.linalg.norm(normal)
    p = perspective(1, 100, 1.5, 2)
    rays = geometry.position(np.ones((20, 30)), p)
    depth = -5.0 / (rays @ n)
    assert (depth > 0).all()
    found = geometry.normal_from_depth(depth, p)[1:-1, 1:-1]
    assert np.allclose(found, n, atol=1e-9)


def test_normals_are_nan_next_to_the_sky():
    depth = np.full((6, 6), 3.0)
    depth[0] = np.inf
    found = geometry.normal_from_depth(depth, perspective(1, 100, 1, 1))
    assert np.isnan(found[1, 1:-1]).all()
    assert np.isfinite(found[2:-1, 1:-1]).all()


def test_view_vectors_face_the_camera():
    towards = geometry.view_vector(perspective(1, 100, 1, 1), (3, 5))
    assert np.allclose(np.linalg.norm(towards, axis=-1), 1)
    assert np.allclose(towards[1, 2], (0, 0, 1))
    assert towards[1, 0, 0] > 0  # left of the picture, the camera lies to the right


def test_view_vectors_point_back_along_positions_also_in_a_crop():
    p, rows, cols = perspective(1, 100, 1.3, 2.1, 0.2, -0.1), slice(2, 5), slice(3, None)
    at = geometry.position(np.full((7, 9), 3.0), p)
    towards = geometry.view_vector(p, (7, 9))
    assert np.allclose(towards, -at / np.linalg.norm(at, axis=-1, keepdims=True), atol=1e-12)
    assert np.array_equal(geometry.view_vector(p, (7, 9), rows, cols), towards[rows, cols])


def encode_spheremap(n: np.ndarray) -> np.ndarray:
    """The encoder of the paper, written out."""
    xy = n[..., :2] / np.linalg.norm(n[..., :2], axis=-1, keepdims=True)
    return 0.5 + 0.5 * xy * np.sqrt(0.5 + 0.5 * n[..., 2:])


def test_spheremap_round_trip():
    n = np.random.default_rng(1).normal(size=(5000, 3))
    n /= np.linalg.norm(n, axis=-1, keepdims=True)
    assert np.allclose(geometry.decode_spheremap(encode_spheremap(n)), n, atol=1e-9)


def test_spheremap_in_eight_bits_stays_near():
    n = np.random.default_rng(1).normal(size=(5000, 3))
    n /= np.linalg.norm(n, axis=-1, keepdims=True)
    n = n[np.abs(n[:, 2]) < 0.9]
    stored = np.round(encode_spheremap(n) * 255) / 255
    angle = np.degrees(np.arccos(np.clip((geometry.decode_spheremap(stored) * n).sum(-1), -1, 1)))
    # Half a step of 1/255 in each of two channels, doubled by decoding: 0.32 degrees across, and
    # d(angle)/d|e| = 4 |e| / sin(angle), at most 4 * 0.975 / 0.436 there, of 0.0055: below 3 degrees.
    assert angle.max() < 3
    assert np.median(angle) < 0.6


def test_spheremap_of_a_cleared_target_is_a_unit_vector():
    for cleared in (0.0, 0.5, 1.0):
        n = geometry.decode_spheremap(np.full((1, 2), cleared))
        assert np.linalg.norm(n) == pytest.approx(1)


def test_srgb_known_values_and_round_trip():
    # 0.5 sRGB is 0.21404114 linear (IEC 61966-2-1 by hand); the knee is continuous to 1e-7.
    assert geometry.srgb_to_linear(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 0.21404114, 1], abs=1e-8)
    x = np.linspace(0, 1, 257)
    assert np.allclose(geometry.linear_to_srgb(geometry.srgb_to_linear(x)), x, atol=1e-6)


def test_linear_light_of_16_bits_keeps_all_256_colours_apart():
    every = np.arange(256, dtype=np.uint8)
    found = geometry.linear16(every)
    assert len(np.unique(found)) == 256
    assert np.array_equal(np.round(geometry.linear_to_srgb(found / 65535) * 255), every)
    assert (found[[0, 128, 255]] / 65535).tolist() == pytest.approx([0, 0.21586, 1], abs=1e-5)


def test_rotations_and_reflections_are_rigid():
    turn = np.eye(4)
    turn[:3, :3], turn[:3, 3] = [[0.6, 0, 0.8], [0, 1, 0], [-0.8, 0, 0.6]], (1, 2, 3)
    assert geometry.is_rigid(turn)
    assert geometry.is_rigid(np.diag([1.0, 1, -1, 1]) @ turn)
    assert geometry.is_rigid(turn.astype(np.float16))
    assert geometry.is_rigid(np.round(np.linalg.inv(turn), 4))
    scaled = turn.copy()
    scaled[:3, :3] *= 1.001
    moved = turn.copy()
    moved[3, 0] = 0.01
    for wrong in (scaled, moved, turn.T, turn * np.nan, turn * 1e200, np.zeros((4, 4))):
        assert not geometry.is_rigid(wrong)


def test_what_means_that_nothing_was_drawn():
    stored = np.array([0, -1, np.inf, -np.inf, 1e9, 1e10, 3.4e38, 65504, 65503, 65505, 1e-6, 3, np.nan])
    nothing = [True] * 8 + [False] * 5
    assert geometry.nothing_drawn(stored).tolist() == nothing
    assert geometry.nothing_drawn(stored.astype(np.float32)).tolist() == nothing
    half = np.array([0, 65504, np.inf, 60000, np.nan], np.float16)
    assert geometry.nothing_drawn(half).tolist() == [True, True, True, False, False]


@pytest.mark.parametrize("nothing", [0, np.inf, -1, np.nan, 65504, 1e10])
def test_distances_that_say_that_nothing_is_there(nothing: float) -> None:
    distance = np.array([[2.5, nothing]])
    along = geometry.depth_from_uv_rays(distance, geometry.uv_rays(60, (1, 2)))
    assert 0 < along[0, 0] < 2.5
    assert along[0, 1] == np.inf
