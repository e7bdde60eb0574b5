"""Traffic and people: parked, waiting and moving vehicles, walkers, cyclists, none of them in the camera's way."""

import math
from dataclasses import dataclass, field
from functools import partial
from random import Random

import numpy as np

from gbuffer_tools.streets.drive import TICKS, Path, Route, along_street
from gbuffer_tools.streets.grid import CORNER, KERB, CityBlock, Grid, Street
from gbuffer_tools.streets.shapes import people
from gbuffer_tools.streets.shapes.mesh import Floats
from gbuffer_tools.streets.shapes.vehicles import KINDS, length_of, vehicle_mesh
from gbuffer_tools.streets.things import Ride, Still, Things, Track

SPEED = 8.0
"""Of the camera, metres per second."""
FAR = 110.0
"""Whoever is never nearer to the camera than this is left out, metres."""
CHORD = 2.4
"""Metres over which vehicles and the camera take their direction."""


def camera_ride(route: Route) -> Ride:
    """The camera's way; the plan sets its height and pitch."""
    return Ride(route.path, route.start, SPEED, chord=CHORD)


@dataclass
class Road:
    """Who is on the road, so nobody drives into anybody.

    Attributes:
        camera: its places (T,2).
        ticks: (T,), at which this is checked.
        taken: points (T,5,2) of each vehicle.
    """

    camera: Floats
    ticks: Floats
    taken: list[Floats] = field(default_factory=list)

    def is_clear(self, track: Track, half: float, min_distance: float) -> bool:
        """Whether what reaches `half` along its x stays `min_distance` metres away from the camera, and is seen."""
        spots = track.spots(half, self.ticks)
        far = np.linalg.norm(spots - self.camera[:, None], axis=-1)
        far = np.where(np.isnan(far), np.inf, far)
        return min_distance < float(far.min()) < FAR

    def take(self, track: Track, half: float) -> bool:
        """Whether a vehicle finds room at all ticks; if so, its room is taken."""
        if not self.is_clear(track, half, 2.2):
            return False
        spots = track.spots(half, self.ticks)
        for other in self.taken:
            near = np.abs(spots[:, 2] - other[:, 2]).max(-1) < 14
            if near.any():
                apart = np.linalg.norm(spots[near, :, None] - other[near, None], axis=-1)
                if np.nanmin(np.where(np.isnan(apart), np.inf, apart)) < 1.95:
                    return False
        self.taken.append(spots)
        return True


def add_traffic(things: Things, grid: Grid, route: Route, seed: int, ticks: int) -> None:
    """Add vehicles and cyclists on the roads; none of them comes near the camera within `ticks`."""
    random = Random(f"{seed}/traffic")
    road = road_of(route, ticks)

    def vehicle(track: Track, kind: str) -> None:
        name = f"{random.random()}"
        if road.take(track, length_of(kind) / 2):
            things.begin()
            things.add("car", track, partial(vehicle_mesh, kind, name, moving=isinstance(track, Ride)))

    ahead = random.uniform(9, 26)
    for _ in range(random.randint(1, 4)):
        kind = random.choice((*KINDS, *KINDS, "bus"))
        vehicle(Ride(route.path, route.start + ahead + length_of(kind) / 2, SPEED, chord=CHORD), kind)
        ahead += length_of(kind) + random.uniform(5, 40)
    for street in grid.streets:
        driven = any(leg.street == street for leg in route.legs)
        for block in grid.blocks:
            for side in range(4):
                if block.streets[side] == street:
                    for place, kind in _parked(grid, block, side, street, random):
                        vehicle(place, kind)
                    for place, kind in [] if driven else _waiting(grid, block, side, street, random):
                        vehicle(place, kind)
        for direction in (-1, 1) if driven else ():
            for ride, kind in _flow(grid, street, direction, random, ticks):
                vehicle(ride, kind)
            _add_cyclists(things, road, grid, street, direction, random)


def road_of(route: Route, ticks: int) -> Road:
    """The road with nobody on it but the camera."""
    judged = np.arange(-1.0, ticks + 3, 3)
    return Road(route.path.places(route.start + SPEED * judged / TICKS), judged)


def _parked(grid: Grid, block: CityBlock, side: int, street: Street, random: Random) -> list[tuple[Still, str]]:
    """Cars along the kerb, most of them facing the way they came."""
    found = []
    at, full = CORNER + 6, random.uniform(0.45, 0.9)
    while street.parking and at < block.length(side) - CORNER - 6:
        kind = random.choice(KINDS)
        size = length_of(kind) + random.uniform(0.5, 1.2)
        if random.random() < full:
            turn = (math.pi if random.random() < 0.2 else 0.0) + random.gauss(0, 0.015)
            inwards = -street.parking / 2 + 0.05
            found.append((Still(grid.beside(block, side, at + size / 2, inwards, 0.0, turn)), kind))
        at += size
    return found


