"""What a renderer's small frame lacks compared with its large one. A renderer has no sensor, so there is no noise.

* Few samples per pixel: edges alias. One sample in the middle of each pixel, four, or all available ones.
* Texture filtering: renderers choose the level of detail by pixel size, so textures in small frames are blurred by
  about one pixel of the small frame; less with a negative bias, which users of upscalers set.
* Temporal antialiasing: accumulation over frames blurs a little.
* Light compression, as in recorded frames.
"""

from dataclasses import dataclass

import numpy as np

from datasets.degradations.kernels import gaussian
from datasets.degradations.resizing import Picture, resized
from datasets.degradations.steps import compressed, filtered, rounded

SAMPLES = ("one", "four", "all")
SAMPLED = (0.4, 0.3, 0.3)
"""Probabilities of the numbers of samples per pixel."""
BIAS = (-1.0, 0.0)
"""Range of the level-of-detail bias: textures lose detail finer than 2^bias pixels of the small frame."""
TEMPORAL, ACCUMULATED = 0.5, (0.3, 0.7)
"""Probability of temporal antialiasing, and the range of its blur's deviation in pixels of the small frame."""
JPEG, QUALITY = 0.3, (80.0, 98.0)
LARGE = 0.5
"""Deviation of the blur that keeps the detail of one pixel of the small frame, in such pixels."""


@dataclass(frozen=True)
class RenderDraws:
    """What was drawn for a picture that is rendered smaller.

    Attributes:
        samples: one of `SAMPLES`.
        bias: level-of-detail bias.
        accumulated: deviation of temporal antialiasing's blur, in pixels of the small frame; 0: none.
        quality: JPEG quality; 0: not compressed.
    """

    samples: str
    bias: float
    accumulated: float
    quality: float


def draw(rng: np.random.Generator) -> RenderDraws:
    """Draw everything that happens to one picture."""
    return RenderDraws(
        SAMPLES[rng.choice(len(SAMPLES), p=SAMPLED)],
        rng.uniform(*BIAS),
        rng.uniform(*ACCUMULATED) if rng.random() < TEMPORAL else 0.0,
        rng.uniform(*QUALITY) if rng.random() < JPEG else 0.0,
    )


def applied(picture: Picture, scale: int, draws: RenderDraws) -> Picture:
    """Render a picture smaller, as drawn; shapes as for `second_order.applied`."""
    height, width = (side // scale for side in picture.shape[:2])
    x = blurred(picture, LARGE * scale * 2**draws.bias) if scale > 1 else picture
    if draws.samples == "all":
        x = resized(x, (height, width), "area")
    elif draws.samples == "four":  # the mean of four bilinear samples, taken at twice the size
        x = resized(resized(x, (2 * height, 2 * width), "bilinear"), (height, width), "area")
    else:
        x = resized(x, (height, width), "bilinear")
    x = blurred(x, draws.accumulated) if draws.accumulated else x
    return rounded(compressed(x, draws.quality) if draws.quality else x)


def blurred(picture: Picture, sigma: float) -> Picture:
    """Blur a picture by a Gaussian with a deviation of `sigma` pixels."""
    side = 2 * max(round(3 * sigma), 1) + 1
    return filtered(picture, gaussian(side, (sigma, sigma)))


def degrade(picture: Picture, scale: int, rng: np.random.Generator) -> Picture:
    """Render a picture smaller, as a renderer would at random; shapes as for `second_order.applied`."""
    return applied(picture, scale, draw(rng))
