"""Iterative distribution transfer (IDT) of the whole colour distribution.

Pitie, Kokaram, Dahyot, "Automated Colour Grading Using Colour Distribution Transfer", CVIU 107, 2007, algorithm 1: turn
the colours by a random rotation, match the distribution along each axis, turn back, and repeat. It is fitted to samples
of whole sets and applied as a chain of maps, so one chain serves all pictures. Their regraining of the pictures
afterwards is left out: it brings back the source's gradients and blurs what is judged here.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]

SAMPLES = 200_000
ITERATIONS = 20
# Quantiles per axis: steps of the distribution that a map follows.
STEPS = 400
MIN_STEP = 1e-300
"""The smallest step between two quantiles that can be divided by: the slope of a smaller one may be infinite."""


@dataclass(frozen=True)
class IdtIteration:
    """One iteration of the transfer: a rotation, and the maps along its axes.

    Attributes:
        rotation: (3, 3), rows are axes.
        ours, theirs: (3, STEPS + 1) quantiles along each axis, before and after.
    """

    rotation: Array
    ours: Array
    theirs: Array

    def __call__(self, colours: Array) -> Array:
        """Move colours (N, 3) along the three axes: (N, 3)."""
        along = colours @ self.rotation.T
        moved = [moved_along(along[:, i], self.ours[i], self.theirs[i]) for i in range(3)]
        return np.stack(moved, axis=1) @ self.rotation


def moved_along(values: Array, ours: Array, theirs: Array) -> Array:
    """Values (N,) moved as quantiles move: linearly between two of them, and beyond the outermost ones as far as these.

    Args:
        values: (N,) to be moved.
        ours, theirs: (Q,) quantiles before and after, in ascending order. Equal ones of `ours` (a colour that many
            pixels have), or ones no further apart than `MIN_STEP`, go to the mean of theirs. Where all of them are
            equal, all values are shifted alike.
    """
    starts = np.diff(ours, prepend=-np.inf) > MIN_STEP
    knots, which = ours[starts], np.cumsum(starts) - 1
    means = np.bincount(which, theirs) / np.bincount(which)
    inside = np.clip(values, knots[0], knots[-1])
    moved: Array = np.interp(inside, knots, means) + values - inside
    return moved


def sample(images: Collection[Pixels], seed: int) -> Array:
    """Draw about `SAMPLES` pixels, equally many from each picture: (N, 3) RGB in [0, 1].

    Raises:
        ValueError: no pictures.
    """
    if not len(images):
        raise ValueError("no pictures to take statistics of")
    rng, each = np.random.default_rng(seed), -(-SAMPLES // len(images))
    # One picture in memory at a time.
    drawn = [rng.choice(image.reshape(-1, 3), each) for image in images]
    return np.concatenate(drawn) / 255.0


def fit(source: Array, target: Array, seed: int) -> list[IdtIteration]:
    """The chain of maps that takes one distribution to the other.

    Args:
        source, target: colours (N, 3) and (M, 3).
        seed: seed for the rotations.
    """
    rng, levels = np.random.default_rng(seed), np.linspace(0, 1, STEPS + 1)
    chain = []
    for _ in range(ITERATIONS):
        rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0].T
        ours, theirs = (np.quantile(x @ rotation.T, levels, axis=0).T for x in (source, target))
        chain.append(IdtIteration(rotation, ours, theirs))
        source = chain[-1](source)
    return chain


def transfer(image: Pixels, chain: list[IdtIteration]) -> Array:
    """Map a picture of the source set, (H, W, 3) uint8, to (H, W, 3) RGB in [0, 1], not clipped."""
    colours = image.reshape(-1, 3) / 255.0
    for iteration in chain:
        colours = iteration(colours)
    return colours.reshape(image.shape)
