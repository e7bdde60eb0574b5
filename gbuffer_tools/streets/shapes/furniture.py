"""What stands on pavements: lamp posts, signs, traffic lights, bollards, fences and walls."""

import math
from random import Random

import numpy as np

from gbuffer_tools.streets.shapes.mesh import Builder, Colour, Mesh, rgb, tinted

GREY, BLACK = rgb("8a8e90"), rgb("1e2022")
RED, BLUE, WHITE, YELLOW = rgb("b8141c"), rgb("1450a0"), rgb("eeeeea"), rgb("e8b818")
SIGNS = ("no_entry", "limit", "warning", "give_way", "direction", "parking", "oneway", "board")
PLATE_HEIGHT = 2.35


def lamp_mesh(height: float, seed: str) -> Mesh:
    """A lamp post; its arm reaches over the road, -y."""
    random, builder = Random(seed), Builder()
    colour = random.choice((GREY, GREY, BLACK, rgb("2c4a3a")))
    builder.tube([(0, 0, 0), (0, 0, 1.2), (0, 0, 1.25), (0, 0, height)], [0.11, 0.11, 0.075, 0.05], "metal", colour)
    reach = random.uniform(0.8, 1.6)
    arm = [(0, 0, height - 0.05), (0, -reach / 2, height + 0.2), (0, -reach, height + 0.22)]
    builder.tube(arm, [0.04] * 3, "metal", colour)
    builder.box((-0.12, -reach - 0.5, height + 0.15), (0.12, -reach + 0.1, height + 0.29), "metal", tinted(colour, 1.2))
    builder.box((-0.09, -reach - 0.45, height + 0.12), (0.09, -reach, height + 0.15), "plastic", WHITE)
    return builder.mesh()


def post_mesh(height: float) -> Mesh:
    """A thin grey post."""
    builder = Builder()
    builder.tube([(0, 0, 0), (0, 0, height)], [0.035] * 2, "metal", GREY)
    return builder.mesh()


def bollard_mesh(seed: str) -> Mesh:
    """A bollard about a metre high."""
    random, builder = Random(seed), Builder()
    colour = random.choice((BLACK, BLACK, rgb("7c7468")))
    height = random.uniform(0.85, 1.05)
    builder.tube([(0, 0, 0), (0, 0, height - 0.1), (0, 0, height)], [0.08, 0.075, 0.04], "metal", colour)
    builder.tube([(0, 0, height - 0.25), (0, 0, height - 0.17)], [0.083] * 2, "plastic", WHITE)
    return builder.mesh()


def sign_mesh(kind: str, seed: str) -> Mesh:
    """A plate, one of `SIGNS`, that faces -x, with its middle at x = 0, y = 0, z = `PLATE_HEIGHT`."""
    random, builder = Random(seed), Builder()
    z, x = PLATE_HEIGHT, -0.05
    if kind == "no_entry":
        _round(builder, x, z, ((0.33, RED),))
        _bar(builder, x - 0.004, z, (0.22, 0.05), WHITE)
    elif kind == "limit":
        _round(builder, x, z, ((0.33, RED), (0.25, WHITE)))
        for y in (-0.08, 0.08):
            _bar(builder, x - 0.008, z, (0.03, 0.1), BLACK, y)
    elif kind == "oneway":
        _round(builder, x, z, ((0.33, WHITE), (0.31, BLUE)))
        _bar(builder, x - 0.008, z - 0.04, (0.035, 0.15), WHITE)
        _triangle(builder, x - 0.008, z + 0.14, 0.1, WHITE)
    elif kind in ("warning", "give_way"):
        down = kind == "give_way"
        _triangle(builder, x, z, 0.42, RED, down=down)
        _triangle(builder, x - 0.004, z, 0.28, WHITE, down=down)
        if not down:
            _bar(builder, x - 0.008, z - 0.04, (0.025, 0.09), BLACK)
    elif kind == "parking":
        _bar(builder, x, z, (0.26, 0.34), BLUE)
        _bar(builder, x - 0.004, z, (0.04, 0.2), WHITE, -0.06)
        _bar(builder, x - 0.004, z + 0.1, (0.1, 0.1), WHITE, 0.04)
    else:
        _board(builder, x, z, kind, random)
    return builder.mesh()


def _round(builder: Builder, x: float, z: float, rings: tuple[tuple[float, Colour], ...]) -> None:
    for i, (radius, colour) in enumerate(rings):
        builder.disc((x - 0.004 * i, 0, z), radius, "-x", "plastic", colour, sides=20)
    builder.tube([(x + 0.004, 0, z), (x + 0.02, 0, z)], [rings[0][0]] * 2, "metal", GREY, sides=20)


