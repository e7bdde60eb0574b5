"""Roads, their markings, pavements and grass."""

from itertools import pairwise
from random import Random

import numpy as np

from gbuffer_tools.streets.grid import KERB, Bend, CityBlock, Grid, Street, outline
from gbuffer_tools.streets.shapes.mesh import Builder, Colour, Floats, Mesh, rgb, tinted

ASPHALT = 0.105, 0.105, 0.11
PAINT, YELLOW = rgb("dcdcd4"), rgb("c8a028")
MARKED, MENDED = 0.004, 0.002
"""Heights of markings and mended asphalt above the road, metres: enough for a ray to tell them apart.

Surfaces at the same height must not overlap: two surfaces in one place keep the light from each other, and both are
black.
"""
ZEBRA = 1.4
"""Half the length of a zebra's stripes, metres."""


def road_mesh(size: float) -> Mesh:
    """The plane z = 0; blocks cover all of it except the streets."""
    builder = Builder()
    builder.quad([(-size, -size, 0), (size, -size, 0), (size, size, 0), (-size, size, 0)], "asphalt", ASPHALT)
    return builder.mesh()


def mended_mesh(grid: Grid, seed: int) -> Mesh:
    """Patches of darker and lighter asphalt, and manhole covers."""
    random, builder = Random(f"{seed}/mended"), Builder()
    taken: list[Floats] = []
    for street in grid.streets:
        low, high = _reach(grid, street)
        at = low
        while at < high:
            at += random.uniform(6, 22)
            across = random.uniform(-street.half + 1, street.half - 1)
            length, width = random.uniform(1, 9), random.uniform(0.5, 1.6)
            shade = tinted(ASPHALT, random.uniform(0.55, 1.5))
            sides = across - width / 2, across + width / 2
            patch = np.sort([_point(street, at, sides[0]), _point(street, at + length, sides[1])], axis=0)
            if not any((patch[0] < other[1]).all() and (other[0] < patch[1]).all() for other in taken):
                taken.append(patch)
                ribbon(builder, grid.bend, street, (at, at + length), sides, MENDED, "asphalt", shade)
            x, y = grid.bend([_point(street, at + length + 2, random.uniform(-1.5, 1.5))])[0]
            angle = np.arange(14) * 2 * np.pi / 14
            cover = np.stack([x + 0.32 * np.cos(angle), y + 0.32 * np.sin(angle), 0 * angle + MENDED * 1.2], 1)
            builder.quad(cover, "metal", rgb("3c3a38"))
    return builder.mesh()


def _point(street: Street, along: float, across: float) -> tuple[float, float]:
    return (along, street.at + across) if street.axis == 0 else (street.at + across, along)


def _reach(grid: Grid, street: Street) -> tuple[float, float]:
    others = [other.at for other in grid.along(1 - street.axis)]
    return min(others), max(others)


def ribbon(
    builder: Builder, bend: Bend, street: Street, along: tuple[float, float], across: tuple[float, float], z: float,
    surface: str, colour: Colour,
) -> None:  # fmt: skip
    """A strip on a street, from where to where along it, and across it from its middle, metres."""
    count = max(int(abs(along[1] - along[0]) / 4), 1)
    ways = np.linspace(along[0], along[1], count + 1)
    both = [bend([_point(street, float(way), side) for way in ways]) for side in across]
    flip = street.axis == 1  # keeps faces upwards
    low, high = both[::-1] if flip else both
    points = np.insert(np.concatenate([low, high]), 2, z, 1)
    i = np.arange(count)
    builder.polygons(points, np.stack([i, i + 1, i + count + 2, i + count + 1], 1), surface, colour)


