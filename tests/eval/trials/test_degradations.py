"""Degradations against closed forms, and that each grows with its strength."""

import numpy as np
import pytest

from eval.metrics.spectrum import LUMA
from eval.trials.degradations import DEGRADATIONS
from tests.eval.made.scenes import scene

KINDS = {kind.name: kind for kind in DEGRADATIONS}


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def wave(cycles: int, height: float = 40) -> np.ndarray:
    """A grey wave along the rows of a picture (64, 256, 3)."""
    row = 128 + height * np.sin(2 * np.pi * cycles * np.arange(256) / 256)
    return np.broadcast_to(np.rint(row)[None, :, None], (64, 256, 3)).astype(np.uint8)


def amplitude(picture: np.ndarray) -> float:
    return float(picture[20:40, 64:192].astype(float).std())


@pytest.mark.parametrize("kind", DEGRADATIONS, ids=lambda kind: kind.name)
def test_every_step_changes_more_than_the_one_before(kind) -> None:
    picture, _ = scene(rng())
    assert len(kind.strengths) >= 5
    assert list(kind.strengths) == sorted(kind.strengths)
    found = [kind(picture, strength, rng()) for strength in kind.strengths]
    errors = [np.square(x.astype(float) - picture).mean() for x in found]
    assert errors[0] > 0
    assert (np.diff(errors) > 0).all()
    assert all(x.dtype == np.uint8 and x.shape == picture.shape for x in found)
    assert np.array_equal(found[2], kind(picture, kind.strengths[2], rng()))


def test_blur_and_sharpening_scale_a_wave_by_their_transfer_functions() -> None:
    f = 16 / 256
    gain = np.exp(-2 * (np.pi * 1.0 * f) ** 2)
    before = amplitude(wave(16))
    # 2 %: rounding to 8 bits, and a sampled Gaussian.
    assert amplitude(KINDS["blur"](wave(16), 1.0, rng())) / before == pytest.approx(gain, rel=0.02)
    assert amplitude(KINDS["sharpen"](wave(16), 1.5, rng())) / before == pytest.approx(1 + 1.5 * (1 - gain), rel=0.02)


def test_noise_has_its_deviation() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    assert KINDS["noise"](grey, 8, rng()).astype(float).std() == pytest.approx(8, rel=0.02)


def test_quantised_channels_have_so_many_levels() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    for bits, levels in ((2, 64), (5, 8), (6, 4)):
        found = KINDS["quantise"](ramp, bits, rng())
        assert len(np.unique(found)) == levels
        assert found.min() == 0
        assert found.max() == 255
        assert np.abs(found.astype(int) - ramp).max() <= 255 / (levels - 1) / 2 + 1


def test_saturation_keeps_luma_and_grey() -> None:
    picture = np.array([[[120, 100, 90], [80, 80, 80]]], np.uint8)
    found = KINDS["saturate"](picture, 0.5, rng()).astype(float)
    # Half a level of rounding in each channel.
    assert found @ LUMA == pytest.approx(picture @ LUMA, abs=0.51)
    assert np.array_equal(found[0, 1], [80, 80, 80])
    assert found[0, 0, 0] - found[0, 0, 2] == pytest.approx(1.5 * 30, abs=1)


def test_contrast_keeps_the_mean_and_scales_the_rest() -> None:
    found = KINDS["contrast"](wave(8), 0.5, rng())
    assert found.mean() == pytest.approx(wave(8).mean(), abs=0.6)
    assert amplitude(found) / amplitude(wave(8)) == pytest.approx(1.5, rel=0.02)


def test_jpeg_loses_more_at_lower_quality_and_keeps_an_even_colour() -> None:
    even = np.broadcast_to(np.array([200, 90, 40], np.uint8), (32, 32, 3))
    # Red stays red: channels are in order. 4 levels: chroma is coded in whole steps.
    assert np.abs(KINDS["jpeg"](even, 10, rng()).astype(int) - even).max() <= 4


def test_resampling_keeps_even_pictures() -> None:
    even = np.full((40, 60, 3), 77, np.uint8)
    assert np.array_equal(KINDS["resample"](even, 3.0, rng()), even)