def _bar(builder: Builder, x: float, z: float, half: tuple[float, float], colour: Colour, y: float = 0.0) -> None:
    builder.box((x, y - half[0], z - half[1]), (x + 0.003, y + half[0], z + half[1]), "plastic", colour)


def _triangle(builder: Builder, x: float, z: float, size: float, colour: Colour, *, down: bool = False) -> None:
    sign = -1 if down else 1
    angle = math.pi / 2 + np.arange(3) * 2 * math.pi / 3
    points = [(x, -size * math.cos(a) * sign, z + sign * size * math.sin(a)) for a in angle]
    builder.quad(points, "plastic", colour)
    builder.quad([(x + 0.003, y, h) for _, y, h in points[::-1]], "metal", GREY)


def _board(builder: Builder, x: float, z: float, kind: str, random: Random) -> None:
    """Directions, or an advertisement."""
    ground = random.choice((rgb("1d6a3c"), BLUE, WHITE)) if kind == "direction" else random.choice((RED, BLUE, YELLOW))
    ink = BLACK if ground == WHITE else WHITE
    wide, tall = (0.75, 0.4) if kind == "direction" else (0.55, 0.7)
    _bar(builder, x, z, (wide, tall), ink)
    _bar(builder, x - 0.004, z, (wide - 0.03, tall - 0.03), ground)
    rows = int(tall / 0.14)
    for row in range(rows):
        at = z + tall - 0.2 - row * (2 * tall - 0.3) / max(rows - 1, 1)
        y = wide - 0.15
        while y > -wide + random.uniform(0.2, 0.6):
            half = random.uniform(0.03, 0.09)
            _bar(builder, x - 0.008, at, (half, 0.045), ink, y - half)
            y -= 2 * half + 0.05


def signal_mesh(state: str, seed: str) -> Mesh:
    """The head of a traffic light that faces -x, with "red" or "green" lit."""
    builder = Builder()
    z = 2.3 + 0.2 * Random(seed).random()
    builder.box((-0.12, -0.19, z), (0.1, 0.19, z + 1.0), "plastic", (0.01, 0.01, 0.01))
    builder.box((-0.02, -0.28, z - 0.08), (0.0, 0.28, z + 1.08), "plastic", (0.012, 0.012, 0.012))
    for i, (name, lit, off) in enumerate(
        (("green", (0.02, 0.9, 0.35), (0.01, 0.05, 0.03)), ("amber", (0, 0, 0), (0.08, 0.05, 0.0)),
         ("red", (0.9, 0.03, 0.02), (0.07, 0.01, 0.01)))
    ):  # fmt: skip
        on = state == name
        builder.disc((-0.125, 0, z + 0.2 + 0.3 * i), 0.1, "-x", "light" if on else "plastic", lit if on else off)
    return builder.mesh()


def railing_mesh(length: float, seed: str) -> Mesh:
    """Iron railings along x, from 0 to `length`."""
    random, builder = Random(seed), Builder()
    colour = random.choice((BLACK, BLACK, GREY, rgb("20402c")))
    height = random.uniform(0.95, 1.2)
    for z in (0.15, height - 0.05):
        builder.box((0, -0.02, z - 0.02), (length, 0.02, z + 0.02), "metal", colour)
    for i in range(int(length / 0.14) + 1):
        x = i * 0.14
        builder.box((x - 0.01, -0.01, 0), (x + 0.01, 0.01, height), "metal", colour)
    for i in range(int(length / 2) + 1):
        builder.box((i * 2 - 0.035, -0.035, 0), (i * 2 + 0.035, 0.035, height + 0.06), "metal", colour)
    return builder.mesh()


def panel_fence_mesh(length: float, seed: str) -> Mesh:
    """A wooden fence along x, from 0 to `length`."""
    random, builder = Random(seed), Builder()
    base = random.choice([rgb(c) for c in ("7c5c3c", "8c7050", "5c4a38", "d8d4c8", "4a5a48")])
    height = random.uniform(0.9, 1.75)
    for i in range(int(length / 0.13)):
        x = i * 0.13
        up = height + random.uniform(-0.02, 0.02)
        builder.box((x, 0, 0.06), (x + 0.118, 0.02, up), "wood", tinted(base, random.uniform(0.8, 1.15)))
    for i in range(int(length / 1.8) + 1):
        builder.box((i * 1.8 - 0.05, 0.02, 0), (i * 1.8 + 0.05, 0.12, height + 0.08), "wood", tinted(base, 0.8))
    return builder.mesh()


def garden_wall_mesh(length: float, height: float, colour: Colour) -> Mesh:
    """A low brick wall along x, from 0 to `length`."""
    builder = Builder()
    builder.box((0, 0, 0), (length, 0.22, height), "brick", colour)
    builder.box((-0.03, -0.03, height), (length + 0.03, 0.25, height + 0.07), "plaster", rgb("b8b0a0"))
    return builder.mesh()