def marking_mesh(grid: Grid, street: Street, seed: int) -> Mesh:
    """A street's lines: the middle, the edges, and give-way lines, stop lines or zebras at its crossings."""
    random, builder = Random(f"{seed}/marks/{street.axis}/{street.at}"), Builder()
    bend = grid.bend
    crossings = grid.along(1 - street.axis)
    dash, pause = random.choice(((2.0, 4.0), (4.0, 2.0), (3.0, 3.0)))
    yellow, edge = random.random() < 0.6 and not street.parking, random.random() < 0.3

    def line(along: tuple[float, float], middle: float, width: float, colour: Colour = PAINT) -> None:
        ribbon(builder, bend, street, along, (middle - width / 2, middle + width / 2), MARKED, "marking", colour)

    for before, after in pairwise(crossings):
        low, high = before.at + before.half + 3.0, after.at - after.half - 3.0
        at = low + ZEBRA + 0.1
        while at + dash < high - ZEBRA:
            line((at, at + dash), 0.0, 0.11)
            at += dash + pause
        for side in (-1, 1):
            if yellow:
                for inset in (0.25, 0.45):
                    line((low + ZEBRA, high - ZEBRA), side * (street.half - inset), 0.09, YELLOW)
            elif edge and street.parking:
                line((low + 2, high - 2), side * (street.half - street.parking), 0.1)
            at = low if side < 0 else high
            # Left-hand traffic arrives at the higher end on the higher side of a street along x, the lower along y.
            arriving = (1 if at == high else -1) * (1 if street.axis == 0 else -1)
            near = sorted((arriving * 0.1, arriving * (street.lane - 0.1)))
            _entry(builder, bend, street, at, (near[0], near[1]), random)
    return builder.mesh()


def _entry(builder: Builder, bend: Bend, street: Street, at: float, near: tuple[float, float], random: Random) -> None:
    """What is painted where a street meets a crossing."""
    kind = random.choice(("give way", "give way", "stop", "zebra"))
    if kind == "zebra":
        count = int(2 * street.half / 1.0)
        for i in range(count):
            across = -street.half + 0.25 + i
            ribbon(builder, bend, street, (at - ZEBRA, at + ZEBRA), (across, across + 0.5), MARKED, "marking", PAINT)
    elif kind == "stop":
        ribbon(builder, bend, street, (at - 0.15, at + 0.15), near, MARKED, "marking", PAINT)
    else:
        across = near[0]
        while across + 0.6 <= near[1]:
            for shift in (-0.22, 0.22):
                along = at + shift - 0.1, at + shift + 0.1
                ribbon(builder, bend, street, along, (across, across + 0.6), MARKED, "marking", PAINT)
            across += 0.9


def pavement_mesh(grid: Grid, block: CityBlock, seed: int) -> Mesh:
    """A block's kerb and pavement, a ring."""
    random, builder = Random(f"{seed}/{block.low}"), Builder()
    slab = tinted(rgb(random.choice(("9a968e", "8a8884", "a49c90", "7c7a78"))), random.uniform(0.85, 1.1))
    stone = rgb("b4b0a8")
    insets = 0.0, 0.16, block.pavement
    rings = [grid.bend(outline(block, inset)) for inset in insets]
    count = len(rings[0])
    _ring(builder, np.insert(rings[0], 2, 0.0, 1), np.insert(rings[0], 2, KERB, 1), "kerb", stone)
    _ring(builder, np.insert(rings[0], 2, KERB, 1), np.insert(rings[1], 2, KERB, 1), "kerb", stone)
    _ring(builder, np.insert(rings[1], 2, KERB, 1), np.insert(rings[2], 2, KERB, 1), "paving", slab)
    assert count == len(rings[2])
    return builder.mesh()


def _ring(builder: Builder, outer: Floats, inner: Floats, surface: str, colour: Colour) -> None:
    """Quads between two closed lines (n,3)."""
    i = np.arange(len(outer))
    after = np.roll(i, -1)
    builder.polygons(
        np.concatenate([outer, inner]), np.stack([i, after, after + len(i), i + len(i)], 1), surface, colour
    )


def green_mesh(grid: Grid, block: CityBlock, seed: int) -> Mesh:
    """The ground inside a block's pavement: grass."""
    builder = Builder()
    points = np.insert(grid.bend(outline(block, block.pavement)), 2, KERB, 1)
    green = tinted(rgb("4e5c30"), Random(f"{seed}/green/{block.low}").uniform(0.8, 1.2))
    builder.quad(points, "grass", green)
    return builder.mesh()


def forecourt_mesh(grid: Grid, block: CityBlock, side: int, along: tuple[float, float], depth: float) -> Mesh:
    """Paving between the pavement and the houses of a side."""
    builder = Builder()
    low, high = block.pavement, block.pavement + depth
    ways = np.linspace(*along, max(int((along[1] - along[0]) / 4), 1) + 1)
    both = [grid.bend([block.point(side, float(way), inwards) for way in ways]) for inwards in (low, high)]
    points = np.insert(np.concatenate(both), 2, KERB + 0.005, 1)
    i = np.arange(len(ways) - 1)
    quads = np.stack([i, i + 1, i + len(ways) + 1, i + len(ways)], 1)
    builder.polygons(points, quads, "paving", rgb("8c867c"))
    return builder.mesh()
