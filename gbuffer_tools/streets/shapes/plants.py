"""Trees, bushes and hedges; they stand on z = 0."""

import math

import numpy as np

from gbuffer_tools.streets.shapes.mesh import Builder, Colour, Floats, Mesh, rgb, tinted

GREENS = [rgb(c) for c in ("4a6a2c", "3c5a28", "56702e", "6a7c34", "2f4c26", "74763a")]
BARK = [rgb(c) for c in ("4c4034", "5c5044", "3c342c")]
KINDS = ("broad", "broad", "tall", "bare", "bare", "conifer")


def tree_mesh(kind: str, seed: int) -> Mesh:
    """The polygons of a tree: "broad", "tall", "bare" or "conifer"."""
    random, builder = np.random.default_rng(seed), Builder()
    bark = BARK[seed % len(BARK)]
    if kind == "conifer":
        _conifer(builder, random, bark)
        return builder.mesh()
    height = random.uniform(6.5, 10.5)
    trunk = random.uniform(0.13, 0.2)
    tips: list[Floats] = []
    spread = 0.35 if kind == "tall" else 0.75
    fork = height * random.uniform(0.25, 0.33)
    bend = random.normal(0, 0.1, 2)
    top = np.array([*bend, fork])
    builder.tube(
        np.array([(0, 0, -0.1), (0, 0, 0.3), (*bend / 2, fork / 2), (*bend, fork)]),
        trunk * np.array([1.5, 1.1, 0.95, 0.85]),
        "bark",
        bark,
    )
    count = 6 if kind == "bare" else 5
    for i in range(count):
        turn = 2 * math.pi * (i + random.uniform(0, 0.6)) / count
        lean = spread * random.uniform(0.5, 1.1)
        aim = np.array([math.cos(turn) * lean, math.sin(turn) * lean, 1.0])
        _branch(builder, random, top, aim, (height - fork) * random.uniform(0.45, 0.6), trunk * 0.55, bark, 3, tips)
    if kind != "bare":
        colour = GREENS[int(random.integers(len(GREENS)))]
        _leaves(builder, random, np.array(tips), colour, per=26, radius=0.75, size=0.17)
    return builder.mesh()


def _branch(
    builder: Builder, random: np.random.Generator, start: Floats, aim: Floats, length: float, radius: float,
    bark: Colour, depth: int, tips: list[Floats],
) -> None:  # fmt: skip
    """A branch and those that grow on it, `depth` generations; collects their ends in `tips`."""
    aim = aim / np.linalg.norm(aim)
    middle = start + aim * length / 2 + random.normal(0, 0.05 * length, 3)
    end = start + aim * length + np.array([0, 0, 0.06 * length])
    builder.tube([start, middle, end], [radius, radius * 0.75, radius * 0.5], "bark", bark, sides=5 if depth > 1 else 3)
    tips.append(end)
    if depth == 0:
        return
    for _ in range(3 if depth > 1 else 4):
        at = start + (end - start) * random.uniform(0.45, 1.0)
        turned = aim + random.normal(0, 0.55, 3)
        turned[2] = abs(turned[2]) * 0.8 + 0.1
        size = length * random.uniform(0.5, 0.72)
        _branch(builder, random, at, turned, size, radius * 0.5, bark, depth - 1, tips)


def _leaves(
    builder: Builder,
    random: np.random.Generator,
    places: Floats,
    colour: Colour,
    *,
    per: int,
    radius: float,
    size: float,
) -> None:
    """Clusters of leaves, `per` at each place, each a quad of random orientation."""
    shades = 6
    for shade in range(shades):
        mine = places[shade::shades]
        if not len(mine):
            continue
        centres = (mine[:, None] + random.normal(0, radius / 2, (len(mine), per, 3)) * (1, 1, 0.8)).reshape(-1, 3)
        quads(builder, random, centres, size, tinted(colour, 0.65 + 0.14 * shade))


def quads(builder: Builder, random: np.random.Generator, centres: Floats, size: float, colour: Colour) -> None:
    """Leaves of about `size` at centres (n,3)."""
    first, second = random.normal(size=(2, len(centres), 3))
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second -= (second * first).sum(1, keepdims=True) * first
    second /= np.linalg.norm(second, axis=1, keepdims=True)
    scale = size * random.uniform(0.6, 1.4, (len(centres), 1))
    first, second = first * scale, second * scale * 0.6
    corners = np.stack([centres - first, centres + second, centres + first, centres - second], 1)
    builder.polygons(corners.reshape(-1, 3), np.arange(4 * len(centres)).reshape(-1, 4), "leaf", colour)


def _conifer(builder: Builder, random: np.random.Generator, bark: Colour) -> None:
    height = random.uniform(5, 9)
    builder.tube([(0, 0, -0.1), (0, 0, height)], [0.16, 0.03], "bark", bark)
    count = 2600
    height_fraction = random.uniform(0, 1, count) ** 0.7
    radius = (1 - height_fraction) * height * 0.2 * random.uniform(0.55, 1.0, count)
    turn = random.uniform(0, 2 * np.pi, count)
    z = 0.7 + height_fraction * (height - 0.7)
    centres = np.stack([radius * np.cos(turn), radius * np.sin(turn), z], 1)
    for shade in range(4):
        quads(builder, random, centres[shade::4], 0.2, tinted(rgb("2a4426"), 0.7 + 0.2 * shade))


def hedge_mesh(length: float, height: float, seed: int) -> Mesh:
    """A clipped hedge along x, from 0 to `length`, 0.6 m thick, behind y = 0."""
    random, builder = np.random.default_rng(seed), Builder()
    colour = GREENS[seed % len(GREENS)]
    builder.box((0, 0.08, 0), (length, 0.52, height - 0.08), "leaf", tinted(colour, 0.35))
    count = int(length * (height + 0.6) * 90)
    area = np.array([length * height, length * height, length * 0.6, 0.6 * height, 0.6 * height])
    side = random.choice(5, count, p=area / area.sum())
    x, y, z = random.uniform(0, 1, (3, count)) * np.array([[length], [0.6], [height]])
    y = np.where(side == 0, 0.05, np.where(side == 1, 0.55, y))
    z = np.where(side == 2, height - 0.05, z)
    x = np.where(side == 3, 0.03, np.where(side == 4, length - 0.03, x))
    centres = np.stack([x, y, z], 1) + random.normal(0, 0.03, (count, 3))
    centres[:, 2] = np.maximum(centres[:, 2], 0.05)
    for shade in range(4):
        quads(builder, random, centres[shade::4], 0.085, tinted(colour, 0.7 + 0.2 * shade))
    return builder.mesh()


def bush_mesh(seed: int) -> Mesh:
    """A round bush of about a metre."""
    random, builder = np.random.default_rng(seed), Builder()
    colour = GREENS[seed % len(GREENS)]
    radius = random.uniform(0.45, 0.85)
    places = random.normal(size=(70, 3))
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    places = places * (radius, radius, radius * 0.8) * random.uniform(0.55, 1, (70, 1)) + (0, 0, radius * 0.8)
    places[:, 2] = np.maximum(places[:, 2], 0.06)
    builder.ellipsoid((0, 0, radius * 0.75), (radius * 0.7,) * 3, "leaf", tinted(colour, 0.3))
    _leaves(builder, random, places, colour, per=14, radius=0.16, size=0.08)
    return builder.mesh()
