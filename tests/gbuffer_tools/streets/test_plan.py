"""A town's plan: the same for a seed, different for others, and one in which nobody stands in anybody's way."""

import hashlib
import math

import numpy as np
import pytest

from gbuffer_tools.streets.drive import Path, camera_pose
from gbuffer_tools.streets.grid import CORNER, contains, make_grid, outline
from gbuffer_tools.streets.ground import marking_mesh, mended_mesh
from gbuffer_tools.streets.life import camera_ride, road_of
from gbuffer_tools.streets.plan import DRIVE, Town, make_town
from gbuffer_tools.streets.things import CLASSES, Ride, Still

SEEDS = (1, 7)


@pytest.fixture(scope="module", params=SEEDS)
def town(request: pytest.FixtureRequest) -> Town:
    return make_town(request.param)


def digest(town: Town) -> str:
    """Of all poses at two ticks, and of one mesh in forty."""
    found = hashlib.sha256()
    for i, thing in enumerate(town.things):
        for tick in (0, 450):
            found.update(thing.track.pose(tick).tobytes())
        if i % 40 == 0:
            mesh = thing.build()
            found.update(mesh.vertices.tobytes() + mesh.loops.tobytes() + mesh.colours.tobytes())
    return found.hexdigest() + repr(town.weather)


def test_a_seed_gives_one_town_and_another_seed_another() -> None:
    first = digest(make_town(4))
    assert digest(make_town(4)) == first
    assert digest(make_town(5)) != first


def test_every_class_but_the_sky_is_there(town: Town) -> None:
    assert {thing.label for thing in town.things} == set(CLASSES) - {"sky"}


def test_meshes_are_closed_lists_of_polygons_with_finite_corners(town: Town) -> None:
    for thing in town.things[::25]:
        mesh = thing.build()
        assert np.isfinite(mesh.vertices).all()
        assert mesh.sizes.min() >= 3
        assert mesh.sizes.sum() == len(mesh.loops)
        assert 0 <= mesh.loops.min() <= mesh.loops.max() < len(mesh.vertices)
        assert 0 <= mesh.colours.min() <= mesh.colours.max() <= 1


def test_the_camera_keeps_to_the_left_lane(town: Town) -> None:
    """Between crossings it is nearer to the middle of its lane than a car needs, and on the left of the street."""
    ride, grid = camera_ride(town.route), town.grid
    checked = 0
    for tick in range(0, DRIVE, 10):
        place, way = np.array(ride.path.at(ride.way(tick))), ride.path.heading(ride.way(tick))
        for leg in town.route.legs:
            offset = across(grid.bend, place, leg.street.axis) - leg.street.at
            crossings = [street for street in grid.streets if street.axis != leg.street.axis]
            along = across(grid.bend, place, 1 - leg.street.axis)
            middle_of_block = all(abs(along - s.at) > s.half + 8 for s in crossings)
            if abs(offset) < leg.street.half and middle_of_block:
                straight = (math.cos(way), math.sin(way))[leg.street.axis]
                left = offset * (1 if straight > 0 else -1) * (1 if leg.street.axis == 0 else -1)
                # 0.35: the bend of the street between the points of the path, and its stretching across.
                assert left == pytest.approx(leg.street.lane / 2, abs=0.35)
                checked += 1
    assert checked > 20


def across(bend, place: np.ndarray, axis: int) -> float:
    """The straight grid's coordinate 1 - `axis` of a place in the world, by fixed point iteration."""
    point = place.copy()
    for _ in range(60):
        point = point - 0.7 * (bend([point])[0] - place)
    return float(point[1 - axis])


def test_nobody_comes_into_the_camera_s_way(town: Town) -> None:
    """Half a car, and half of what it passes, is 1.7 m; cyclists and people are thinner."""
    road = road_of(town.route, DRIVE)
    ticks = np.arange(0.0, DRIVE, 7)
    camera = town.route.path.places([camera_ride(town.route).way(tick) for tick in ticks])
    assert len(road.camera) > len(camera)
    for label, min_distance in (("car", 1.9), ("bicyclist", 0.9), ("pedestrian", 0.45)):
        for thing in town.things:
            if thing.label == label:
                away = np.linalg.norm(thing.track.spots(0.0, ticks)[:, 2] - camera, axis=-1)
                assert np.nanmin(np.where(np.isnan(away), np.inf, away)) > min_distance, label


def test_no_car_stands_or_drives_in_a_house_or_in_another_car(town: Town) -> None:
    ticks = np.arange(0.0, DRIVE, 60)
    houses = [thing for thing in town.things if thing.label == "building"]
    boxes = [(thing.track.pose(0), thing.build().vertices) for thing in houses[::4]]
    cars = [thing.track for thing in town.things if thing.label == "car"]
    spots = np.stack([car.spots(1.8, ticks) for car in cars])
    for pose, vertices in boxes:
        inside = spots.reshape(-1, 2) - pose[:2, 3]
        local = inside @ pose[:2, :2]
        low, high = vertices[:, :2].min(0), vertices[:, :2].max(0)
        assert not ((local > low) & (local < high)).all(1).any()
    middles = spots[:, :, 2]
    for i in range(len(cars)):
        away = np.linalg.norm(middles[i + 1 :] - middles[i], axis=-1)
        assert not (away < 1.8).any()


