"""Cars, vans, lorries and buses; they face +x and stand on z = 0, with their middle at x = 0."""

from dataclasses import dataclass
from random import Random

import numpy as np

from gbuffer_tools.streets.shapes.mesh import Builder, Mesh, rgb, tinted

PAINTS = [
    rgb(c)
    for c in (
        "c8ccd0", "9aa0a6", "26282c", "15161a", "e8e8e6", "e8e8e6", "7c1018", "a01c22", "1c3058", "2f5490", "46505a",
        "1e4034", "6e6a60", "b08c30", "5a86a8",
    )
]  # fmt: skip
GLASS = (0.02, 0.024, 0.028)
DARK = rgb("1c1c1e")
Station = tuple[float, float, float]
"""Share of the length from the rear, height of the belt line and of the top as shares of the height."""


@dataclass(frozen=True)
class Shape:
    """A body drawn through stations from the rear to the front.

    Attributes:
        length, width, height: ranges, metres.
        stations: sections of the body.
        glazed: shares of the length between which the sides are glass.
        axles: shares of the length.
    """

    length: tuple[float, float]
    width: tuple[float, float]
    height: tuple[float, float]
    stations: tuple[Station, ...]
    glazed: tuple[tuple[float, float], ...]
    axles: tuple[float, float]


SHAPES = {
    "hatchback": Shape(
        (3.6, 4.2), (1.66, 1.76), (1.42, 1.52),
        ((0, 0.42, 0.46), (0.015, 0.56, 0.6), (0.04, 0.62, 0.66), (0.15, 0.62, 0.95), (0.26, 0.61, 0.995),
         (0.42, 0.6, 1), (0.44, 0.6, 1), (0.56, 0.6, 0.98), (0.75, 0.6, 0.64), (0.9, 0.55, 0.585), (0.97, 0.47, 0.5),
         (1, 0.36, 0.39)),
        ((0.14, 0.42), (0.44, 0.75)), (0.17, 0.81),
    ),
    "saloon": Shape(
        (4.3, 4.8), (1.74, 1.84), (1.40, 1.46),
        ((0, 0.42, 0.46), (0.015, 0.58, 0.62), (0.05, 0.63, 0.67), (0.15, 0.64, 0.68), (0.3, 0.63, 0.96),
         (0.38, 0.62, 1), (0.44, 0.62, 1), (0.46, 0.62, 1), (0.56, 0.62, 0.98), (0.73, 0.62, 0.66), (0.9, 0.56, 0.6),
         (0.975, 0.47, 0.5), (1, 0.36, 0.39)),
        ((0.2, 0.44), (0.46, 0.73)), (0.19, 0.81),
    ),
    "estate": Shape(
        (4.4, 4.8), (1.74, 1.84), (1.46, 1.7),
        ((0, 0.42, 0.46), (0.012, 0.58, 0.62), (0.03, 0.63, 0.67), (0.09, 0.63, 0.95), (0.18, 0.62, 0.99),
         (0.42, 0.61, 1), (0.44, 0.61, 1), (0.58, 0.61, 0.98), (0.75, 0.61, 0.65), (0.92, 0.57, 0.61),
         (0.98, 0.47, 0.5), (1, 0.36, 0.39)),
        ((0.08, 0.24), (0.26, 0.42), (0.44, 0.75)), (0.19, 0.81),
    ),
    "van": Shape(
        (4.8, 5.6), (1.9, 2.0), (2.1, 2.5),
        ((0, 0.45, 0.94), (0.01, 0.5, 1), (0.62, 0.5, 1), (0.64, 0.5, 1), (0.74, 0.5, 0.97), (0.9, 0.48, 0.54),
         (0.975, 0.4, 0.44), (1, 0.28, 0.31)),
        ((0.64, 0.9),), (0.18, 0.82),
    ),
}  # fmt: skip
KINDS = ("hatchback", "hatchback", "hatchback", "saloon", "saloon", "estate", "estate", "van")


