"""What the header of an EXR file says: its parts, their channels and windows, and its attributes."""

import math
import re
from dataclasses import dataclass

import numpy as np

from gbuffer_tools.exr.attributes import VIEWS, Attribute

STEREO = ("left", "right")
LOSSY = frozenset(("pxr24", "b44", "b44a", "dwaa", "dwab", "lj2k"))


@dataclass(frozen=True)
class Window:
    """Pixels x0..x1 by y0..y1, inclusive."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width), pixels."""
        return self.y1 - self.y0 + 1, self.x1 - self.x0 + 1

    def __str__(self) -> str:
        return f"{self.x0}..{self.x1} x {self.y0}..{self.y1}"

    def overlap(self, other: "Window") -> int:
        """Number of pixels in both."""
        width = min(self.x1, other.x1) + 1 - max(self.x0, other.x0)
        height = min(self.y1, other.y1) + 1 - max(self.y0, other.y0)
        return max(width, 0) * max(height, 0)


@dataclass(frozen=True)
class ExrPart:
    """One part of an EXR file: a picture with channels of its own.

    Attributes:
        name: empty in single-part files.
        channels: name -> element type.
        data: where there are pixels.
        compression: one of `COMPRESSIONS`.
        view: which eye sees it; empty if the file does not say.
    """

    name: str
    channels: dict[str, np.dtype]
    data: Window
    compression: str
    view: str = ""

    @property
    def bytes_a_pixel(self) -> int:
        """Bytes that a pixel takes in all channels."""
        return sum(dtype.itemsize for dtype in self.channels.values())

    def full(self, channel: str) -> str:
        """A channel's full name in the file: in multi-part files, the layer or the eye may come from the part's header.

        The part rgba_right, for the right eye, holds rgba.right.R.
        """
        start = re.sub(rf"[._ -]?{re.escape(self.view)}$", "", self.name) if self.view else self.name
        inside = not start or channel.lower().startswith(f"{start.lower()}.")
        name = channel if inside else f"{start}.{channel}"
        layer, _, component = name.rpartition(".")
        if not self.view or self.view in layer.split("."):
            return name
        return ".".join(filter(None, (layer, self.view, component)))


@dataclass(frozen=True)
class ExrHeader:
    """What an EXR file holds.

    Attributes:
        parts: at least one.
        display: the picture's window, the same for all parts.
        attributes: texts, numbers and matrices (as stored, row by row) of all parts; the first part's win.
    """

    parts: tuple[ExrPart, ...]
    display: Window
    attributes: dict[str, Attribute]

    @property
    def channels(self) -> tuple[str, ...]:
        """Full names of all channels, in the file's order."""
        return tuple(part.full(name) for part in self.parts for name in part.channels)

    @property
    def bytes_stored(self) -> int:
        """Bytes that all stored pixels take, unpacked."""
        return sum(math.prod(part.data.shape) * part.bytes_a_pixel for part in self.parts)

    @property
    def bytes_placed(self) -> int:
        """Bytes that all channels take over the display window."""
        return math.prod(self.display.shape) * sum(part.bytes_a_pixel for part in self.parts)

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the eyes of a stereo file, the main one first; empty if there is only one.

        If the header does not say, layers with both names, left and right, do.
        """
        named = self.attributes.get(VIEWS, ())
        found = named if isinstance(named, tuple) else ()
        stated = tuple(dict.fromkeys(view for view in (*found, *(part.view for part in self.parts)) if view))
        eyes = {name.rpartition(".")[0].rpartition(".")[2] for name in self.channels}
        return stated or (STEREO if set(STEREO) <= eyes else ())

    @property
    def covered(self) -> tuple[tuple[float, float], ...]:
        """For each part, the fraction of the picture with pixels, and the fraction of its pixels inside the picture."""
        picture = math.prod(self.display.shape)
        inside = [(part.data.overlap(self.display), math.prod(part.data.shape)) for part in self.parts]
        return tuple((count / picture, count / stored) for count, stored in inside)

    @property
    def lossy(self) -> str:
        """A compression that changes values, if one is used; else empty."""
        return next((part.compression for part in self.parts if part.compression in LOSSY), "")
