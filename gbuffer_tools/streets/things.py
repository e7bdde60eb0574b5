"""What stands or moves in a town: a class, an object's number, a mesh, and a pose at every tick."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from gbuffer_tools.streets.drive import TICKS, Path
from gbuffer_tools.streets.shapes.mesh import Floats, Mesh, moved

CLASSES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist",
)  # fmt: skip
"""CamVid's eleven, in the order of its 480x360 release; class ids are their places here."""
MAX_PARTS = 32767
"""Blender's largest pass index."""


@dataclass(frozen=True)
class Still:
    """A pose (4,4) that never changes."""

    matrix: Floats

    def pose(self, _: float) -> Floats:
        """The pose at any tick."""
        return self.matrix

    def seen(self, _: float) -> bool:
        """Whether the thing is there at a tick: always."""
        return True

    def spots(self, half: float, ticks: Floats) -> Floats:
        """Points (T,5,2) from the thing's rear to its front at ticks (T,); `half` is how far it reaches along its x."""
        reach = np.linspace(-half, half, 5)[:, None] * self.matrix[:2, 0] + self.matrix[:2, 3]
        return np.broadcast_to(reach, (len(ticks), 5, 2))


@dataclass(frozen=True)
class Ride:
    """A ride along a path at a constant speed; the thing is there while it is between the path's ends.

    Attributes:
        path: the way.
        start: metres along it at tick 0; speed: metres per second, from there.
        height: that of the ground, metres.
        joint: phase in radians -> the matrix (4,4) from the part's space to the whole thing's.
        stride: metres per radian of the phase.
        chord: metres over which it takes its direction.
    """

    path: Path
    start: float
    speed: float
    height: float = 0.0
    joint: Callable[[float], Floats] | None = None
    stride: float = 0.24
    chord: float = 1.6

    def way(self, tick: float) -> float:
        """Metres along the path."""
        return self.start + self.speed * tick / TICKS

    def pose(self, tick: float) -> Floats:
        """The part's pose (4,4)."""
        way = self.way(tick)
        body = moved(*self.path.at(way), self.height, self.path.heading(way, over=self.chord))
        return body @ self.joint(way / self.stride) if self.joint else body

    def seen(self, tick: float) -> bool:
        """Whether the thing is there at a tick."""
        return 0 <= self.way(tick) <= self.path.length

    def spots(self, half: float, ticks: Floats) -> Floats:
        """Points (T,5,2) from the thing's rear to its front, as for `Still`; nan at ticks when it is not there."""
        ways = self.start + self.speed * ticks / TICKS
        found = self.path.places(ways[:, None] + np.linspace(-half, half, 5))
        found[(ways < 0) | (ways > self.path.length)] = np.nan
        return found


Track = Still | Ride


@dataclass(frozen=True)
class Thing:
    """A rigid part of a town.

    Attributes:
        label: one of `CLASSES`.
        owner: number of the object that it is a part of, from 1.
        shape: things of one shape share a mesh.
        build: makes the mesh.
        track: where it is.
    """

    label: str
    owner: int
    shape: str
    build: Callable[[], Mesh]
    track: Track


@dataclass
class Things:
    """Collects things and numbers objects."""

    all: list[Thing] = field(default_factory=list)
    objects: int = 0

    def stand(self, label: str, matrix: Floats, build: Callable[[], Mesh], shape: str = "") -> int:
        """Add an object that stands still; returns its number."""
        self.objects += 1
        self.add(label, Still(matrix), build, shape)
        return self.objects

    def add(self, label: str, track: Track, build: Callable[[], Mesh], shape: str = "") -> None:
        """Add a part to the object begun last."""
        self.all.append(Thing(label, self.objects, shape or f"part {len(self.all)}", build, track))

    def begin(self) -> None:
        """Begin an object of several parts."""
        self.objects += 1

    def of(self, label: str) -> Iterator[Thing]:
        """The things of a class."""
        return (thing for thing in self.all if thing.label == label)