def vehicle_mesh(kind: str, seed: str, *, moving: bool) -> Mesh:
    """The polygons of a vehicle: a kind of `SHAPES`, "bus" or "lorry"; moving ones have their lights on."""
    random, builder = Random(seed), Builder()
    if kind in ("bus", "lorry"):
        _boxy(builder, kind, random, moving)
    else:
        _car(builder, SHAPES[kind], random, moving, white=kind == "van" and random.random() < 0.6)
    return builder.mesh()


def length_of(kind: str) -> float:
    """The greatest length of a kind, metres."""
    return {"bus": 11.0, "lorry": 8.0}.get(kind) or SHAPES[kind].length[1]


def _car(builder: Builder, shape: Shape, random: Random, moving: bool, *, white: bool) -> None:
    length, width, height = (random.uniform(*r) for r in (shape.length, shape.width, shape.height))
    paint = rgb("e6e6e4") if white else tinted(random.choice(PAINTS), random.uniform(0.85, 1.15))
    rings = []
    for at, belt, top in shape.stations:
        end = 1 - 0.14 * abs(2 * at - 1) ** 6  # narrower at the ends
        cabin = max(top - belt - 0.05, 0)
        half = width / 2 * end
        edge = half * (0.86 - 0.3 * cabin)
        x = (at - 0.5) * length
        side = [
            (x, half * 0.93, 0.2), (x, half, 0.45 * belt * height + 0.1), (x, half * 0.985, belt * height),
            (x, edge, top * height - 0.03),
        ]  # fmt: skip
        rings.append([*side, (x, 0, top * height), *[(x, -y, z) for x, y, z in side[::-1]]])
    points = np.array(rings)
    faces: dict[str, list[tuple[int, ...]]] = {"paint": [], "glass": []}
    count = points.shape[1]
    for i, (a, b) in enumerate(zip(shape.stations, shape.stations[1:], strict=False)):
        middle = (a[0] + b[0]) / 2
        for j in range(count - 1):
            material = _material(a, b, j, any(low <= middle <= high for low, high in shape.glazed))
            corner = i * count + j
            faces[material].append((corner, corner + 1, corner + count + 1, corner + count))
    for material, colour in (("paint", paint), ("glass", GLASS)):
        builder.polygons(points.reshape(-1, 3), faces[material], material, colour, smooth=True)
    builder.quad(points[0], "plastic", tinted(paint, 0.7))
    builder.quad(points[-1][::-1], "plastic", DARK)
    _wheels(builder, [(at - 0.5) * length for at in shape.axles], width, 0.31)
    _ends(builder, length, width, height * shape.stations[2][1], random, moving)
    cabin_front = next(at for at, belt, top in reversed(shape.stations) if top - belt > 0.2)
    for y in (-width / 2 - 0.06, width / 2 + 0.06):
        mirror = (cabin_front - 0.42) * length, y, height * 0.62
        builder.ellipsoid(mirror, (0.07, 0.1, 0.07), "paint", paint, sides=8)


def _material(a: Station, b: Station, strip: int, glazed: bool) -> str:
    """What the body is made of between two stations."""
    cabin_a, cabin_b = a[2] - a[1] > 0.2, b[2] - b[1] > 0.2
    if strip in (3, 4):
        return "glass" if cabin_a != cabin_b and abs(a[2] - b[2]) > 0.1 else "paint"
    if strip in (2, 5):
        return "glass" if glazed and cabin_a and cabin_b else "paint"
    return "paint"


def _wheels(builder: Builder, axles: list[float], width: float, radius: float) -> None:
    for x in axles:
        for side in (-1, 1):
            out = side * (width / 2 + 0.012)
            inner = side * (width / 2 - 0.2)
            arch = [(x, side * (width / 2 - 0.05), radius + 0.03), (x, side * (width / 2 + 0.004), radius + 0.03)]
            builder.tube(arch, [radius * 1.17] * 2, "rubber", (0.006, 0.006, 0.006), sides=16)
            builder.tube(
                [(x, inner, radius), (x, out, radius)], [radius] * 2, "rubber", (0.012, 0.012, 0.013), sides=16
            )
            hub = [(x, out - side * 0.01, radius), (x, out + side * 0.006, radius)]
            builder.tube(hub, [radius * 0.62, radius * 0.55], "metal", rgb("8c9094"), sides=10)


