"""Report plots as SVG that takes on the page's text colour and font."""

import io
import math
import re
from html import escape

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eval.records.estimate import Estimate
from eval.reporting.wording import number

# The first method, the yardstick, is grey. Mid tones that are legible on white and on near-black.
COLOURS = (
    "#8b929c", "#d9822b", "#2f86d6", "#2aa67a", "#b065c9", "#c94f5d", "#b59a1f", "#16a3b8", "#8a6d4f", "#6f7bd6",
)  # fmt: skip
PHOTOGRAPHS = -1
"""The place of other photographs, which are not a method."""
GREEN = "#5b9a4b"
# Stands for the page's text colour until the SVG is text.
INK = "#0a0b0c"
WIDTH, ROW, REST = 3.3, 0.235, 0.3
"""Inches: the width of a plot, the height of a method's bar, and the height of what lies below."""
SMALL = 7.5
MAX_LETTERS = 17
"""A longer method name is cut."""


def colour(index: int) -> str:
    """Colour of a method by its place in the table, or of other photographs."""
    if index == PHOTOGRAPHS:
        return GREEN
    return COLOURS[0] if index == 0 else COLOURS[1 + (index - 1) % (len(COLOURS) - 1)]


def bars(estimates: list[tuple[int, str, Estimate]], *, label: str) -> str:
    """A bar with its interval per method, the first on top; names to the left, values to the right.

    Args:
        estimates: each method's place in the table, its name, and its value.
        label: what a screen reader says; unique on the page.
    """
    figure = Figure(figsize=(WIDTH, ROW * len(estimates) + REST), layout="constrained")
    axes = figure.subplots()
    for place, (index, _, found) in enumerate(estimates):
        axes.barh(place, found.value, height=0.7, color=colour(index))
        if found.low is not None and found.high is not None:
            axes.plot([found.low, found.high], [place, place], color=INK, linewidth=1.2, solid_capstyle="butt")
            for end in (found.low, found.high):
                axes.plot([end, end], [place - 0.16, place + 0.16], color=INK, linewidth=1.2)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_ylim(len(estimates) - 0.4, -0.6)
    names = [shortened(name) for _, name, _ in estimates]
    axes.set_yticks(range(len(estimates)), names, fontsize=SMALL, parse_math=False)  # dollars are dollars
    values = axes.secondary_yaxis("right")
    values.set_yticks(range(len(estimates)), [number(found.value) for _, _, found in estimates])
    values.tick_params(colors=INK, labelsize=SMALL, length=0)
    values.spines[:].set_visible(False)
    axes.locator_params(axis="x", nbins=4)
    _plain(axes)
    axes.grid(axis="x", color=INK, alpha=0.13, linewidth=0.8)
    return _svg(figure, label)


def shortened(name: str) -> str:
    """A name, cut so that it leaves room for the bars."""
    return name if len(name) <= MAX_LETTERS else name[: MAX_LETTERS - 1] + "…"


def _plain(axes: Axes) -> None:
    axes.set_axisbelow(True)
    axes.patch.set_alpha(0)
    axes.spines[:].set_visible(False)
    axes.tick_params(colors=INK, labelsize=SMALL, length=0)


def _svg(figure: Figure, label: str) -> str:
    """SVG text that inherits colour and font, and has the same bytes every time."""
    figure.patch.set_alpha(0)
    written = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": label, "font.family": "sans-serif", "text.color": INK}):
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    text = written.getvalue()
    start = text.index("<svg")
    width, height = (math.ceil(inches * 72) for inches in figure.get_size_inches())
    said = f'role="img" aria-label="{escape(label)}"'
    opening = f'<svg {said} viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg"'
    # The page's font, and no ids of parts, which would be the same in every plot on a page.
    body = re.sub(r"font-family:[^;\"]*;? ?| id=\"[a-z0-9.]*_\d+\"", "", text[text.index(">", start) :])
    return (opening + ' xmlns:xlink="http://www.w3.org/1999/xlink"' + body).replace(INK, "currentColor")
