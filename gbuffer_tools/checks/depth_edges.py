"""Whether depth is anti-aliased, judged by the pixels on its edges.

A renderer's depth is that of one surface per pixel. If it is averaged over the pixel, as pictures are, a pixel on an
edge between a near and a far surface gets a depth between them, where there is nothing. Thin things cause this too, but
not on every edge. Measured on fifteen files of sample frames and of the town: 2 to 8 % of the edges have such a pixel;
with only every second or fourth pixel, 4 to 24 %; in averages over 2 x 2 pixels 56 to 69 %, over 4 x 4 68 to 86 %.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

SKY_METRES = 1e6
RUN = 0.25
"""How much a side of an edge may slope, as a fraction of the pixel's distance from it."""
SPAN = 7
"""Pixels that an edge and its two sides span; noise has no such sides."""
MIN_STEP = 0.1
"""Smallest difference between an edge's sides, in the logarithm of their depth."""
FLAT = 0.1
"""Fraction of an edge's step by which its sides may slope, and a pixel may differ from the side it belongs to."""
MIN_FRACTION, MIN_PIXELS = 0.45, 10
MIN_EDGES = 0.005
"""Smallest fraction of the steps that are edges with two even sides: noise has fewer."""


@dataclass
class DepthEdges:
    """Counts over a file's frames so far, along rows and columns; edges to the sky first, then all others.

    Averages with an infinite sky are infinite, so then only the others tell.

    Attributes:
        between: edge pixels whose depth is that of neither side.
        clean: edges without such a pixel.
        steps: pixels between neighbours of different depth, whatever is beside them; for both kinds together.
    """

    between: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    clean: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    steps: int = 0

    def add(self, depth: Floats) -> None:
        """Count the edges in depth (H,W), metres, inf in the sky."""
        with np.errstate(invalid="ignore"):
            far = np.where(np.isinf(depth), SKY_METRES, np.clip(depth, 1 / SKY_METRES, SKY_METRES))
        logarithm = np.log(far.astype(np.float64))
        for rows in (logarithm, logarithm.T):
            if rows.shape[1] >= SPAN:
                self._add(rows)

    def _add(self, rows: Floats) -> None:
        around = [rows[:, i : rows.shape[1] - SPAN + 1 + i] for i in range(SPAN)]
        left, here, right = around[SPAN // 2 - 1 : SPAN // 2 + 2]
        step = right - left
        edge = np.abs(step) > MIN_STEP
        self.steps += int(edge.sum())
        slopes = []
        for side, others in ((left, around[: SPAN // 2 - 1]), (right, around[SPAN // 2 + 2 :])):
            slopes.append(np.max([np.abs(side - other) for other in others], axis=0))
            edge &= slopes[-1] < FLAT * np.abs(step)
        position = (here - left)[edge] / step[edge]
        between = (position > FLAT) & (position < 1 - FLAT)
        # The ground recedes ever faster towards the horizon: such a pixel is just the next one of its side.
        for side, slope in zip((left, right), slopes, strict=True):
            between &= slope[edge] < RUN * np.abs(here - side)[edge]
        sky = np.maximum(left, right)[edge] >= np.log(SKY_METRES)
        for i, which in enumerate((sky, ~sky)):
            self.between[i] += (between & which).sum()
            self.clean[i] += (~between & which & np.isfinite(position)).sum() / 2  # both pixels at a clean edge see it

    @property
    def fraction(self) -> float:
        """The fraction of edges with such a pixel, among all edges or those between surfaces; 0 if there are few."""
        found = [0.0]
        for between, clean in ((self.between.sum(), self.clean.sum()), (self.between[1], self.clean[1])):
            if between >= MIN_PIXELS and between + clean >= MIN_EDGES * self.steps:
                found.append(float(between / (between + clean)))
        return max(found)

    @property
    def problem(self) -> str:
        """A line about anti-aliased depth; empty if it is not."""
        if self.fraction < MIN_FRACTION:
            return ""
        return (
            f"depth is anti-aliased? {self.fraction:.0%} of its edges have a pixel whose depth is between their two "
            "sides and belongs to neither; render depth with one sample a pixel and no anti-aliasing"
        )
