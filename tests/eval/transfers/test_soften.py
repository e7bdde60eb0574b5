import numpy as np
import pytest

from eval.transfers.soften import BLUR, CONTRAST, LIFT, NOISE, soften


def test_moments_on_one_grey():
    moved = soften(np.full((200, 200, 3), 100, np.uint8), "a", 0).astype(float)
    # 120,000 values of deviation 4: their mean is known to 0.012, their deviation to 0.008; rounding adds 1/12.
    assert moved.mean() == pytest.approx(CONTRAST * 100 + LIFT, abs=0.05)
    assert moved.std() == pytest.approx(np.sqrt(NOISE**2 + 1 / 12), abs=0.04)


def test_a_step_becomes_the_integral_of_the_gaussian():
    image = np.zeros((400, 40, 3), np.uint8)
    image[:, 20:] = 200
    rows = soften(image, "a", 0).astype(float).mean(axis=(0, 2))
    # Pixels are where the kernel is sampled: weights exp(-x² / 2σ²), normalised.
    taps = np.exp(-(np.arange(-10, 11) ** 2) / (2 * BLUR**2))
    step = np.convolve(np.where(np.arange(60) < 30, 0.0, 200.0), taps / taps.sum(), "same")[10:50]
    # Means over 1,200 values of deviation 4 are known to 0.12; black is clipped at 0 nowhere, LIFT keeps it off.
    assert rows == pytest.approx(CONTRAST * step + LIFT, abs=0.7)


def test_noise_depends_on_key_and_seed_alone():
    image = np.full((8, 8, 3), 90, np.uint8)
    assert np.array_equal(soften(image, "a", 1), soften(image, "a", 1))
    assert not np.array_equal(soften(image, "a", 1), soften(image, "b", 1))
    assert not np.array_equal(soften(image, "a", 1), soften(image, "a", 2))
