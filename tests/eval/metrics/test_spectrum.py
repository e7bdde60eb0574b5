"""Spectra against closed forms: white noise, a power law, a known blur; labels; signs."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from eval.metrics.spectrum import (
    CENTRES,
    HIGH,
    RINGS,
    ROUNDING,
    SIDE,
    class_fractions,
    class_spectra,
    distance,
    high_excess,
    luma,
    patch_spectra,
    spectrum,
)

SOUND = slice(3, None)
"""Bands in which a few hundred patches have logarithms of many frequencies."""


def noise(seed: int = 0, side: int = 512) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, (side, side))


def test_bands_are_rings_of_half_an_octave() -> None:
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE), indexing="ij")).ravel()
    for centre, places in zip(CENTRES, RINGS, strict=True):
        assert (f[places] >= centre * 2**-0.25 - 1e-9).all()
        assert (f[places] <= min(0.5, centre * 2**0.25) + 1e-9).all()
    joined = np.concatenate(RINGS)
    assert len(set(joined)) == len(joined)
    assert set(np.flatnonzero((f > 0) & (f <= 0.5))) == set(joined)
    assert (f[np.concatenate([RINGS[k] for k in np.flatnonzero(HIGH)])] > 0.29).all()


def test_white_noise_is_flat_and_has_its_variance() -> None:
    found = patch_spectra(noise()).mean(0)
    # The bands hold 76 frequencies and more; logarithms of means over fewer lie lower.
    assert np.allclose(found[5:], 10 * np.log10(0.01 + ROUNDING), atol=0.3)


@pytest.mark.parametrize("slope", [1.0, 2.0])
def test_the_slope_of_a_power_law_is_recovered(slope: float) -> None:
    side = 1024
    f = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    f[0, 0] = 1
    shaped = np.fft.irfft2(np.fft.rfft2(noise(1, side)) * f ** (-slope / 2), s=(side, side))
    found = patch_spectra(shaped).mean(0)
    fitted = np.polyfit(np.log10(CENTRES[4:10]), found[4:10], 1)[0] / 10
    # 3 %: a ring's mean frequency is not quite its middle.
    assert fitted == pytest.approx(-slope, rel=0.03)


def test_blur_lowers_the_spectrum_by_its_transfer_function() -> None:
    light, sigma = noise(2), 0.8
    before, after = patch_spectra(light).mean(0), patch_spectra(gaussian_filter(light, sigma, truncate=8)).mean(0)
    # Of the sampled Gaussian; that of the continuous one, exp(-2 (pi sigma f)^2), is less than half as high at f = 1/2.
    places = np.arange(-7, 8)
    kernel = np.exp(-(places**2) / (2 * sigma**2))
    along = np.cos(2 * np.pi * np.outer(np.fft.fftfreq(SIDE), places)) @ kernel / kernel.sum()
    gain = np.outer(along, along).ravel() ** 2
    wanted = [10 * np.log10((0.01 * gain[places]).mean() + ROUNDING) for places in RINGS]
    # 0.3 dB: the window smears power over neighbouring frequencies.
    assert np.allclose((after - before)[SOUND], (np.array(wanted) - 10 * np.log10(0.01 + ROUNDING))[SOUND], atol=0.3)


def test_the_sign_says_sharper_or_softer() -> None:
    light = gaussian_filter(noise(3), 1)
    own = patch_spectra(light).mean(0)
    soft = patch_spectra(gaussian_filter(light, 0.7)).mean(0) - own
    sharp = patch_spectra(light + (light - gaussian_filter(light, 1))).mean(0) - own
    assert high_excess(soft) < -3
    assert high_excess(sharp) > 3
    assert high_excess(own - own) == 0


def test_the_root_keeps_the_sign() -> None:
    assert np.allclose(distance(np.array([9.0, 0.0, -4.0])), [3, 0, -2])


def test_excess_of_known_differences() -> None:
    difference = np.zeros((2, len(CENTRES)))
    difference[0, HIGH] = 4.0
    difference[1] = -3.0
    assert np.allclose(high_excess(difference), [4, -3])


def test_an_even_picture_has_the_power_of_rounding() -> None:
    assert np.allclose(spectrum(np.full((70, 90, 3), 40, np.uint8)), 10 * np.log10(ROUNDING), atol=1e-6)


def test_rounding_to_8_bits_is_what_it_is_taken_for() -> None:
    light = 0.5 + gaussian_filter(noise(4), 3) * 3
    rounded = np.round(light * 255) / 255
    assert np.mean((rounded - light) ** 2) == pytest.approx(ROUNDING, rel=0.02)


def test_grey_is_its_own_luma() -> None:
    assert np.allclose(luma(np.full((2, 3, 3), 51, np.uint8)), 0.2)


def test_patches_belong_to_the_class_that_covers_them() -> None:
    labels = np.zeros((8, 16), np.uint8)
    labels[:, 8:] = 1
    fractions = class_fractions(labels, (64, 128), 3)
    # Patches begin at columns 0, 32, 64.
    assert np.allclose(fractions, [[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0]])
    labels[:, 8] = 0  # the middle patch now shows more of class 0
    picture = np.zeros((64, 128, 3), np.uint8)
    picture[:, 64:] = np.random.default_rng(0).integers(0, 256, (64, 64, 1))
    sums, counts = class_spectra(picture, labels, 3)
    assert counts.tolist() == [2, 1, 0]
    patches = patch_spectra(luma(picture))
    assert np.allclose(sums, [patches[0] + patches[1], patches[2], np.zeros(len(CENTRES))])


def test_a_picture_smaller_than_a_patch_has_no_spectrum() -> None:
    with pytest.raises(ValueError, match="80x63 pixels, wanted 64 or more"):
        spectrum(np.zeros((63, 80, 3), np.uint8))
