"""Polygons with a surface and a colour each, and a builder that collects them."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Colour = tuple[float, float, float]
Point = Sequence[float] | Floats

SURFACES = (
    "asphalt", "marking", "paving", "kerb", "brick", "plaster", "roof", "glass", "paint", "wood", "metal", "rubber",
    "cloth", "skin", "bark", "leaf", "grass", "light", "plastic",
)  # fmt: skip


@dataclass(frozen=True)
class Mesh:
    """Polygons in a thing's own space.

    Attributes:
        vertices: (V,3), metres.
        loops: (L,) vertex indices, polygon after polygon, counter-clockwise seen from outside.
        sizes: (F,) number of corners of each polygon.
        surfaces: (F,) index into `SURFACES`.
        colours: (F,3) linear RGB.
        smooth: (F,) whether normals are interpolated.
    """

    vertices: Floats
    loops: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int32]
    surfaces: npt.NDArray[np.int32]
    colours: Floats
    smooth: npt.NDArray[np.bool_]


class Builder:
    """Collects polygons; `placed` moves what is added within its block."""

    def __init__(self) -> None:
        self._frame = np.eye(4)
        self._count = 0
        self._vertices: list[Floats] = []
        self._loops: list[npt.NDArray[np.int32]] = []
        self._sizes: list[npt.NDArray[np.int32]] = []
        self._faces: list[tuple[int, int, Colour, bool]] = []

    @contextmanager
    def placed(self, matrix: Floats) -> Iterator[None]:
        """Move what is added within the block by a matrix (4,4)."""
        before, self._frame = self._frame, self._frame @ matrix
        try:
            yield
        finally:
            self._frame = before

    def polygons(
        self, vertices: npt.ArrayLike, faces: npt.ArrayLike, surface: str, colour: Colour, *, smooth: bool = False
    ) -> None:
        """Add polygons (F,k) of vertices (V,3)."""
        points, corners = np.asarray(vertices, np.float64), np.asarray(faces, np.int32)
        self._vertices.append(points @ self._frame[:3, :3].T + self._frame[:3, 3])
        self._loops.append(corners.ravel() + np.int32(self._count))
        self._sizes.append(np.full(len(corners), corners.shape[1], np.int32))
        self._faces.append((len(corners), SURFACES.index(surface), colour, smooth))
        self._count += len(points)

    def quad(self, corners: Sequence[Point] | Floats, surface: str, colour: Colour) -> None:
        """Add one polygon by its corners, counter-clockwise."""
        points = np.array([np.asarray(corner, np.float64) for corner in corners])
        self.polygons(points, [list(range(len(points)))], surface, colour)

    def box(self, low: Point, high: Point, surface: str, colour: Colour) -> None:
        """Add a box between two corners."""
        (a, b, c), (d, e, f) = low, high
        points = [(x, y, z) for x in (a, d) for y in (b, e) for z in (c, f)]
        faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
        self.polygons(points, faces, surface, colour)

    def prism(self, outline: npt.ArrayLike, low: float, high: float, surface: str, colour: Colour) -> None:
        """Add an upright prism over an outline (n,2), counter-clockwise, with top and sides and no bottom."""
        points = np.asarray(outline, np.float64)
        count = len(points)
        both = np.concatenate([np.insert(points, 2, low, 1), np.insert(points, 2, high, 1)])
        after = np.roll(np.arange(count), -1)
        sides = np.stack([np.arange(count), after, after + count, np.arange(count) + count], 1)
        self.polygons(both, sides, surface, colour)
        self.polygons(both[count:], [list(range(count))], surface, colour)

    def tube(self, path: npt.ArrayLike, radii: npt.ArrayLike, surface: str, colour: Colour, *, sides: int = 8) -> None:
        """Add a tube through points (n,3) with a radius at each, closed at its ends."""
        points, widths = np.asarray(path, np.float64), np.asarray(radii, np.float64)
        along = np.gradient(points, axis=0)
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
        helper = np.where(np.abs(along[:, 2:]) > 0.9, (1.0, 0, 0), (0, 0, 1.0))
        first = np.cross(helper, along)
        first /= np.linalg.norm(first, axis=1, keepdims=True)
        second = np.cross(along, first)
        angle = np.arange(sides) * 2 * np.pi / sides
        ring = np.cos(angle)[:, None] * first[:, None] + np.sin(angle)[:, None] * second[:, None]
        vertices = (points[:, None] + ring * widths[:, None, None]).reshape(-1, 3)
        self.polygons(vertices, _strip(len(points), sides), surface, colour, smooth=True)
        ends = np.arange(sides, dtype=np.int32)
        self.polygons(vertices[:sides], [ends[::-1]], surface, colour)
        self.polygons(vertices[-sides:], [ends], surface, colour)

    def ellipsoid(self, centre: Point, radii: Point, surface: str, colour: Colour, *, sides: int = 10) -> None:
        """Add an ellipsoid."""
        rows = max(sides // 2, 3)
        up = np.linspace(-np.pi / 2, np.pi / 2, rows + 1)
        up[0], up[-1] = up[0] + 0.05, up[-1] - 0.05  # no zero-area triangles at the poles
        angle = np.arange(sides) * 2 * np.pi / sides
        x, y = np.cos(up)[:, None] * np.cos(angle), np.cos(up)[:, None] * np.sin(angle)
        z = np.broadcast_to(np.sin(up)[:, None], x.shape)
        vertices = np.stack([x, y, z], -1).reshape(-1, 3) * np.asarray(radii) + np.asarray(centre)
        self.polygons(vertices, _strip(rows + 1, sides), surface, colour, smooth=True)
        ends = np.arange(sides, dtype=np.int32)
        self.polygons(vertices[:sides], [ends[::-1]], surface, colour, smooth=True)
        self.polygons(vertices[-sides:], [ends], surface, colour, smooth=True)

    def disc(self, centre: Point, radius: float, axis: str, surface: str, colour: Colour, *, sides: int = 16) -> None:
        """Add a flat disc that faces along `axis`, "-x" or "-y"."""
        angle = np.arange(sides) * 2 * np.pi / sides
        flat, up = radius * np.cos(angle), radius * np.sin(angle)
        nothing = np.zeros(sides)
        offsets = (flat, nothing, up) if axis == "-y" else (nothing, -flat, up)
        self.quad(np.stack(offsets, 1) + np.asarray(centre), surface, colour)

    def mesh(self) -> Mesh:
        """Everything that was added."""
        counts = [face[0] for face in self._faces]
        return Mesh(
            np.concatenate(self._vertices),
            np.concatenate(self._loops),
            np.concatenate(self._sizes),
            np.repeat(np.array([face[1] for face in self._faces], np.int32), counts),
            np.repeat(np.array([face[2] for face in self._faces], np.float64), counts, axis=0),
            np.repeat(np.array([face[3] for face in self._faces], bool), counts),
        )


def _strip(rows: int, sides: int) -> npt.NDArray[np.int32]:
    """Quads between consecutive rings of vertices."""
    ring = np.arange(sides)
    after = np.roll(ring, -1)
    quad = np.stack([ring, after, after + sides, ring + sides], 1)
    return (np.arange(rows - 1)[:, None, None] * sides + quad).reshape(-1, 4).astype(np.int32)


def rgb(code: str) -> Colour:
    """Linear RGB of an sRGB code such as "c8b090"."""
    values = [int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values)
    return r, g, b


def tinted(colour: Colour, factor: float) -> Colour:
    """A colour made brighter or darker, kept within 0..0.95."""
    r, g, b = (min(max(c * factor, 0.0), 0.95) for c in colour)
    return r, g, b


def moved(x: float, y: float, z: float = 0.0, turn: float = 0.0) -> Floats:
    """The matrix (4,4) that turns about z and then moves."""
    c, s = math.cos(turn), math.sin(turn)
    return np.array([[c, -s, 0, x], [s, c, 0, y], [0, 0, 1, z], [0, 0, 0, 1.0]])


def turned(angle: float, axis: str) -> Floats:
    """The matrix (4,4) that turns about "x" or "y"."""
    c, s = math.cos(angle), math.sin(angle)
    if axis == "x":
        return np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1.0]])
    return np.array([[c, 0, s, 0], [0, 1, 0, 0], [-s, 0, c, 0], [0, 0, 0, 1.0]])
