"""Blur kernels of Real-ESRGAN: Gaussians, generalised Gaussians, plateaus, and sinc filters.

Wang et al., "Real-ESRGAN", ICCVW 2021, section 3.2, with the probabilities and ranges of its release. The generalised
Gaussian and the plateau are those of Liu et al., "Blind Image Super-Resolution", 2020.

Shapes: kernels are K x K, K odd. All kernels sum to 1.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import j1

Kernel = NDArray[np.float64]

SIDES = tuple(range(7, 22, 2))
"""Sides of kernels, equally likely."""
PROBABILITIES: Mapping[str, float] = {
    "iso": 0.45,
    "aniso": 0.25,
    "generalized_iso": 0.12,
    "generalized_aniso": 0.03,
    "plateau_iso": 0.12,
    "plateau_aniso": 0.03,
}
BETAS: Mapping[str, tuple[float, float]] = {"generalized": (0.5, 4.0), "plateau": (1.0, 2.0)}
"""Ranges of the shape's exponent. Half of the draws are below 1, and half above."""
SMALL = 13
"""Sinc filters with a smaller side have cutoffs from pi / 3, others from pi / 5."""


@dataclass(frozen=True)
class Blur:
    """A kernel, and how it was drawn.

    Attributes:
        kind: a key of `PROBABILITIES`, "sinc", or "none" for the kernel that changes nothing.
        kernel: (K, K).
        sigma, angle, beta: deviations along two axes in pixels, the first axis's direction in radians, and the shape's
            exponent; meaningless for sinc filters.
        cutoff: cutoff of a sinc filter, in radians per pixel.
    """

    kind: str
    kernel: Kernel
    sigma: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    beta: float = 1.0
    cutoff: float = math.pi


def quadratic_form(side: int, sigma: tuple[float, float], angle: float) -> Kernel:
    """x^T S^-1 x at every position of a kernel, S the covariance with deviations `sigma`, turned by `angle` radians."""
    axis = np.arange(side) - side // 2
    x, y = np.meshgrid(axis, axis)
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    return (along / sigma[0]) ** 2 + (across / sigma[1]) ** 2


def gaussian(side: int, sigma: tuple[float, float], angle: float = 0.0, beta: float = 1.0) -> Kernel:
    """A Gaussian; with a `beta` other than 1 a generalised one, exp(-0.5 (x^T S^-1 x)^beta)."""
    kernel = np.exp(-0.5 * quadratic_form(side, sigma, angle) ** beta)
    return kernel / kernel.sum()


def plateau(side: int, sigma: tuple[float, float], angle: float = 0.0, beta: float = 1.0) -> Kernel:
    """A plateau, 1 / (1 + (x^T S^-1 x)^beta)."""
    kernel = 1 / (1 + quadratic_form(side, sigma, angle) ** beta)
    return kernel / kernel.sum()


def sinc(side: int, cutoff: float) -> Kernel:
    """The circular low-pass filter with a cutoff in (0, pi] radians per pixel: w J1(w r) / (2 pi r), w^2 / (4 pi) at 0.

    It rings, like pictures that were sharpened or compressed.
    """
    axis = np.arange(side) - side // 2
    radius = np.hypot(axis[:, None], axis)
    radius[side // 2, side // 2] = 1  # its value is set below
    kernel = cutoff * j1(cutoff * radius) / (2 * math.pi * radius)
    kernel[side // 2, side // 2] = cutoff**2 / (4 * math.pi)
    return kernel / kernel.sum()


def draw_blur(rng: np.random.Generator, sigma: tuple[float, float], sinc_probability: float) -> Blur:
    """Draw the kernel of a random blur.

    Args:
        rng: the picture's own.
        sigma: range of deviations in pixels.
        sinc_probability: probability of a sinc filter.
    """
    side = int(rng.choice(SIDES))
    if rng.random() < sinc_probability:
        return sinc_blur(side, rng.uniform(math.pi / (3 if side < SMALL else 5), math.pi))
    kind = str(rng.choice(list(PROBABILITIES), p=list(PROBABILITIES.values())))
    shape, _, symmetry = kind.rpartition("_")
    first = rng.uniform(*sigma)
    second, angle = (first, 0.0) if symmetry == "iso" else (rng.uniform(*sigma), rng.uniform(-math.pi, math.pi))
    beta = draw_beta(rng, BETAS[shape]) if shape else 1.0
    kernel = (plateau if shape == "plateau" else gaussian)(side, (first, second), angle, beta)
    return Blur(kind, kernel, (first, second), angle, beta)


def sinc_blur(side: int, cutoff: float) -> Blur:
    """A sinc filter with its cutoff."""
    return Blur("sinc", sinc(side, cutoff), cutoff=cutoff)


def draw_beta(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """Draw an exponent: below 1 and above it with equal probability."""
    low, high = limits
    return float(rng.uniform(low, 1) if rng.random() < 0.5 else rng.uniform(1, high))


def draw_sinc(rng: np.random.Generator, probability: float) -> Blur:
    """Draw the last filter: a sinc filter with some probability, else none."""
    if rng.random() >= probability:
        return Blur("none", np.ones((1, 1)))
    return sinc_blur(int(rng.choice(SIDES)), rng.uniform(math.pi / 3, math.pi))