def test_houses_stand_on_their_blocks_and_not_on_the_road(town: Town) -> None:
    """Every corner of a house's ground floor is above a block, kerbs left aside."""
    outlines = [town.grid.bend(outline(block, 0.2)) for block in town.grid.blocks]
    for thing in [thing for thing in town.things if thing.label == "building"][::3]:
        pose, vertices = thing.track.pose(0), thing.build().vertices
        base = vertices[vertices[:, 2] < 0.01]
        low, high = base[:, :2].min(0), base[:, :2].max(0)
        corners = np.array([(x, y, 0, 1) for x in (low[0], high[0]) for y in (low[1], high[1])])
        assert any(contains(polygon, (corners @ pose.T)[:, :2]) for polygon in outlines), thing.shape


def test_nothing_on_the_road_lies_in_one_place_with_another_at_the_same_height(town: Town) -> None:
    """Each of two such surfaces would keep the light from the other: a black patch."""
    meshes = [mended_mesh(town.grid, town.seed), *(marking_mesh(town.grid, s, town.seed) for s in town.grid.streets)]
    flat = [mesh.vertices[loop] for mesh in meshes for loop in np.split(mesh.loops, np.cumsum(mesh.sizes)[:-1])]
    lows, highs = (np.array([side(corners, 0) for corners in flat]) for side in (np.min, np.max))
    assert len(flat) > 100
    for i, corners in enumerate(flat):
        near = (lows[i, :2] < highs[i + 1 :, :2]) & (lows[i + 1 :, :2] < highs[i, :2])
        for j in i + 1 + np.flatnonzero(near.all(1) & (lows[i + 1 :, 2] == lows[i, 2])):
            assert apart(corners[:, :2], flat[j][:, :2]), (corners, flat[j])


def apart(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two convex polygons have no more than a border in common: a line along one of their sides is between."""
    for edges in (np.roll(one, -1, 0) - one, np.roll(other, -1, 0) - other):
        across = np.stack([edges[:, 1], -edges[:, 0]]) / np.linalg.norm(edges, axis=1)
        a, b = one @ across, other @ across
        if (np.maximum(a.min(0) - b.max(0), b.min(0) - a.max(0)) > -1e-3).any():  # a millimetre of rounding
            return True
    return False


def test_points_in_a_polygon() -> None:
    arrow = np.array([(0, 0), (4, 0), (4, 4), (2, 1), (0, 4.0)])
    assert contains(arrow, np.array([(0.5, 0.5), (3.5, 3.0), (0.2, 3.5)]))
    assert not contains(arrow, np.array([(0.5, 0.5), (2.0, 3.0)]))
    assert not contains(arrow, np.array([(5.0, 1.0)]))


def test_blocks_leave_the_streets_as_wide_as_they_are() -> None:
    grid = make_grid(3)
    for street in grid.streets:
        edges = [b.low[1 - street.axis] for b in grid.blocks] + [b.high[1 - street.axis] for b in grid.blocks]
        assert any(abs(edge - street.at - street.half) < 1e-9 for edge in edges)
        assert any(abs(edge - street.at + street.half) < 1e-9 for edge in edges)


def test_outlines_of_a_block_can_be_joined_and_have_round_corners() -> None:
    block = make_grid(3).blocks[5]
    outer, inner = outline(block, 0.0), outline(block, 2.5)
    assert len(outer) == len(inner)
    corner = np.array([block.high[0] - CORNER, block.low[1] + CORNER])
    round_corner = outer[(outer[:, 0] > corner[0]) & (outer[:, 1] < corner[1])]
    assert len(round_corner) == 3
    assert np.linalg.norm(round_corner - corner, axis=1) == pytest.approx([CORNER] * 3)


def test_a_ride_goes_on_straight_beyond_its_path_and_is_not_seen_there() -> None:
    ride = Ride(Path(np.array([(0.0, 0.0), (10.0, 0.0)])), start=2.0, speed=6.0)
    assert ride.pose(30)[:2, 3].tolist() == [8, 0]
    assert ride.pose(60)[:2, 3].tolist() == [14, 0]
    assert (ride.seen(30), ride.seen(60), ride.seen(-30)) == (True, False, False)
    assert np.isnan(ride.spots(1.0, np.array([60.0]))).all()
    assert ride.spots(1.0, np.array([30.0]))[0, :, 0].tolist() == [7, 7.5, 8, 8.5, 9]
    assert isinstance(Still(np.eye(4)).pose(3), np.ndarray)


def test_a_camera_looks_along_its_heading_with_y_up() -> None:
    pose = camera_pose((1, 2), 1.5, math.pi / 2, 0.1)
    assert pose[:3, :3] @ pose[:3, :3].T == pytest.approx(np.eye(3))
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)
    assert -pose[:3, 2] == pytest.approx([0, math.cos(0.1), math.sin(0.1)])
    assert pose[2, 1] > 0.9
    assert pose[:3, 3].tolist() == [1, 2, 1.5]