def _waiting(grid: Grid, block: CityBlock, side: int, street: Street, random: Random) -> list[tuple[Still, str]]:
    """Cars waiting to enter a crossing, at the end of a block's side."""
    found = []
    at = block.length(side) - CORNER - 0.6
    while random.random() < 0.4:
        kind = random.choice(KINDS)
        at -= length_of(kind) / 2
        inwards = -street.parking - street.lane / 2 + random.uniform(-0.2, 0.2)
        found.append((Still(grid.beside(block, side, at, inwards, 0.0)), kind))
        at -= length_of(kind) / 2 + random.uniform(1.0, 2.5)
    return found


def _flow(grid: Grid, street: Street, direction: int, random: Random, ticks: int) -> list[tuple[Ride, str]]:
    """Cars driving along a street."""
    path = along_street(grid, street, direction, street.lane / 2)
    speed = random.uniform(6.5, 10)
    found, at = [], path.length
    while at > -speed * ticks / TICKS:
        kind = random.choice((*KINDS, *KINDS, "bus", "lorry"))
        found.append((Ride(path, at, speed, chord=CHORD), kind))
        at -= 5 + length_of(kind) + random.choice((2, 6, 18, 40, 60)) * random.uniform(0.8, 1.3)
    return found


def _add_cyclists(things: Things, road: Road, grid: Grid, street: Street, direction: int, random: Random) -> None:
    path = along_street(grid, street, direction, street.lane - 0.5)
    speed = random.uniform(3.6, 5.2)
    at = path.length
    while at > -speed * road.ticks[-1] / TICKS:
        at -= random.choice((4, 18, 40, 70)) * random.uniform(0.7, 1.4)
        name = f"{random.random()}"
        if road.is_clear(Ride(path, at, speed), 0.8, 1.05):
            things.begin()
            for part in people.cyclist(name):
                things.add("bicyclist", Ride(path, at, speed, 0.0, part.joint, 0.62), part.build)


def add_walkers(things: Things, grid: Grid, route: Route, seed: int, ticks: int) -> None:
    """Add people on pavements, and some who cross the road ahead of the camera."""
    random = Random(f"{seed}/walkers")
    road = road_of(route, ticks)
    for block in grid.blocks:
        for side, street in enumerate(block.streets):
            if street is None:
                continue
            apart = {"shop": 8.0, "office": 12.0}.get(street.style, 16.0)
            at = random.uniform(0, apart)
            while at < block.length(side):
                for shift in (0.0, 0.5)[: 1 + (random.random() < 0.3)]:  # some have company
                    ride = _walk(grid, block, side, at + shift, random, ticks)
                    _add_walker(things, road, ride, 0.6, random)
                at += random.expovariate(1 / apart)
    camera = camera_ride(route)
    for _ in range(max(3, round(SPEED * ticks / TICKS / 30))):
        tick = random.uniform(-60, ticks)
        way = camera.way(tick) + random.uniform(28, 55)
        _add_walker(things, road, _crossing(route, way, tick, random), 2.5, random)


def _walk(grid: Grid, block: CityBlock, side: int, at: float, random: Random, ticks: int) -> Ride:
    """A walk along a pavement, up or down, or someone standing there."""
    inwards = random.uniform(0.85, block.pavement - 0.35)
    ways = np.arange(CORNER, block.length(side) - CORNER, 1.0)
    points = grid.bend([block.point(side, float(way), inwards) for way in ways])
    if random.random() < 0.15:
        return Ride(Path(points), at, 0.0, KERB)
    speed = random.uniform(1.0, 1.6)
    start = at - random.uniform(0, speed * ticks / TICKS)
    return Ride(Path(points if random.random() < 0.5 else points[::-1]), start, speed, KERB)


def _crossing(route: Route, way: float, tick: float, random: Random) -> Ride:
    """A walk across the camera's road, `way` metres along it, starting at a tick."""
    x, y = route.path.at(way)
    heading = route.path.heading(way) + math.pi / 2
    offsets = np.linspace(-6, 4, 20) * random.choice((-1, 1))
    speed = random.uniform(1.3, 1.8)
    across = Path(np.stack([x + offsets * math.cos(heading), y + offsets * math.sin(heading)], 1))
    return Ride(across, -speed * tick / TICKS, speed)


def _add_walker(things: Things, road: Road, ride: Ride, min_distance: float, random: Random) -> None:
    name = f"{random.random()}"
    if road.is_clear(ride, 0.2, min_distance):
        things.begin()
        for part in people.walker(name, standing=not ride.speed):
            things.add("pedestrian", Ride(ride.path, ride.start, ride.speed, ride.height, part.joint), part.build)
