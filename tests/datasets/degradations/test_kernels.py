"""Blur kernels: what they sum to, their closed forms, how often each is drawn and from which range."""

import math
from collections import Counter

import numpy as np
import pytest

from datasets.degradations.kernels import (
    PROBABILITIES,
    SIDES,
    Blur,
    draw_beta,
    draw_blur,
    draw_sinc,
    gaussian,
    plateau,
    quadratic_form,
    sinc,
)
from tests.datasets.degradations.made import DRAWS, near, rng


@pytest.fixture(scope="module")
def blurs() -> list[Blur]:
    generator = rng()
    return [draw_blur(generator, (0.2, 3.0), 0.1) for _ in range(DRAWS)]


def test_all_kernels_sum_to_1_and_do_not_shift(blurs: list[Blur]) -> None:
    for blur in blurs[:2000]:
        side = blur.kernel.shape[0]
        assert blur.kernel.shape == (side, side)
        assert side in SIDES
        assert blur.kernel.sum() == pytest.approx(1, abs=1e-12)
        assert np.allclose(blur.kernel, blur.kernel[::-1, ::-1], atol=1e-15)


def test_kinds_and_sides_are_as_frequent_as_published(blurs: list[Blur]) -> None:
    kinds, sides = Counter(blur.kind for blur in blurs), Counter(len(blur.kernel) for blur in blurs)
    assert near(kinds["sinc"], 0.1)
    assert all(near(kinds[kind], 0.9 * probability) for kind, probability in PROBABILITIES.items())
    assert all(near(sides[side], 1 / 8) for side in SIDES)
    assert sum(PROBABILITIES.values()) == pytest.approx(1)


def test_a_gaussian_has_its_covariance() -> None:
    angle, sigma = 0.5, (1.0, 2.0)
    kernel = gaussian(21, sigma, angle)
    axis = np.arange(21) - 10
    xx, yy, xy = (kernel * m for m in (axis[None] ** 2, axis[:, None] ** 2, axis[None] * axis[:, None]))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wanted = turn @ np.diag(np.square(sigma)) @ turn.T
    # 0.01: the kernel ends at five deviations, and is sampled.
    assert np.allclose([[xx.sum(), xy.sum()], [xy.sum(), yy.sum()]], wanted, atol=0.01)


def test_shapes_at_beta_1_and_closed_forms_beside() -> None:
    form = quadratic_form(9, (1.5, 0.7), 0.3)
    for made, closed in (
        (gaussian(9, (1.5, 0.7), 0.3, 2.5), np.exp(-0.5 * form**2.5)),
        (plateau(9, (1.5, 0.7), 0.3, 1.7), 1 / (1 + form**1.7)),
    ):
        assert np.allclose(made, closed / closed.sum(), atol=1e-15)


def test_a_sinc_filter_passes_what_is_below_its_cutoff() -> None:
    kernel = sinc(101, 1.5)
    response = np.abs(np.fft.fft2(np.fft.ifftshift(kernel)))[0]
    frequency = 2 * np.pi * np.arange(101) / 101
    # Far from the cutoff; at it a finite filter rings.
    assert np.allclose(response[frequency < 1.1], 1, atol=0.1)
    assert np.allclose(response[(frequency > 1.9) & (frequency < np.pi)], 0, atol=0.1)


def fills(values: list[float], low: float, high: float) -> bool:
    """Whether all values lie in a range, and both ends are reached within a fiftieth of it."""
    near_ends = (high - low) / 50
    return low <= min(values) < low + near_ends and high - near_ends < max(values) <= high


def test_deviations_angles_and_cutoffs_fill_the_published_ranges(blurs: list[Blur]) -> None:
    shaped = [blur for blur in blurs if blur.kind != "sinc"]
    assert fills([blur.sigma[0] for blur in shaped], 0.2, 3.0)
    two = [blur for blur in shaped if blur.kind.endswith("aniso")]
    assert fills([blur.sigma[1] for blur in two], 0.2, 3.0)
    assert fills([blur.angle for blur in two], -math.pi, math.pi)
    # Drawn one by one: uncorrelated but for chance, 4 deviations of 1 / sqrt(n).
    assert abs(np.corrcoef([blur.sigma for blur in two], rowvar=False)[0, 1]) < 4 / math.sqrt(len(two))
    assert all(blur.sigma[0] == blur.sigma[1] and blur.angle == 0 for blur in shaped if not blur.kind.endswith("aniso"))
    for shape, (low, high) in (("generalized", (0.5, 4.0)), ("plateau", (1.0, 2.0))):
        assert fills([blur.beta for blur in shaped if blur.kind.startswith(shape)], low, high)
    assert all(blur.beta == 1 for blur in shaped if blur.kind in ("iso", "aniso"))
    for small, lowest in ((True, math.pi / 3), (False, math.pi / 5)):
        cutoffs = [blur.cutoff for blur in blurs if blur.kind == "sinc" and (len(blur.kernel) < 13) == small]
        assert fills(cutoffs, lowest, math.pi)


def test_a_kernel_is_what_was_drawn(blurs: list[Blur]) -> None:
    for blur in blurs[:200]:
        side = len(blur.kernel)
        if blur.kind == "sinc":
            wanted = sinc(side, blur.cutoff)
        else:
            shape = plateau if blur.kind.startswith("plateau") else gaussian
            wanted = shape(side, blur.sigma, blur.angle, blur.beta)
        assert np.array_equal(blur.kernel, wanted)


def test_a_sinc_filter_next_to_its_middle() -> None:
    assert sinc(21, 1.0)[10, 10] / sinc(21, 1.0)[10, 11] == pytest.approx(
        (1 / (4 * math.pi)) / (0.4400505857449335 / (2 * math.pi))  # J1(1) by DLMF 10.2.2, to 16 digits
    )


def test_exponents_are_below_1_as_often_as_above() -> None:
    generator = rng()
    drawn = np.array([draw_beta(generator, (0.5, 4.0)) for _ in range(DRAWS)])
    assert 0.5 <= drawn.min() < 0.51
    assert 3.98 < drawn.max() <= 4
    assert near(int((drawn < 1).sum()), 0.5)
    of_plateaus = np.array([draw_beta(generator, (1.0, 2.0)) for _ in range(DRAWS)])
    assert near(int((of_plateaus == 1).sum()), 0.5)


def test_the_last_filter_is_a_sinc_filter_or_nothing() -> None:
    generator = rng()
    drawn = [draw_sinc(generator, 0.8) for _ in range(DRAWS)]
    kinds = Counter(blur.kind for blur in drawn)
    assert near(kinds["sinc"], 0.8)
    assert set(kinds) == {"sinc", "none"}
    assert fills([blur.cutoff for blur in drawn if blur.kind == "sinc"], math.pi / 3, math.pi)
