"""The second-order degradation of Real-ESRGAN: blur, resize, noise and JPEG, twice, then a sinc filter.

Wang et al., "Real-ESRGAN", ICCVW 2021, figure 2, with the probabilities and ranges of its release. Differences: every
picture has its own draws (the release draws whether to blur, factors, modes and kinds of noise once per batch, and
keeps a pool of 180 pairs to mix batches; here there is nothing to mix); JPEG is a real encoder with integer qualities;
and resizing shifts nothing (`resizing`). The release passes factors instead of sizes, so pixels lie a factor apart
starting at the upper left corner, and its pictures shift by up to a pixel.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from datasets.degradations.kernels import Blur, draw_blur, draw_sinc
from datasets.degradations.resizing import MODES, Mode, Picture, resized
from datasets.degradations.steps import compressed, filtered, rounded, with_gaussian_noise, with_poisson_noise

SINC, JPEG = 0.1, (30.0, 95.0)
"""Probability of a sinc filter in place of a blur; range of JPEG quality."""
FINAL_SINC, SINC_FIRST = 0.8, 0.5
"""Probability of the last sinc filter; probability that the last resizing comes before JPEG, not after it."""
GAUSSIAN, GREY = 0.5, 0.4
"""Probability of Gaussian noise, else Poisson noise; probability that noise is the same in all three channels."""


@dataclass(frozen=True)
class RoundRanges:
    """What one of the two rounds of degradation draws from.

    Attributes:
        blur: probability of a blur.
        sigma: range of its deviations in pixels.
        resize: probabilities of a larger, a smaller, and the same size.
        factors: the smallest and the largest resize factor.
        noise: range of the deviation of Gaussian noise, out of 255.
        poisson: range of the factor of Poisson noise.
    """

    blur: float
    sigma: tuple[float, float]
    resize: tuple[float, float, float]
    factors: tuple[float, float]
    noise: tuple[float, float]
    poisson: tuple[float, float]


ROUND_RANGES = (
    RoundRanges(1.0, (0.2, 3.0), (0.2, 0.7, 0.1), (0.15, 1.5), (1.0, 30.0), (0.05, 3.0)),
    RoundRanges(0.8, (0.2, 1.5), (0.3, 0.4, 0.3), (0.3, 1.2), (1.0, 25.0), (0.05, 2.5)),
)


@dataclass(frozen=True)
class Round:
    """What was drawn for one round of degradation.

    Attributes:
        blur: None for no blur.
        factor: resize factor.
        mode: resize mode.
        noise: kind of noise.
        strength: strength of the noise: a deviation out of 255, or Poisson's factor.
        grey: whether the noise is the same in all three channels.
        quality: JPEG quality.
    """

    blur: Blur | None
    factor: float
    mode: Mode
    noise: Literal["gaussian", "poisson"]
    strength: float
    grey: bool
    quality: float


@dataclass(frozen=True)
class SecondOrderDraws:
    """What was drawn for a picture's second-order degradation, except the noise itself."""

    rounds: tuple[Round, Round]
    last_mode: Mode
    last_filter: Blur
    resize_before_jpeg: bool


def draw(rng: np.random.Generator) -> SecondOrderDraws:
    """Draw everything that happens to one picture."""
    first, second = (draw_round(ranges, rng) for ranges in ROUND_RANGES)
    return SecondOrderDraws(
        (first, second), draw_mode(rng), draw_sinc(rng, FINAL_SINC), bool(rng.random() < SINC_FIRST)
    )


def draw_round(ranges: RoundRanges, rng: np.random.Generator) -> Round:
    """Draw what happens in one round of degradation."""
    blur = draw_blur(rng, ranges.sigma, SINC) if rng.random() < ranges.blur else None
    change = rng.choice(3, p=ranges.resize)
    factor = (rng.uniform(1, ranges.factors[1]), rng.uniform(ranges.factors[0], 1), 1.0)[change]
    noise: Literal["gaussian", "poisson"] = "gaussian" if rng.random() < GAUSSIAN else "poisson"
    strength = rng.uniform(*(ranges.noise if noise == "gaussian" else ranges.poisson))
    return Round(blur, factor, draw_mode(rng), noise, strength, bool(rng.random() < GREY), rng.uniform(*JPEG))


def draw_mode(rng: np.random.Generator) -> Mode:
    """Draw one of torch's three ways of resizing."""
    return MODES[rng.integers(len(MODES))]


def applied(picture: Picture, scale: int, draws: SecondOrderDraws, rng: np.random.Generator) -> Picture:
    """Degrade a picture as drawn.

    Args:
        picture: (H, W, 3); H and W are multiples of the scale. The release sharpens it first (`steps.sharpened`).
        scale: factor by which the result is smaller.
        draws: what `draw` returned.
        rng: for the noise.

    Returns:
        (H / scale, W / scale, 3), with values that 8 bits can hold.
    """
    height, width = (side // scale for side in picture.shape[:2])
    first, second = draws.rounds
    x = noisy(blurred_and_resized(picture, picture.shape[:2], first), first, rng)
    x = compressed(x, first.quality)
    x = noisy(blurred_and_resized(x, (height, width), second), second, rng)
    if draws.resize_before_jpeg:
        x = filtered(resized(x, (height, width), draws.last_mode), draws.last_filter.kernel)
        return rounded(compressed(x, second.quality))
    x = compressed(x, second.quality)
    return rounded(filtered(resized(x, (height, width), draws.last_mode), draws.last_filter.kernel))


def blurred_and_resized(picture: Picture, base: tuple[int, ...], drawn: Round) -> Picture:
    """Apply the first half of a round; sizes are `base` times the factor, and at least 1."""
    x = picture if drawn.blur is None else filtered(picture, drawn.blur.kernel)
    height, width = (max(int(side * drawn.factor), 1) for side in base[:2])
    return resized(x, (height, width), drawn.mode)


def noisy(picture: Picture, drawn: Round, rng: np.random.Generator) -> Picture:
    """Add the noise of a round."""
    add = with_gaussian_noise if drawn.noise == "gaussian" else with_poisson_noise
    return add(picture, drawn.strength, drawn.grey, rng)


def degrade(picture: Picture, scale: int, rng: np.random.Generator) -> Picture:
    """Degrade a picture at random; shapes as for `applied`."""
    return applied(picture, scale, draw(rng), rng)
