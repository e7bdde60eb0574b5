"""Houses: terraced, detached, shops, offices. Their front is at y = 0 and faces the street, -y."""

import math
from dataclasses import dataclass
from random import Random

import numpy as np

from gbuffer_tools.streets.shapes.mesh import Builder, Colour, Mesh, moved, rgb, tinted

BRICKS = [rgb(c) for c in ("8a4b38", "9c5a40", "7a3f30", "b08a5e", "c2a878", "a5764e", "6e4a3c")]
PLASTERS = [rgb(c) for c in ("e6e0d2", "d9cdb4", "cfd4d6", "e8d9b0", "d8b8a0", "b9c7c2", "f0ece4", "b8b2a6")]
ROOFS = [rgb(c) for c in ("5a3a30", "6b4436", "4a4a50", "3c3e44", "7a4a38", "55504c")]
FRAMES = [rgb(c) for c in ("f2f0ea", "f2f0ea", "e0dccf", "3a3a3c", "4a3528", "2c3a34")]
DOORS = [rgb(c) for c in ("203a5c", "6a1c1c", "1f4430", "2a2a2a", "7c5a30", "d8d4c8", "36506a")]
FASCIAS = [rgb(c) for c in ("1f4e79", "8c1d1d", "1d5c3a", "222222", "c77f1a", "5a2a6a", "d8d2c0", "a03050", "106070")]
STONE = rgb("cfc6b4")
RECESS = 0.14
"""How far windows lie behind the wall, metres."""


@dataclass(frozen=True)
class House:
    """The proportions and colours of a house, all metres.

    Attributes:
        style: "terrace", "detached", "shop" or "office".
        width, depth: along the street and away from it.
        storeys: number of floors; height: of each.
        seed: for the rest.
    """

    style: str
    width: float
    depth: float
    storeys: int
    height: float
    seed: str


@dataclass(frozen=True)
class Opening:
    """A hole in a wall, metres along it and above ground: "window", "door" or "pane", which has no sill."""

    x: tuple[float, float]
    z: tuple[float, float]
    kind: str


@dataclass(frozen=True)
class _Look:
    surface: str
    wall: Colour
    frame: Colour
    door: Colour
    curtain: bool


def house_mesh(house: House) -> Mesh:
    """The polygons of a house."""
    random = Random(house.seed)
    brick = random.random() < {"terrace": 0.7, "detached": 0.6, "shop": 0.55, "office": 0.35}[house.style]
    wall = tinted(random.choice(BRICKS if brick else PLASTERS), random.uniform(0.8, 1.1))
    look = _Look(
        "brick" if brick else "plaster", wall, random.choice(FRAMES), random.choice(DOORS), random.random() < 0.6
    )
    builder = Builder()
    _walls(builder, house, look, random)
    if house.style in ("terrace", "detached"):
        _pitched_roof(builder, house, random, hipped=house.style == "detached" and random.random() < 0.5)
    elif house.style == "shop" and random.random() < 0.6:
        _pitched_roof(builder, house, random, hipped=False)
    else:
        _flat_roof(builder, house, look)
    return builder.mesh()


