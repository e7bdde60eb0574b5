"""What tests of degradations share: a dot whose place can be measured, seeds, and bounds on counts of draws."""

import math

import numpy as np

DRAWS = 20_000


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def near(count: int, probability: float, draws: int = DRAWS) -> bool:
    """Whether a count is within five standard deviations of its expectation; seeds are fixed, so it stays so."""
    return abs(count - draws * probability) <= 5 * math.sqrt(draws * probability * (1 - probability))


BACKGROUND = 128 / 255  # which 8 bits can hold


def dot(size: tuple[int, int] = (97, 128), at: tuple[float, float] = (0.45, 0.55), sigma: float = 9.0) -> np.ndarray:
    """A soft dot at a fraction of the sides, on grey."""
    y, x = ((np.arange(side) + 0.5 - part * side) for side, part in zip(size, at, strict=True))
    blob = np.exp(-(y[:, None] ** 2 + x**2) / (2 * sigma**2))
    return np.repeat(BACKGROUND + 0.4 * blob[..., None], 3, axis=2).astype(np.float32)


def centre(picture: np.ndarray, background: float = BACKGROUND) -> tuple[float, float]:
    """Where the dot is, as fractions of the sides."""
    mass = picture.astype(np.float64).mean(-1) - background
    return tuple(
        float((mass.sum(1 - axis) * (np.arange(side) + 0.5)).sum() / mass.sum() / side)
        for axis, side in enumerate(mass.shape)
    )