def _ends(builder: Builder, length: float, width: float, belt: float, random: Random, moving: bool) -> None:
    """Lights, plates and bumpers."""
    half, half_width = length / 2, width / 2
    head = ("light", (1.0, 0.95, 0.85)) if moving and random.random() < 0.35 else ("plastic", rgb("d8dcde"))
    tail = ("light", (0.5, 0.02, 0.015)) if random.random() < 0.2 else ("plastic", rgb("a01418"))
    for side in (-1, 1):
        y = side * half_width * 0.66
        builder.box((half - 0.2, y - 0.17, belt * 0.72), (half - 0.02, y + 0.17, belt * 0.88), *head)
        builder.box((-half + 0.0, y - 0.13, belt * 0.78), (-half + 0.12, y + 0.16, belt * 1.02), *tail)
    builder.box((half - 0.22, -half_width * 0.88, 0.22), (half + 0.04, half_width * 0.88, 0.42), "plastic", DARK)
    builder.box((-half - 0.04, -half_width * 0.9, 0.24), (-half + 0.2, half_width * 0.9, 0.46), "plastic", DARK)
    builder.box((half - 0.1, -0.3, belt * 0.62), (half + 0.015, 0.3, belt * 0.74), "plastic", DARK)
    for x, colour in ((half + 0.045, rgb("e8e8e0")), (-half - 0.045, rgb("e0b020"))):
        builder.box((x - 0.005, -0.26, 0.29), (x + 0.005, 0.26, 0.4), "plastic", colour)


def _boxy(builder: Builder, kind: str, random: Random, moving: bool) -> None:
    """A bus, with one or two decks, or a lorry."""
    if kind == "bus":
        height = random.choice((3.0, 4.2))
        paint = random.choice([rgb(c) for c in ("a01c22", "1f4e79", "e0d8c0", "1d6a5c", "d8a020")])
        low, high = (-5.3, -1.25), (5.3, 1.25)
        builder.box((low[0], low[1], 0.32), (high[0], high[1], height), "paint", paint)
        for deck in range(2 if height > 4 else 1):
            z = 1.15 + 1.95 * deck, 2.2 + 1.6 * deck
            for side in (-1, 1):
                for i in range(7):
                    x, y = -4.9 + i * 1.4, side * 1.255
                    builder.box((x, min(y, y * 0.99), z[0]), (x + 1.28, max(y, y * 0.99), z[1]), "glass", GLASS)
            builder.box((5.28, -1.12, z[0] - 0.2 * (deck == 0)), (5.315, 1.12, z[1] + 0.1), "glass", GLASS)
            builder.box((-5.315, -0.95, z[0]), (-5.28, 0.95, z[1]), "glass", GLASS)
        builder.box((5.28, -0.8, 2.4), (5.32, 0.8, 2.75), "plastic", rgb("101010"))
        builder.box((-5.32, -1.25, 0.5), (5.32, 1.25, 0.72), "paint", tinted(paint, 0.5))
        _wheels(builder, [-2.7, 3.2], 2.5, 0.48)
        _ends(builder, 10.6, 2.5, 1.0, random, moving)
        return
    box = random.choice([rgb(c) for c in ("e8e8e6", "d8d4c8", "2f5490", "a01c22", "c8a030")])
    cab = tinted(random.choice(PAINTS), 1)
    builder.box((-3.9, -1.2, 0.95), (1.7, 1.2, 3.3), "paint", box)
    builder.box((-3.9, -0.9, 0.55), (3.6, 0.9, 0.95), "plastic", DARK)
    builder.box((1.9, -1.12, 0.5), (3.85, 1.12, 2.55), "paint", cab)
    builder.box((3.83, -1.0, 1.5), (3.875, 1.0, 2.35), "glass", GLASS)
    for side in (-1, 1):
        y = side * 1.125
        builder.box((2.5, min(y, y * 0.99), 1.5), (3.6, max(y, y * 0.99), 2.3), "glass", GLASS)
    _wheels(builder, [-2.5, 2.9], 2.3, 0.45)
    _ends(builder, 7.75, 2.24, 1.1, random, moving)