def _walls(builder: Builder, house: House, look: _Look, random: Random) -> None:
    half = house.width / 2
    top = house.storeys * house.height
    for storey in range(house.storeys):
        low, high = storey * house.height, (storey + 1) * house.height
        openings = _shopfront(house, random) if storey == 0 and house.style == "shop" else _row(house, storey, random)
        with builder.placed(moved(-half, 0)):
            _wall(builder, house.width, (low, high), openings, look, random)
    # Sides and back. Corner houses show their sides, so each storey has a window there.
    for turn, x, y, length in (
        (math.pi / 2, half, 0.0, house.depth),
        (math.pi, half, house.depth, house.width),
        (-math.pi / 2, -half, house.depth, house.depth),
    ):
        with builder.placed(moved(x, y, 0, turn)):
            for storey in range(house.storeys):
                low, high = storey * house.height, (storey + 1) * house.height
                at = length * random.uniform(0.35, 0.65)
                openings = [Opening((at - 0.5, at + 0.5), (low + 0.95, high - 0.5), "window")] if length > 4 else []
                _wall(builder, length, (low, high), openings, look, random)
    if house.style != "detached":
        builder.box((-half, -0.06, top - 0.22), (half, 0, top), "plaster", STONE)  # cornice
    if house.style == "shop":
        colour = random.choice(FASCIAS)
        builder.box((-half + 0.1, -0.16, house.height - 0.75), (half - 0.1, 0, house.height - 0.15), "paint", colour)
        letters = random.randint(4, 9)
        ink = rgb("f4f0e0") if sum(colour) < 1 else rgb("202020")
        start = -letters * 0.16
        for i in range(letters):
            w = random.uniform(0.1, 0.24)
            x = start + i * 0.34
            tall = random.choice((0.22, 0.3))
            builder.box((x, -0.18, house.height - 0.6), (x + w, -0.16, house.height - 0.6 + tall), "plastic", ink)
        if random.random() < 0.45:
            _awning(builder, house, random)
    if house.style == "terrace" and random.random() < 0.45:
        _bay(builder, house, look, random)


def _row(house: House, storey: int, random: Random) -> list[Opening]:
    """The openings of one storey's front."""
    low = storey * house.height
    state = Random(f"{house.seed}/columns")  # windows are above each other in all storeys
    if house.style == "office":
        pitch = state.choice((1.6, 2.2, 3.0))
        count = max(int(house.width / pitch), 1)
        wide = pitch * state.choice((0.62, 0.8))
        z = low + 0.8, low + house.height - 0.45
    else:
        count = max(round(house.width / state.uniform(2.1, 2.7)), 2)
        wide = state.uniform(0.95, 1.25)
        z = low + 0.85, low + min(house.height - 0.45, 2.35)
    step = house.width / count
    found = [
        Opening((step * (i + 0.5) - wide / 2, step * (i + 0.5) + wide / 2), z, "window")
        for i in range(count)
    ]  # fmt: skip
    if storey == 0:
        door = state.randrange(count)
        middle = step * (door + 0.5)
        found[door] = Opening((middle - 0.5, middle + 0.5), (low + 0.06, low + 2.2), "door")
    return found


def _shopfront(house: House, random: Random) -> list[Opening]:
    """Large panes and a door."""
    z = 0.55, house.height - 0.85
    panes = max(int((house.width - 1.6) / 1.6), 1)
    wide = (house.width - 1.5) / panes
    door_first = random.random() < 0.5
    start = 1.3 if door_first else 0.25
    found = [Opening((start + i * wide, start + (i + 1) * wide - 0.12), z, "pane") for i in range(panes)]
    at = 0.2 if door_first else house.width - 1.15
    return sorted([*found, Opening((at, at + 0.95), (0.06, house.height - 0.85), "door")], key=lambda o: o.x)


def _wall(
    builder: Builder, length: float, z: tuple[float, float], openings: list[Opening], look: _Look, random: Random
) -> None:
    """A wall from x = 0 to `length` at y = 0, with openings from left to right."""
    edges = [0.0, *(x for opening in openings for x in opening.x), length]
    for left, right in zip(edges[::2], edges[1::2], strict=True):
        _panel(builder, (left, right), z, look)
    for opening in openings:
        _panel(builder, opening.x, (z[0], opening.z[0]), look)
        _panel(builder, opening.x, (opening.z[1], z[1]), look)
        _fill(builder, opening, look, random)


def _panel(builder: Builder, x: tuple[float, float], z: tuple[float, float], look: _Look) -> None:
    corners = [(x[0], 0, z[0]), (x[1], 0, z[0]), (x[1], 0, z[1]), (x[0], 0, z[1])]
    builder.quad(corners, look.surface, look.wall)


