"""The mean colour of each class in each frame, before and after, and the metrics made from them.

To add a colour metric, add a row to `COLOURS`.

Shapes: F frames, C classes, R resamples.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.fidelity.colour import ciede2000
from eval.inputs import RENDER
from eval.records.scores_record import CLASS_COLOUR, Metric

Array = NDArray[np.float64]

MIN_PIXELS = 64
"""A class counts in the frames that show at least this many of its pixels."""
MIN_CHROMA = 5.0
"""Below this, colours are grey and their hue is chance."""


@dataclass(frozen=True)
class ClassColours:
    """Colours of one class in the render and in a method's pictures.

    Attributes:
        pixels: (F,) pixel counts of the class, 0 where there are too few.
        before, after: (F, 3) mean CIELAB; any value where there are no pixels.
    """

    pixels: Array
    before: Array
    after: Array

    def mean(self, values: Array, draws: Array | None) -> Array:
        """The mean over the pixels of the class.

        Args:
            values: (F,) per frame, real or complex.
            draws: (R, F) how often each frame counts; None: each frame by itself.

        Returns:
            (R,) or (F,), NaN where there are no pixels.
        """
        weights = self.pixels if draws is None else draws @ self.pixels
        sums = values * self.pixels if draws is None else draws @ (values * self.pixels)
        with np.errstate(invalid="ignore"):
            return np.where(weights > 0, sums / weights, np.nan)


@dataclass(frozen=True)
class ColourMetric:
    """A row of the table.

    Attributes:
        key, name, what: the metric's, without its class.
        measure: colours of a class, and draws as in `ClassColours.mean` -> (R,) or (F,), NaN where there is none.
        of_render: whether the render also has a value.
    """

    key: str
    name: str
    what: str
    measure: Callable[[ClassColours, Array | None], Array]
    of_render: bool = True


def hue_turn(colours: ClassColours, draws: Array | None) -> Array:
    """The angle in degrees by which the hue turned, counterclockwise: from red through yellow to green, blue, violet.

    Strong colours count more: it is the angle of the mean of conj(z) z', where z and z' are a* + i b* before and after.
    NaN where the render or the method is grey.
    """
    before, after = (lab[:, 1] + 1j * lab[:, 2] for lab in (colours.before, colours.after))
    turned = colours.mean(before.conj() * after, draws)
    grey = np.min([colours.mean(np.abs(z) ** 2, draws) for z in (before, after)], axis=0) < MIN_CHROMA**2
    return np.where(grey, np.nan, np.degrees(np.angle(turned)))


COLOURS = (
    ColourMetric("L", "L*", "lightness, 0 .. 100", lambda of, draws: of.mean(of.after[:, 0], draws)),
    ColourMetric("a", "a*", "from green to red", lambda of, draws: of.mean(of.after[:, 1], draws)),
    ColourMetric("b", "b*", "from blue to yellow", lambda of, draws: of.mean(of.after[:, 2], draws)),
    ColourMetric(
        "C", "chroma", "how colourful", lambda of, draws: of.mean(np.hypot(of.after[:, 1], of.after[:, 2]), draws)
    ),
    ColourMetric(
        "hue", "hue turn (degrees)", "how far the hue turned, from red towards yellow, green, blue, violet", hue_turn,
        of_render=False,
    ),
    ColourMetric(
        "dE", "ΔE00", "CIEDE2000 between the mean colours before and after, frame by frame",
        lambda of, draws: of.mean(ciede2000(of.before, of.after), draws), of_render=False,
    ),
)  # fmt: skip


def class_metrics(classes: Sequence[str]) -> tuple[Metric, ...]:
    """Rows of the record: those of `COLOURS` for every class."""
    return tuple(
        Metric(f"{CLASS_COLOUR}{name}.{row.key}", f"{name}, {row.name}", "", row.what)
        for name in classes
        for row in COLOURS
    )


def colour_values(
    sums: Mapping[str, Array], pixels: Array, classes: Sequence[str], draws: Array | None
) -> dict[str, dict[str, Array]]:
    """By method and metric, values (R,), or (F,) without draws.

    Args:
        sums: by method, sums of L*, a*, b* over the pixels of each class (F, C, 3); the render's are among them.
        pixels: (F, C) of each class.
        classes: names (C,) of those that are wanted; "" for others.
        draws: (R, F) how often each frame counts; None: each frame by itself.
    """
    counted = np.where(pixels >= MIN_PIXELS, pixels, 0.0)
    means = {name: found / np.maximum(pixels, 1)[..., None] for name, found in sums.items()}
    found: dict[str, dict[str, Array]] = {name: {} for name in sums}
    for number, label in enumerate(classes):
        for name, values in found.items() if label else ():
            colours = ClassColours(counted[:, number], means[RENDER][:, number], means[name][:, number])
            for row in COLOURS:
                if row.of_render or name != RENDER:
                    values[f"{CLASS_COLOUR}{label}.{row.key}"] = row.measure(colours, draws)
    return found
