"""Cameras are found again from what they see."""

import numpy as np
import pytest

from gbuffer_tools import geometry
from gbuffer_tools.mapping import camera_solver
from tests.gbuffer_tools.cameras import rotation

SIZE = 48, 64
PLANES = 0.1, 100.0


def scene(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(view, projection, depth, world positions) of a bumpy surface; fy differs from fx, the centre is not central."""
    height, width = SIZE
    projection = geometry.projection_from_intrinsics((70, 75), (30, 27), (width, height), PLANES)
    view = np.eye(4)
    view[:3, :3], view[:3, 3] = rotation(seed), (3, -2, 8)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    depth = 6 + np.sin(x / 9) + np.cos(y / 5) * 1.5 + (x > 30) * 4
    seen = geometry.position(depth, projection)
    return view, projection, depth, (seen - view[:3, 3]) @ view[:3, :3]


@pytest.mark.parametrize("seed", range(4))
def test_a_camera_is_solved_from_world_positions(seed):
    view, projection, _, world = scene(seed)
    found = camera_solver.camera_from_positions(world, np.ones(SIZE, bool), PLANES)
    assert found is not None
    # Float64 through a 12 x 12 eigenproblem of squared equations.
    assert np.abs(found[0] - view).max() < 1e-4
    assert np.abs(found[1] - projection).max() < 1e-4


def test_float32_positions_and_wrong_pixels_do_no_harm():
    view, projection, _, world = scene(1)
    rng = np.random.default_rng(0)
    noisy = world.astype(np.float32)
    wrong = rng.random(SIZE) < 0.1
    noisy[wrong] += rng.normal(size=(wrong.sum(), 3)).astype(np.float32)
    found = camera_solver.camera_from_positions(noisy, np.ones(SIZE, bool), PLANES)
    assert np.abs(found[0] - view).max() < 2e-3
    assert np.abs(found[1] - projection).max() < 2e-3


@pytest.mark.parametrize("seed", range(3))
def test_samples_anywhere_in_a_pixel_do_not_tilt_a_usual_camera(seed):
    height, width = SIZE
    projection = geometry.projection_from_intrinsics((70, 70), (32, 24), (width, height), PLANES)
    view, _, depth, _ = scene(seed)
    shift = np.random.default_rng(seed).uniform(-0.5, 0.5, (2, *SIZE))
    rays = geometry.position(np.ones(SIZE), projection)
    rays[..., :2] += np.stack([shift[0], shift[1]], -1) / 70
    world = (rays * depth[..., None] - view[:3, 3]) @ view[:3, :3]
    found = camera_solver.camera_from_positions(world, np.ones(SIZE, bool), PLANES)
    # 3072 pixels, 0.29 pixels of noise, 70 pixels a radian: 7e-5 of turn at best. The focal length and the camera's
    # distance from its scene are harder to part.
    assert np.abs(found[0][:3, :3] - view[:3, :3]).max() < 1e-3
    assert np.abs(found[1] / np.where(projection == 0, 1, projection) - (projection != 0)).max() < 5e-3


@pytest.mark.parametrize("seed", [9, 12, 15, 16, 17])
def test_a_far_lens_off_its_centre_is_solved_though_a_central_one_runs_away(capfd, seed):
    """A shift lens of 5 degrees before a nearly flat scene: LAPACK was given what is no number, and printed so."""
    height, width, focal = 101, 33, np.array([380, 494])
    rng = np.random.default_rng(seed)
    projection = geometry.projection_from_intrinsics((380, 494), (16.5, 172), (width, height), PLANES)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    rays = geometry.position(np.ones((height, width)), projection)
    rays[..., :2] += rng.uniform(-0.5, 0.5, (height, width, 2)) / focal
    depth = 6 + 0.02 * (np.sin(x / 4.6) + np.cos(y / 10.5) * 1.5 + (x > 16) * 4)
    world = (rays * depth[..., None] - (3, -2, 8)) @ rotation(seed)
    found = camera_solver.camera_from_positions(world, np.ones((height, width), bool), PLANES)
    assert found is not None
    view, lens = found
    seen = np.concatenate([world @ view[:3, :3].T + view[:3, 3], np.ones((height, width, 1))], -1) @ lens.T
    at = seen[..., :2] / seen[..., 3:] * (width / 2, -height / 2) + (width / 2, height / 2)
    # Samples are 0.38 pixels off the centres in the mean.
    assert np.median(np.linalg.norm(at - np.stack([x + 0.5, y + 0.5], -1), axis=-1)) < 0.5
    assert capfd.readouterr() == ("", "")


def test_planes_few_points_and_other_cameras_are_not_solved():
    view, projection, _, world = scene(2)
    drawn = np.ones(SIZE, bool)
    flat = (geometry.position(np.full(SIZE, 5.0), projection) - view[:3, 3]) @ view[:3, :3]
    assert camera_solver.camera_from_positions(flat, drawn, PLANES) is None
    few = np.zeros(SIZE, bool)
    few[:3, :3] = True
    assert camera_solver.camera_from_positions(world, few, PLANES) is None
    shuffled = np.random.default_rng(0).permutation(world.reshape(-1, 3)).reshape(world.shape)
    assert camera_solver.camera_from_positions(shuffled, drawn, PLANES) is None
    assert camera_solver.camera_from_positions(np.full_like(world, np.nan), drawn, PLANES) is None


@pytest.mark.parametrize("scale", [1e-30, 1e30, 1e200])
def test_garbage_is_no_camera_and_no_traceback(scale):
    for seed in range(5):
        garbage = np.random.default_rng(seed).normal(size=(*SIZE, 3)) * scale
        assert camera_solver.camera_from_positions(garbage, np.ones(SIZE, bool), PLANES) is None


@pytest.mark.parametrize("noise", [0.0, 1e-7, 1e-4])
def test_a_parallel_projection_is_no_pinhole_camera(noise):
    x, y = np.meshgrid(np.arange(64) / 8, -np.arange(48) / 8)
    seen = np.stack([x, y, np.sin(x * 3) - 5 - (x > 4)], -1)
    world = seen @ rotation(1) + np.random.default_rng(0).normal(size=seen.shape) * noise
    assert camera_solver.camera_from_positions(world, np.ones(SIZE, bool), PLANES) is None


def test_sheared_pictures_are_of_no_pinhole_camera():
    _, _, _, world = scene(3)
    sheared = np.stack([np.roll(row, i // 4, 0) for i, row in enumerate(world)])
    drawn = np.zeros(SIZE, bool)
    drawn[:, 12:] = True
    assert camera_solver.camera_from_positions(sheared, drawn, PLANES) is None


@pytest.mark.parametrize("seed", range(4))
def test_a_rotation_is_solved_from_normals(seed):
    turn = rotation(seed)
    rng = np.random.default_rng(seed)
    world = rng.normal(size=(20, 20, 3))
    world /= np.linalg.norm(world, axis=-1, keepdims=True)
    view = world @ turn.T
    view[0] = np.nan
    view[1] = -view[1]  # wrong ones are left out
    found = camera_solver.rotation_from_normals(world, view, np.ones((20, 20), bool))
    assert np.abs(found - turn).max() < 1e-9


def test_one_direction_is_not_enough():
    world = np.tile([0.0, 0, 1], (20, 20, 1))
    drawn = np.ones((20, 20), bool)
    assert camera_solver.rotation_from_normals(world, world, drawn) is None
    assert camera_solver.rotation_from_normals(world, world, np.zeros_like(drawn)) is None
    rng = np.random.default_rng(0)
    noise = [n / np.linalg.norm(n, axis=-1, keepdims=True) for n in rng.normal(size=(2, 20, 20, 3))]
    assert camera_solver.rotation_from_normals(*noise, drawn) is None
