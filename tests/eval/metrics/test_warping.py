"""Motion against closed forms: a camera before a wall, a turn under the sky, pictures that were shifted."""

import numpy as np
import pytest

from eval.metrics.warping import flow_of_cameras, optical_flow, seen_again, warped, warping_error
from tests.eval.made.moving_camera import FOCAL, HEIGHT, WIDTH, camera, texture


def wall(depth: float) -> np.ndarray:
    return np.full((HEIGHT, WIDTH), depth)


class TestCameras:
    def test_beside_a_wall_everything_moves_alike(self) -> None:
        # The camera goes right and up: the wall goes left and down, by focal length times way over depth.
        flow = flow_of_cameras(wall(5.0), camera(), camera(0.4, 0.25))
        np.testing.assert_allclose(flow, np.broadcast_to((-FOCAL * 0.4 / 5, FOCAL * 0.25 / 5), flow.shape), atol=1e-9)

    def test_towards_a_wall_everything_leaves_the_centre(self) -> None:
        flow = flow_of_cameras(wall(5.0), camera(), camera(z=-1.0))
        columns, rows = np.arange(WIDTH) + 0.5 - WIDTH / 2, np.arange(HEIGHT) + 0.5 - HEIGHT / 2
        np.testing.assert_allclose(flow[..., 0], np.broadcast_to(columns / 4, (HEIGHT, WIDTH)), atol=1e-9)
        np.testing.assert_allclose(flow[..., 1], np.broadcast_to(rows[:, None] / 4, (HEIGHT, WIDTH)), atol=1e-9)

    def test_the_sky_turns_and_does_not_move(self) -> None:
        sky = wall(np.inf)
        assert np.abs(flow_of_cameras(sky, camera(), camera(3, 2, 9))).max() < 1e-9
        flow = flow_of_cameras(sky, camera(), camera(5, turn=0.1))
        middle = flow[HEIGHT // 2, WIDTH // 2]
        angle = np.arctan(0.5 / FOCAL)
        assert middle[0] == pytest.approx(FOCAL * np.tan(angle + 0.1) - 0.5, rel=1e-9)

    def test_what_is_behind_the_other_camera_has_no_place(self) -> None:
        flow = flow_of_cameras(wall(5.0), camera(), camera(z=-6.0))
        assert np.isnan(flow).all()

    def test_there_and_back(self) -> None:
        rng = np.random.default_rng(0)
        a, b = camera(0.2, -0.1, 0.3, 0.05), camera(-0.1, 0.2, 0.1, -0.02)
        depth = rng.uniform(3, 9, (HEIGHT, WIDTH))
        flow = flow_of_cameras(depth, a, b)
        # The same points seen from b, put on b's pixels: the way back is minus the way there.
        row, column = 20, 30
        own = np.linalg.inv(a[0])
        x = ((column + 0.5) - WIDTH / 2) / FOCAL * depth[row, column]
        y = (HEIGHT / 2 - (row + 0.5)) / FOCAL * depth[row, column]
        point = b[0] @ own @ (x, y, -depth[row, column], 1)
        found = WIDTH / 2 + FOCAL * point[0] / -point[2], HEIGHT / 2 - FOCAL * point[1] / -point[2]
        np.testing.assert_allclose(flow[row, column], (found[0] - column - 0.5, found[1] - row - 0.5), atol=1e-9)


def test_optical_flow_finds_a_shift() -> None:
    wide = texture()
    here, there = wide[4:44, 6:58], wide[2:42, 3:55]  # what was at x is at x + 3, what was at y is at y + 2
    flow = optical_flow(np.ascontiguousarray(here), np.ascontiguousarray(there))
    assert np.median(flow[8:-8, 8:-8], axis=(0, 1)) == pytest.approx((3, 2), abs=0.25)


class TestWarping:
    def test_whole_pixels_are_moved_exactly(self) -> None:
        there = texture() / 255.0
        flow = np.full((HEIGHT, WIDTH, 2), (3.0, -2.0))
        found = warped(there, flow)
        assert np.array_equal(found[2:, :-3], there[:-2, 3:])
        assert np.isnan(found[:2]).all()
        assert np.isnan(found[:, -3:]).all()

    def test_between_pixels_are_means(self) -> None:
        there = texture() / 255.0
        found = warped(there, np.full((HEIGHT, WIDTH, 2), (0.3, 0.0)))
        np.testing.assert_allclose(found[:, :-1], 0.3 * there[:, 1:] + 0.7 * there[:, :-1], atol=1e-12)

    def test_no_flow_is_nowhere(self) -> None:
        flow = np.zeros((HEIGHT, WIDTH, 2))
        flow[5, 6] = np.nan
        found = warped(texture() / 255.0, flow)
        assert np.isnan(found[5, 6]).all()
        assert np.isfinite(found).sum() == (HEIGHT * WIDTH - 1) * 3


class TestSeenAgain:
    def test_a_way_that_does_not_return_is_covered(self) -> None:
        forward, backward = np.full((HEIGHT, WIDTH, 2), (4.0, 0.0)), np.full((HEIGHT, WIDTH, 2), (-4.0, 0.0))
        backward[:, 30:40] = (2.0, 0.0)  # another thing has come before it there
        seen = seen_again(forward, backward)
        assert not seen[:, 26:36].any()
        assert seen[:, :26].all()
        assert seen[:, 36:60].all()
        assert not seen[:, 60:].any()  # outside of the next frame

    def test_borders_of_motion_do_not_count(self) -> None:
        forward = np.zeros((HEIGHT, WIDTH, 2))
        forward[:, 32:] = (1.0, 0.0)
        seen = seen_again(forward, -forward)
        assert not seen[:, 31:33].any()
        assert seen[:, :31].all()


class TestError:
    def test_a_picture_that_moves_with_the_flow_has_none(self) -> None:
        wide = texture()
        here, there = wide[:, :-3], wide[:, 3:]
        flow = np.full((HEIGHT, WIDTH - 3, 2), (-3.0, 0.0))
        seen = seen_again(flow, -flow)
        assert warping_error(here, there, flow, seen) == pytest.approx(0, abs=1e-12)

    def test_flicker_by_hand(self) -> None:
        here, there = np.full((9, 9, 3), 100, np.uint8), np.full((9, 9, 3), 151, np.uint8)
        still, all_seen = np.zeros((9, 9, 2)), np.ones((9, 9), bool)
        assert warping_error(here, there, still, all_seen) == pytest.approx(0.04, rel=1e-9)  # (51 / 255)²
        assert np.isnan(warping_error(here, there, still, ~all_seen))
