"""Ways through the streets: the camera's, with turns, and the traffic's, straight along a street."""

import math
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import numpy as np
import numpy.typing as npt

from gbuffer_tools.streets.grid import STREETS, Grid, Street
from gbuffer_tools.streets.shapes.mesh import Floats

TICKS = 30
"""Per second."""
STEP = 0.5
"""Between the points of a path, metres."""


class Path:
    """A way through the world, by its length; beyond its ends it continues straight.

    Args:
        points: (n,2) metres, at least two, none twice in a row.
    """

    def __init__(self, points: Floats) -> None:
        legs = np.linalg.norm(np.diff(points, axis=0), axis=1)
        keep = np.concatenate([[True], legs > 1e-6])
        self.points = points[keep]
        self.way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(self.points, axis=0), axis=1))])

    @property
    def length(self) -> float:
        """The path's length, metres."""
        return float(self.way[-1])

    def places(self, ways: npt.ArrayLike) -> Floats:
        """The places (...,2) after these numbers of metres."""
        wanted = np.asarray(ways, np.float64)
        i = np.clip(np.searchsorted(self.way, wanted) - 1, 0, len(self.way) - 2)
        fraction = (wanted - self.way[i]) / (self.way[i + 1] - self.way[i])
        return self.points[i] + fraction[..., None] * (self.points[i + 1] - self.points[i])

    def at(self, way: float) -> tuple[float, float]:
        """The place after this many metres."""
        x, y = self.places(way)
        return float(x), float(y)

    def heading(self, way: float, *, over: float = 1.6) -> float:
        """The direction there in radians, from the chord over some metres, so vehicles turn smoothly."""
        (a, b), (c, d) = self.at(way - over / 2), self.at(way + over / 2)
        return math.atan2(d - b, c - a)


@dataclass(frozen=True)
class Leg:
    """A piece of a drive along one street, forwards (1) or backwards (-1) along its axis."""

    street: Street
    direction: int


@dataclass(frozen=True)
class Route:
    """The camera's way, and the streets it takes."""

    path: Path
    legs: tuple[Leg, ...]
    start: float


def lane_offset(street: Street, direction: int) -> float:
    """The other coordinate of the middle of the lane on the left, for a direction."""
    side = direction if street.axis == 0 else -direction
    return street.at + side * street.lane / 2


def make_route(grid: Grid, seed: int, length: float) -> Route:
    """A drive through the inside of the grid, at least `length` metres long, with random turns."""
    random = Random(f"{seed}/route")
    rows, columns = grid.along(0), grid.along(1)
    axis = random.randrange(2)
    node = [0, 0]
    node[1 - axis] = random.choice((1, STREETS - 2))  # the street; node is (column, row)
    direction = random.choice((-1, 1))
    node[axis] = 0 if direction > 0 else STREETS - 1
    nodes, total = [tuple(node)], 0.0
    while total < length + 200 and len(nodes) < 400:
        before = columns[node[0]].at, rows[node[1]].at
        node[axis] += direction
        nodes.append(tuple(node))
        total += abs(columns[node[0]].at - before[0]) + abs(rows[node[1]].at - before[1])
        choices = [(axis, direction)] * 2 + [(1 - axis, -1), (1 - axis, 1)]
        inside = [(a, d) for a, d in choices if 0 <= node[a] + d < STREETS and _worth_it(a, node)]
        if not inside:
            inside = [(a, d) for a, d in choices if 0 <= node[a] + d < STREETS]
        axis, direction = random.choice(inside)
    legs = [_leg(a, b, rows, columns) for a, b in pairwise(nodes)]
    places = [(columns[a].at, rows[b].at) for a, b in nodes]
    return Route(Path(grid.bend(_rounded(places, legs))), tuple(legs), random.uniform(8, 25))


def _worth_it(axis: int, node: list[int]) -> bool:
    """Whether going on along an axis keeps to the inner streets, which have houses on all sides."""
    return 0 < node[1 - axis] < STREETS - 1


def _leg(a: tuple[int, ...], b: tuple[int, ...], rows: list[Street], columns: list[Street]) -> Leg:
    if a[1] == b[1]:
        return Leg(rows[a[1]], 1 if b[0] > a[0] else -1)
    return Leg(columns[a[0]], 1 if b[1] > a[1] else -1)


def _rounded(places: list[tuple[float, float]], legs: list[Leg]) -> Floats:
    """The lanes' middles in the straight grid, joined by arcs where a drive turns, sampled every `STEP`."""
    corners: list[tuple[Floats, float]] = []
    for i, place in enumerate(places):
        before, after = legs[max(i - 1, 0)], legs[min(i, len(legs) - 1)]
        point = np.array(place)
        for leg in (before, after):
            point[1 - leg.street.axis] = lane_offset(leg.street, leg.direction)
        turns = before.street.axis != after.street.axis
        left = _vector(before)[0] * _vector(after)[1] - _vector(before)[1] * _vector(after)[0] > 0
        corners.append((point, (5.5 if left else 8.0) if turns else 0.0))
    points = [corners[0][0]]
    for i, (corner, radius) in enumerate(corners[1:-1]):
        if not radius:
            continue
        into, out = np.array(_vector(legs[i])), np.array(_vector(legs[i + 1]))
        centre = corner - into * radius + out * radius
        angle = np.linspace(0, np.pi / 2, 16)[:, None]
        points += list(centre - out * radius * np.cos(angle) + into * radius * np.sin(angle))
    points.append(corners[-1][0])
    return sampled(np.array(points))


def _vector(leg: Leg) -> tuple[float, float]:
    return (leg.direction, 0.0) if leg.street.axis == 0 else (0.0, leg.direction)


def sampled(points: Floats) -> Floats:
    """A way (n,2) along some points, with a point every `STEP`."""
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    wanted = np.linspace(0, way[-1], max(int(way[-1] / STEP), 1) + 1)
    return np.stack([np.interp(wanted, way, points[:, k]) for k in (0, 1)], 1)


def along_street(grid: Grid, street: Street, direction: int, offset: float) -> Path:
    """A street from end to end, `offset` metres to the left of its middle, as seen in the direction of travel."""
    others = [other.at for other in grid.along(1 - street.axis)]
    ends = (min(others), max(others)) if direction > 0 else (max(others), min(others))
    across = street.at + offset * (direction if street.axis == 0 else -direction)
    points = [(end, across) if street.axis == 0 else (across, end) for end in ends]
    return Path(grid.bend(sampled(np.array(points))))


def camera_pose(place: tuple[float, float], height: float, heading: float, pitch: float) -> Floats:
    """The pose (4,4) of a camera that looks along its -z, with y up; pitch is positive upwards."""
    c, s, up, flat = math.cos(heading), math.sin(heading), math.sin(pitch), math.cos(pitch)
    right, ahead = np.array([s, -c, 0]), np.array([c * flat, s * flat, up])
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2] = right, np.cross(right, ahead), -ahead
    pose[:3, 3] = *place, height
    return pose
