"""Pedestrians and cyclists, made of rigid parts that move at their joints. They face +x and stand on z = 0."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np

from gbuffer_tools.streets.shapes.mesh import Builder, Colour, Floats, Mesh, moved, rgb, turned

CLOTHES = [
    rgb(c)
    for c in (
        "20242c", "1c1c1e", "2c3e5c", "5a2430", "7c7468", "b8b0a0", "364a36", "a03030", "d0d4d8", "c8a040", "3a5a7c",
        "6a4a7c", "e0e0dc", "4c3a2c",
    )
]  # fmt: skip
TROUSERS = [rgb(c) for c in ("20242e", "1a1a1c", "2c3c58", "4a443a", "6e6656", "383c40")]
SKINS = [rgb(c) for c in ("e0b494", "d0a080", "a87850", "6e4a34", "ecc4a8")]
HAIRS = [rgb(c) for c in ("2a1e16", "12100e", "5c4028", "a08050", "8c8880")]
HIP, THIGH, SHIN, SHOULDER = 0.93, 0.45, 0.44, 1.42
"""Of a person 1.75 m tall, metres."""


@dataclass(frozen=True)
class RigidPart:
    """A part of a person or a bicycle that does not bend.

    Attributes:
        build: makes its mesh.
        joint: phase in radians -> the matrix (4,4) from the part's space to the person's.
    """

    build: Callable[[], Mesh]
    joint: Callable[[float], Floats]


@dataclass(frozen=True)
class _Clothes:
    top: Colour
    legs: Colour
    skin: Colour
    hair: Colour
    coat: bool
    bag: bool
    helmet: Colour | None


def _clothes(seed: str, *, cyclist: bool) -> _Clothes:
    random = Random(seed)
    helmet = random.choice([rgb("e8e8e8"), rgb("a01c22"), rgb("202020")]) if cyclist and random.random() < 0.6 else None
    return _Clothes(
        random.choice(CLOTHES), random.choice(TROUSERS), random.choice(SKINS), random.choice(HAIRS),
        random.random() < 0.4, random.random() < 0.35, helmet,
    )  # fmt: skip


def walker(seed: str, *, standing: bool) -> list[RigidPart]:
    """A pedestrian; a standing one keeps still."""
    clothes = _clothes(seed, cyclist=False)
    size = Random(f"{seed}/size").uniform(0.9, 1.06)
    swing = 0.0 if standing else 0.45
    scale = np.diag([size, size, size, 1.0])
    parts = [RigidPart(lambda: _torso(clothes), lambda phase: scale @ moved(0, 0, 0.02 * abs(math.cos(phase)) * swing))]
    for side in (-1, 1):
        turn = math.pi * (side > 0)

        def hip(phase: float, side: int = side, turn: float = turn) -> Floats:
            return scale @ moved(0, side * 0.09, HIP) @ turned(swing * math.sin(phase + turn), "y")

        def knee(phase: float, hip: Callable[[float], Floats] = hip, turn: float = turn) -> Floats:
            bend = 0.05 + 1.5 * swing * max(math.sin(phase + turn - 1.9), 0.0) ** 2
            return hip(phase) @ moved(0, 0, -THIGH) @ turned(bend, "y")

        def shoulder(phase: float, side: int = side, turn: float = turn) -> Floats:
            return scale @ moved(0, side * 0.21, SHOULDER) @ turned(-0.8 * swing * math.sin(phase + turn), "y")

        parts += [
            RigidPart(lambda: _thigh(clothes), hip),
            RigidPart(lambda: _shin(clothes), knee),
            RigidPart(lambda: _arm(clothes, 0.25), shoulder),
        ]
    return parts


def cyclist(seed: str) -> list[RigidPart]:
    """A bicycle and its rider; the phase is that of the pedals."""
    clothes = _clothes(seed, cyclist=True)
    lean = moved(-0.22, 0, 0.1) @ moved(0, 0, HIP) @ turned(0.6, "y") @ moved(0, 0, -HIP)
    parts = [RigidPart(lambda: _bicycle(seed), lambda _: np.eye(4)), RigidPart(lambda: _torso(clothes), lambda _: lean)]
    for side in (-1, 1):
        turn = math.pi * (side > 0)

        def hip(phase: float, side: int = side, turn: float = turn) -> Floats:
            return moved(-0.22, side * 0.09, HIP + 0.1) @ turned(-0.95 - 0.35 * math.sin(phase + turn), "y")

        def knee(phase: float, hip: Callable[[float], Floats] = hip, turn: float = turn) -> Floats:
            return hip(phase) @ moved(0, 0, -THIGH) @ turned(1.1 + 0.45 * math.sin(phase + turn + 0.6), "y")

        def shoulder(_: float, side: int = side) -> Floats:
            return lean @ moved(0, side * 0.2, SHOULDER) @ turned(-1.45, "y")

        parts += [
            RigidPart(lambda: _thigh(clothes), hip),
            RigidPart(lambda: _shin(clothes), knee),
            RigidPart(lambda: _arm(clothes, 0.1), shoulder),
        ]
    return parts


def _torso(clothes: _Clothes) -> Mesh:
    builder = Builder()
    low = HIP - (0.25 if clothes.coat else 0.08)
    heights = np.array([low, HIP + 0.05, 1.15, 1.33, SHOULDER + 0.02, 1.49])
    for_width = np.array([0.17, 0.165, 0.155, 0.195, 0.17, 0.06])
    with builder.placed(np.diag([0.66, 1.0, 1.0, 1.0])):
        builder.tube([(0, 0, z) for z in heights], for_width, "cloth", clothes.top, sides=10)
    builder.tube([(0, 0, 1.45), (0.01, 0, 1.56)], [0.055, 0.05], "skin", clothes.skin, sides=7)
    builder.ellipsoid((0.015, 0, 1.635), (0.095, 0.078, 0.12), "skin", clothes.skin)
    builder.ellipsoid((-0.012, 0, 1.665), (0.1, 0.086, 0.105), "cloth", clothes.helmet or clothes.hair)
    if clothes.bag:
        builder.ellipsoid((-0.17, 0, 1.2), (0.1, 0.15, 0.2), "cloth", CLOTHES[hash_of(clothes.top) % len(CLOTHES)])
    return builder.mesh()


def hash_of(colour: Colour) -> int:
    """A number that is always the same for a colour."""
    return sum(int(c * 997) for c in colour)


def _thigh(clothes: _Clothes) -> Mesh:
    builder = Builder()
    builder.tube([(0, 0, 0.04), (0, 0, -THIGH / 2), (0, 0, -THIGH)], [0.085, 0.08, 0.06], "cloth", clothes.legs)
    return builder.mesh()


def _shin(clothes: _Clothes) -> Mesh:
    builder = Builder()
    builder.tube([(0, 0, 0.03), (-0.01, 0, -SHIN / 2), (0, 0, -SHIN)], [0.06, 0.058, 0.045], "cloth", clothes.legs)
    builder.ellipsoid((0.06, 0, -SHIN - 0.01), (0.135, 0.05, 0.045), "rubber", (0.02, 0.018, 0.016), sides=8)
    return builder.mesh()


def _arm(clothes: _Clothes, bend: float) -> Mesh:
    builder = Builder()
    hand = (0.3 * math.sin(bend), 0.0, -0.29 - 0.28 * math.cos(bend))
    builder.tube([(0, 0, 0.03), (0, 0, -0.29), hand], [0.06, 0.05, 0.04], "cloth", clothes.top, sides=7)
    builder.ellipsoid((hand[0], 0, hand[2] - 0.05), (0.045, 0.03, 0.065), "skin", clothes.skin, sides=7)
    return builder.mesh()


def _bicycle(seed: str) -> Mesh:
    random, builder = Random(f"{seed}/bicycle"), Builder()
    paint = random.choice([rgb(c) for c in ("1c1c1e", "a01c22", "1f4e79", "d8d8d8", "1d5c3a", "c77f1a")])
    angle = np.linspace(0, 2 * np.pi, 19)
    for x in (-0.52, 0.52):
        ring = np.stack([x + 0.33 * np.cos(angle), 0 * angle, 0.345 + 0.33 * np.sin(angle)], 1)
        builder.tube(ring, [0.022] * 19, "rubber", (0.012, 0.012, 0.012), sides=5)
        for spoke in range(8):
            end = (x + 0.33 * math.cos(spoke * 0.785), 0, 0.345 + 0.33 * math.sin(spoke * 0.785))
            builder.tube([(x, 0, 0.345), end], [0.004] * 2, "metal", rgb("a0a4a8"), sides=3)
    seat, head, crank = (-0.2, 0, 0.88), (0.36, 0, 0.86), (-0.05, 0, 0.3)
    for a, b in ((seat, crank), (seat, head), (head, crank), (crank, (-0.52, 0, 0.345)), (seat, (-0.52, 0, 0.345)),
                 (head, (0.52, 0, 0.345))):  # fmt: skip
        builder.tube([a, b], [0.018] * 2, "paint", paint, sides=6)
    builder.tube([head, (0.4, 0, 1.02)], [0.015] * 2, "metal", rgb("808488"), sides=6)
    builder.tube(
        [(0.36, -0.27, 1.03), (0.42, 0, 1.02), (0.36, 0.27, 1.03)], [0.015] * 3, "metal", rgb("303236"), sides=6
    )
    builder.ellipsoid((-0.24, 0, 0.93), (0.13, 0.07, 0.035), "rubber", (0.015, 0.015, 0.015), sides=8)
    return builder.mesh()