def _fill(builder: Builder, opening: Opening, look: _Look, random: Random) -> None:
    """Reveal, glass or door, frame, sill and lintel."""
    (a, b), (low, high) = opening.x, opening.z
    front = [(a, 0, low), (b, 0, low), (b, 0, high), (a, 0, high)]
    back = [(x, RECESS, z) for x, _, z in front]
    reveal = tinted(look.wall, 0.9)
    builder.polygons([*front, *back], [(0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)], "plaster", reveal)
    if opening.kind == "door":
        builder.quad(back, "wood", look.door)
        builder.box((a + 0.15, RECESS - 0.03, low + 0.2), (b - 0.15, RECESS, low + 0.9), "wood", tinted(look.door, 0.8))
        glass = [(x, RECESS - 0.02, z) for x in (a + 0.2, b - 0.2) for z in (low + 1.2, low + 1.85)]
        builder.polygons(glass, [(0, 2, 3, 1)], "glass", (0.03, 0.035, 0.04))
        builder.box((a - 0.1, -0.3, low - 0.06), (b + 0.1, RECESS, low), "plaster", STONE)
        return
    shade = random.uniform(0.012, 0.05)
    colour = (shade, shade * 1.08, shade * 1.18)
    builder.quad(back, "glass", colour)
    if look.curtain and opening.kind == "window" and random.random() < 0.55:
        _curtain(builder, opening, random)
    frame, y = 0.055, (RECESS - 0.05, RECESS)
    middle, bar = (a + b) / 2, low + (high - low) * (0.5 if opening.kind == "window" else 0.8)
    for left, right, down, up in (
        (a, a + frame, low, high),
        (b - frame, b, low, high),
        (a, b, low, low + frame),
        (a, b, high - frame, high),
        (middle - 0.02, middle + 0.02, low, high),
        (a, b, bar - 0.025, bar + 0.025),
    ):
        builder.box((left, y[0], down), (right, y[1], up), "wood", look.frame)
    if opening.kind == "window":
        builder.box((a - 0.08, -0.07, low - 0.08), (b + 0.08, 0.02, low), "plaster", STONE)
        builder.box((a - 0.1, -0.012, high), (b + 0.1, 0.02, high + 0.18), "plaster", STONE)


def _curtain(builder: Builder, opening: Opening, random: Random) -> None:
    (a, b), (low, high) = opening.x, opening.z
    fall = high - (high - low) * random.choice((0.3, 0.5, 1.0))
    shade = random.uniform(0.25, 0.5)
    y = RECESS - 0.004
    builder.quad([(a, y, fall), (b, y, fall), (b, y, high), (a, y, high)], "glass", (shade, shade * 0.96, shade * 0.88))


def _awning(builder: Builder, house: House, random: Random) -> None:
    half, z, out = house.width / 2 - 0.2, house.height - 0.75, random.uniform(0.9, 1.3)
    colours = random.choice(FASCIAS), rgb("ece8da")
    stripes = int(half * 2 / 0.5)
    for i in range(stripes):
        a, b = (-half + 2 * half * k / stripes for k in (i, i + 1))
        corners = [(a, -out, z - 0.6), (b, -out, z - 0.6), (b, -0.05, z), (a, -0.05, z)]
        builder.quad(corners, "cloth", colours[i % 2])
        drop = [(a, -out, z - 0.8), (b, -out, z - 0.8), (b, -out, z - 0.6), (a, -out, z - 0.6)]
        builder.quad(drop, "cloth", colours[i % 2])


def _bay(builder: Builder, house: House, look: _Look, random: Random) -> None:
    """A bay window beside the door: a box of three windows with a lid."""
    half = min(house.width / 4, 1.2)
    height = house.height * (2 if random.random() < 0.4 and house.storeys > 1 else 1) - 0.3
    x = house.width / 4 * random.choice((-1, 1))
    out = 0.75
    for turn, at, length in (
        (-0.9, (x - half - 0.35, 0.0), None),
        (0.0, (x - half + 0.12, -out), 2 * half - 0.24),
        (0.9, (x + half - 0.12, -out), None),
    ):
        size = length or out / math.sin(0.9)
        with builder.placed(moved(*at, 0, turn)):
            z = 0.0
            while z < height - 1:
                top = min(z + house.height, height)
                openings = [Opening((0.1, size - 0.1), (z + 0.75, top - 0.25), "window")]
                _wall(builder, size, (z, top), openings, look, random)
                z = top
    outline = np.array([(x - half - 0.5, 0), (x - half, -out - 0.1), (x + half, -out - 0.1), (x + half + 0.5, 0)])
    builder.prism(outline, height, height + 0.12, "roof", rgb("4a4a50"))


