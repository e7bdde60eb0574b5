"""The streets of a town: a slightly bent grid, and the blocks between its streets. Traffic keeps to the left."""

import math
from dataclasses import dataclass
from random import Random

import numpy as np
import numpy.typing as npt

from gbuffer_tools.streets.shapes.mesh import Floats, moved

STREETS = 4
"""In each direction."""
OUTSIDE = 55.0
"""How far blocks reach beyond the outermost streets, metres."""
KERB = 0.12
"""Height of pavements above the road, metres."""
CORNER = 3.5
"""Radius of a block's corners, metres."""
STYLES = ("terrace", "terrace", "shop", "shop", "detached", "office")


@dataclass(frozen=True)
class Street:
    """A straight line of the grid.

    Attributes:
        axis: 0 runs along x, 1 along y.
        at: its other coordinate, metres.
        lane: width of each of its two lanes, metres.
        parking: width of the strip for parked cars on each side, metres; 0: none.
        style: that of the houses along it: "terrace", "shop", "detached" or "office".
        trees: whether trees stand on its pavements.
    """

    axis: int
    at: float
    lane: float
    parking: float
    style: str
    trees: bool

    @property
    def half(self) -> float:
        """From the middle to the kerb, metres."""
        return self.lane + self.parking


@dataclass(frozen=True)
class Bend:
    """How the grid is bent: sideways, by a sine of the way along; amplitudes and wavelengths in metres."""

    amplitude: tuple[float, float]
    wave: tuple[float, float]
    phase: tuple[float, float]

    def __call__(self, points: npt.ArrayLike) -> Floats:
        """Where points (n,2) of the straight grid are in the world."""
        u, v = np.asarray(points, np.float64).reshape(-1, 2).T
        x = u + self.amplitude[0] * np.sin(v * (2 * np.pi / self.wave[0]) + self.phase[0])
        y = v + self.amplitude[1] * np.sin(u * (2 * np.pi / self.wave[1]) + self.phase[1])
        return np.stack([x, y], 1)


@dataclass(frozen=True)
class CityBlock:
    """A city block, kerb to kerb, in the straight grid.

    Attributes:
        low, high: corners, metres.
        streets: those at its four sides, south, east, north, west; None: no street.
        pavement: width, metres.
    """

    low: tuple[float, float]
    high: tuple[float, float]
    streets: tuple[Street | None, Street | None, Street | None, Street | None]
    pavement: float

    def length(self, side: int) -> float:
        """The length of a side, metres."""
        return (self.high[0] - self.low[0], self.high[1] - self.low[1])[side % 2]

    def point(self, side: int, along: float, inwards: float) -> tuple[float, float]:
        """Grid coordinates of a place by its metres along a side, counter-clockwise, and inwards from the kerb."""
        (a, b), (c, d) = self.low, self.high
        return [
            (a + along, b + inwards),
            (c - inwards, b + along),
            (c - along, d - inwards),
            (a + inwards, d - along),
        ][side]


@dataclass(frozen=True)
class Grid:
    """All streets and blocks."""

    streets: tuple[Street, ...]
    blocks: tuple[CityBlock, ...]
    bend: Bend

    def along(self, axis: int) -> list[Street]:
        """The streets that run along an axis, by their coordinate."""
        return [street for street in self.streets if street.axis == axis]

    def place(self, point: tuple[float, float], angle: float, z: float = 0.0, turn: float = 0.0) -> Floats:
        """The pose (4,4) of a thing.

        Args:
            point: in the straight grid.
            angle: its direction there; the bend turns it.
            z: metres.
            turn: an extra turn, which the bend does not change.
        """
        step = 0.05 * math.cos(angle), 0.05 * math.sin(angle)
        ends = self.bend([(point[0] - step[0], point[1] - step[1]), (point[0] + step[0], point[1] + step[1])])
        x, y = self.bend([point])[0]
        heading = math.atan2(ends[1, 1] - ends[0, 1], ends[1, 0] - ends[0, 0])
        return moved(x, y, z, heading + turn)

    def beside(
        self, block: CityBlock, side: int, along: float, inwards: float, z: float = KERB, turn: float = 0.0
    ) -> Floats:
        """The pose of a thing on a block's side: x runs along the side, y into the block."""
        return self.place(block.point(side, along, inwards), side * math.pi / 2, z, turn)


def make_grid(seed: int) -> Grid:
    """The grid of a town."""
    random = Random(f"{seed}/grid")
    lines: list[list[Street]] = []
    for axis in (0, 1):
        at, row = 0.0, []
        for _ in range(STREETS):
            parking = random.choice((0.0, 0.0, 2.1))
            row.append(
                Street(axis, at, random.uniform(3.1, 3.9), parking, random.choice(STYLES), random.random() < 0.45)
            )
            at += random.uniform(68, 105)
        lines.append(row)
    bend = Bend(
        (random.uniform(2, 7), random.uniform(2, 7)),
        (random.uniform(130, 220), random.uniform(130, 220)),
        (random.uniform(0, 6.28), random.uniform(0, 6.28)),
    )
    return Grid((*lines[0], *lines[1]), tuple(_blocks(lines[0], lines[1], random)), bend)


def _blocks(rows: list[Street], columns: list[Street], random: Random) -> list[CityBlock]:
    """`rows` run along x, `columns` along y."""
    found = []
    for i in range(-1, STREETS):
        for j in range(-1, STREETS):
            west = columns[i] if i >= 0 else None
            east = columns[i + 1] if i + 1 < STREETS else None
            south = rows[j] if j >= 0 else None
            north = rows[j + 1] if j + 1 < STREETS else None
            low = _edge(west, east, 1), _edge(south, north, 1)
            high = _edge(east, west, -1), _edge(north, south, -1)
            found.append(CityBlock(low, high, (south, east, north, west), random.uniform(2.0, 3.3)))
    return found


def _edge(street: Street | None, other: Street | None, sign: int) -> float:
    """The coordinate of a block's side: the kerb of a street, or `OUTSIDE` beyond the other one."""
    if street is not None:
        return street.at + sign * street.half
    assert other is not None
    return other.at - sign * OUTSIDE


def outline(block: CityBlock, inset: float, *, step: float = 4.0) -> Floats:
    """Points (n,2) around a block, counter-clockwise, with rounded corners, in the straight grid.

    Their number does not depend on the inset, so two outlines can be joined.
    """
    points = []
    radius = max(CORNER - inset, 0.05)
    for side in range(4):
        length = block.length(side)
        count = max(int(length / step), 1)
        for along in np.linspace(inset + radius, length - inset - radius, count + 1):
            points.append(block.point(side, float(along), inset))
        for k in (1, 2, 3):
            angle = k * math.pi / 8
            along = length - inset - radius + radius * math.sin(angle)
            points.append(block.point(side, along, inset + radius * (1 - math.cos(angle))))
    return np.array(points)


def contains(polygon: Floats, points: Floats) -> bool:
    """Whether all points (m,2) are in a polygon (n,2): a ray to the right of each crosses it an odd number of times."""
    a, b = polygon, np.roll(polygon, -1, 0)
    x, y = points[:, None, 0], points[:, None, 1]
    spans = (a[:, 1] > y) != (b[:, 1] > y)
    rise = np.where(a[:, 1] == b[:, 1], 1.0, b[:, 1] - a[:, 1])
    crossing = a[:, 0] + (y - a[:, 1]) * (b[:, 0] - a[:, 0]) / rise
    return bool(((spans & (crossing > x)).sum(1) % 2 == 1).all())
