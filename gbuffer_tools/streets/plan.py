"""A whole town from its seed: things, the camera's drive, the weather. The same seed gives the same town."""

import math
from dataclasses import dataclass
from functools import partial
from random import Random

import numpy as np

from gbuffer_tools.streets import ground, life, rows
from gbuffer_tools.streets.drive import TICKS, Route, camera_pose, make_route
from gbuffer_tools.streets.grid import CityBlock, Grid, make_grid
from gbuffer_tools.streets.shapes.mesh import Floats
from gbuffer_tools.streets.things import MAX_PARTS, Thing, Things
from gbuffer_tools.streets.weather import Weather, make_weather

DRIVE = 900
"""Length of a drive, ticks: 30 seconds, 240 metres."""
SEEN = 150.0
"""Blocks farther from the drive than this have no houses, metres."""


@dataclass(frozen=True, eq=False)
class Town:
    """What a renderer draws.

    Attributes:
        seed: the one it was made from.
        things: in the order of their part numbers, from 1.
        grid, route, weather: what their names say.
        degrees: the camera's horizontal angle of view.
        height: the camera's, metres; pitch: radians, positive upwards.
    """

    seed: int
    things: tuple[Thing, ...]
    grid: Grid
    route: Route
    weather: Weather
    degrees: float
    height: float
    pitch: float

    def camera(self, tick: float) -> Floats:
        """The camera's pose (4,4): it looks along its -z, y is up."""
        ride = life.camera_ride(self.route)
        way = ride.way(tick)
        heading = self.route.path.heading(way, over=ride.chord)
        return camera_pose(self.route.path.at(way), self.height, heading, self.pitch)


def make_town(seed: int, ticks: int = DRIVE) -> Town:
    """The town of a seed, for a drive of this many ticks, which decide who is there and where the camera goes."""
    random = Random(f"{seed}/camera")
    grid = make_grid(seed)
    route = make_route(grid, seed, life.SPEED * ticks / TICKS)
    things = Things()
    things.stand("road", np.eye(4), partial(ground.road_mesh, 900.0))
    things.stand("road", np.eye(4), partial(ground.mended_mesh, grid, seed))
    for street in grid.streets:
        things.stand("road", np.eye(4), partial(ground.marking_mesh, grid, street, seed))
    driven = route.path.points[: int((route.start + life.SPEED * ticks / TICKS + 60) * 2)]
    for block in grid.blocks:
        things.stand("pavement", np.eye(4), partial(ground.pavement_mesh, grid, block, seed))
        things.stand("tree", np.eye(4), partial(ground.green_mesh, grid, block, seed))
        if _distance(grid, block, driven) < SEEN:
            rows.add_block(things, grid, block, seed)
            rows.add_furniture(things, grid, block, seed)
    life.add_traffic(things, grid, route, seed, ticks)
    life.add_walkers(things, grid, route, seed, ticks)
    if len(things.all) > MAX_PARTS:
        raise ValueError(f"town {seed} has {len(things.all)} parts, at most {MAX_PARTS} can be told apart")
    return Town(
        seed, tuple(things.all), grid, route, make_weather(seed), random.uniform(58, 70), random.uniform(1.35, 1.65),
        math.radians(random.uniform(-2.5, 0.5)),
    )  # fmt: skip


def _distance(grid: Grid, block: CityBlock, points: Floats) -> float:
    """From a block's middle to the nearest of points (n,2), metres."""
    middle = [(low + high) / 2 for low, high in zip(block.low, block.high, strict=True)]
    return float(np.linalg.norm(points - grid.bend([(middle[0], middle[1])])[0], axis=1).min())
