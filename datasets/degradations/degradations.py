"""The degradations by name."""

from collections.abc import Callable, Mapping

import numpy as np

from datasets.degradations import render, second_order
from datasets.degradations.resizing import MODES, Picture, resized

Degrade = Callable[[Picture, int, np.random.Generator], Picture]
"""A picture (H, W, 3) in [0, 1], a scale that divides H and W, and the picture's own generator -> the picture at
H / scale and W / scale."""


def resampled(picture: Picture, scale: int, rng: np.random.Generator) -> Picture:
    """Only shrink: bilinear, bicubic (both antialiased) or area, at random (Craap's transformerSR).

    Its pictures were shifted, because sizes were not multiples of the scale and large and small crops were cut
    separately; here the small picture is made from the large one alone.
    """
    height, width = (side // scale for side in picture.shape[:2])
    return np.clip(resized(picture, (height, width), MODES[rng.integers(len(MODES))], antialias=True), 0, 1)


DEGRADATIONS: Mapping[str, Degrade] = {
    "resampled": resampled,
    "second_order": second_order.degrade,
    "render": render.degrade,
}
