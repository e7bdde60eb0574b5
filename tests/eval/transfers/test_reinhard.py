import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.transfers.reinhard import AXES, LMS, moments, to_lab, to_rgb, transfer


def picture(seed, low=0, high=256):
    return np.random.default_rng(seed).integers(low, high, (12, 10, 3), dtype=np.uint8)


def test_axes_are_orthonormal():
    assert pytest.approx(np.eye(3), abs=1e-15) == AXES @ AXES.T


def test_grey_has_no_colour():
    # White has equal responses, up to what the printed matrix leaves: its last row sums to 0.9973.
    assert LMS.sum(axis=1) == pytest.approx(np.ones(3), abs=3e-3)
    lab = to_lab(np.full((1, 3), 0.5))[0]
    assert lab[0] == pytest.approx(np.sqrt(3) * np.log10(0.5), abs=3e-3)
    assert lab[1:] == pytest.approx([0, 0], abs=3e-3)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 255), min_size=3, max_size=3))
def test_every_8_bit_colour_comes_back(colour):
    # Dark saturated colours meet the floor of the logarithm; they too round back to within one step.
    back = np.round(to_rgb(to_lab(np.array(colour) / 255.0)) * 255)
    assert np.abs(back - colour).max() <= (1 if min(LMS @ np.array(colour)) < 0.25 else 0)


def test_moments_agree_with_all_pixels_at_once():
    images = [picture(0), picture(1, 100, 140)]
    lab = to_lab(np.concatenate([image.reshape(-1, 3) for image in images]) / 255.0)
    found = moments(images)
    # 1e-12: float64 over 240 pixels.
    assert found.mean == pytest.approx(lab.mean(axis=0), rel=1e-12)
    assert found.std == pytest.approx(lab.std(axis=0), rel=1e-12)


def test_output_has_the_targets_moments_before_clipping():
    source, target = [picture(2, 20, 200), picture(3, 60, 255)], [picture(4, 90, 160)]
    ours, theirs = moments(source), moments(target)
    moved = np.concatenate([transfer(image, ours, theirs).reshape(-1, 3) for image in source])
    lab = to_lab(moved)
    # 1e-9: a matrix and its numerical inverse (condition about 40) in float64, and a logarithm of a power.
    assert lab.mean(axis=0) == pytest.approx(theirs.mean, rel=1e-9, abs=1e-9)
    assert lab.std(axis=0) == pytest.approx(theirs.std, rel=1e-9, abs=1e-9)


def test_same_statistics_change_nothing():
    image = picture(5, 1)
    own = moments([image])
    assert np.array_equal(np.round(transfer(image, own, own) * 255), image)


def test_one_colour_is_only_shifted():
    flat, target = np.full((4, 4, 3), 80, np.uint8), [picture(6, 100, 200)]
    moved = transfer(flat, moments([flat]), moments(target))
    assert to_lab(moved).reshape(-1, 3) == pytest.approx(np.tile(moments(target).mean, (16, 1)), abs=1e-9)


def test_greys_are_only_shifted_in_colour():
    # Two tones of grey differ in brightness; what alpha and beta have of spread is rounding.
    grey = np.full((8, 8, 3), 60, np.uint8)
    grey[4:] = 200
    ours, theirs = moments([grey]), moments([picture(6, 100, 200)])
    assert 0 < ours.std[1:].max() < 1e-12
    moved = to_lab(transfer(grey, ours, theirs))
    assert moved[..., 1:] == pytest.approx(np.broadcast_to(theirs.mean[1:], (8, 8, 2)), abs=1e-9)


def test_no_pictures():
    with pytest.raises(ValueError, match="no pictures"):
        moments([])
