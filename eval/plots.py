"""Plots of a record as SVG that takes the page's text colour and font."""

import io
import math

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eval.record import Estimate
from eval.words import number

# The first method, the yardstick, is grey. Mid tones that are legible on white and on near-black.
COLOURS = ("#8b929c", "#d9822b", "#2f86d6", "#2aa67a", "#b065c9", "#c94f5d")
# Stands for the page's text colour until the SVG is text.
INK = "#0a0b0c"


def colour(index: int) -> str:
    """Colour of a method by its place in the record."""
    return COLOURS[0] if index == 0 else COLOURS[1 + (index - 1) % (len(COLOURS) - 1)]


def bars(estimates: list[tuple[int, Estimate]], *, label: str) -> str:
    """One bar with its interval per method; the numbers stand below the bars.

    Args:
        estimates: place of a method in the record, and its value.
        label: what a screen reader says; unique on the page.
    """
    figure = Figure(figsize=(2.1, 2.0), layout="constrained")
    axes = figure.subplots()
    for place, (index, found) in enumerate(estimates):
        axes.bar(place, found.value, width=0.72, color=colour(index))
        if found.low is not None and found.high is not None:
            axes.plot([place, place], [found.low, found.high], color=INK, linewidth=1.4, solid_capstyle="butt")
            for end in (found.low, found.high):
                axes.plot([place - 0.13, place + 0.13], [end, end], color=INK, linewidth=1.4)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xticks(range(len(estimates)), [number(found.value) for _, found in estimates], fontsize=8)
    axes.tick_params(axis="x", length=0)
    axes.locator_params(axis="y", nbins=4)
    axes.set_xlim(-0.6, len(estimates) - 0.4)
    _plain(axes)
    axes.grid(axis="y", color=INK, alpha=0.13, linewidth=0.8)
    return _svg(figure, label)


def _plain(axes: Axes) -> None:
    axes.set_axisbelow(True)
    axes.patch.set_alpha(0)
    axes.spines[:].set_visible(False)
    axes.tick_params(colors=INK, labelsize=8, length=0)


def _svg(figure: Figure, label: str) -> str:
    """SVG text that inherits colour and font, and has the same bytes every time."""
    figure.patch.set_alpha(0)
    written = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": label, "font.family": "sans-serif", "text.color": INK}):
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    text = written.getvalue()
    start = text.index("<svg")
    width, height = (math.ceil(inches * 72) for inches in figure.get_size_inches())
    opening = f'<svg role="img" aria-label="{label}" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg"'
    body = text[text.index(">", start) :]
    return (opening + ' xmlns:xlink="http://www.w3.org/1999/xlink"' + body).replace(INK, "currentColor")