def _pitched_roof(builder: Builder, house: House, random: Random, *, hipped: bool) -> None:
    half, depth, top = house.width / 2, house.depth, house.storeys * house.height
    over, rise = 0.3, depth / 2 * random.uniform(0.65, 0.95)
    colour = tinted(random.choice(ROOFS), random.uniform(0.8, 1.15))
    inset = depth * 0.4 if hipped and house.width > depth * 0.85 else 0.0
    side = over if hipped else 0.0
    drop = over * rise / (depth / 2)
    eaves = [
        (-half - side, -over, top - drop),
        (half + side, -over, top - drop),
        (half + side, depth + over, top - drop),
        (-half - side, depth + over, top - drop),
    ]
    ridge = [(-half + inset, depth / 2, top + rise), (half - inset, depth / 2, top + rise)]
    builder.quad([eaves[0], eaves[1], ridge[1], ridge[0]], "roof", colour)
    builder.quad([eaves[2], eaves[3], ridge[0], ridge[1]], "roof", colour)
    gable = "roof" if inset else "brick"
    shade = colour if inset else tinted(random.choice(BRICKS), 0.9)
    builder.quad([eaves[1], eaves[2], ridge[1]], gable, shade)
    builder.quad([eaves[3], eaves[0], ridge[0]], gable, shade)
    builder.quad(eaves[::-1], "wood", rgb("e8e4da"))
    builder.box(
        (-half - side, -over - 0.1, top - drop - 0.1), (half + side, -over, top - drop), "plastic", rgb("2c2c2e")
    )
    for x in (-half + 0.5, half - 0.5)[: random.randint(1, 2)]:
        if not inset:
            _chimney(builder, x, depth / 2, top + rise, random)
    if rise > 2.5 and house.width > 4.5 and random.random() < 0.3:
        _dormer(builder, house, top, rise, colour)


def _chimney(builder: Builder, x: float, y: float, top: float, random: Random) -> None:
    colour = tinted(random.choice(BRICKS), 0.9)
    builder.box((x - 0.35, y - 0.6, top - 1.5), (x + 0.35, y + 0.6, top + 1.0), "brick", colour)
    for i in range(random.randint(2, 4)):
        at = y - 0.45 + 0.3 * i
        builder.tube([(x, at, top + 1.0), (x, at, top + 1.4)], [0.11, 0.09], "plaster", rgb("a06040"), sides=6)


def _dormer(builder: Builder, house: House, top: float, rise: float, colour: Colour) -> None:
    low, y = top + 0.5, house.depth / 2 * (0.5 / rise)
    builder.box((-0.7, y, low), (0.7, house.depth / 2, low + 1.3), "plaster", rgb("e0dccf"))
    builder.box((-0.85, y - 0.15, low + 1.3), (0.85, house.depth / 2, low + 1.42), "roof", colour)
    glass = [(x, y - 0.01, z) for x in (-0.5, 0.5) for z in (low + 0.25, low + 1.15)]
    builder.polygons(glass, [(0, 2, 3, 1)], "glass", (0.03, 0.034, 0.04))


def _flat_roof(builder: Builder, house: House, look: _Look) -> None:
    half, depth, top = house.width / 2, house.depth, house.storeys * house.height
    builder.quad([(-half, 0, top), (half, 0, top), (half, depth, top), (-half, depth, top)], "asphalt", (0.1, 0.1, 0.1))
    for low, high in (
        ((-half, 0, top), (half, 0.25, top + 0.7)),
        ((-half, depth - 0.25, top), (half, depth, top + 0.7)),
        ((-half, 0.25, top), (-half + 0.25, depth - 0.25, top + 0.7)),
        ((half - 0.25, 0.25, top), (half, depth - 0.25, top + 0.7)),
    ):
        builder.box(low, high, look.surface, tinted(look.wall, 0.95))
    builder.box((-half, -0.05, top + 0.62), (half, 0.3, top + 0.72), "plaster", STONE)
