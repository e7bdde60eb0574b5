"""What all frames of a file show: constant buffers, the histogram of angles."""

import numpy as np
import pytest

from gbuffer_tools.checks.frame import (
    ANGLE_BINS,
    MIN_CONSTANT_PIXELS,
    ShardStatistics,
    angle_at,
    constants,
    normal_angle,
    see_range,
)

CLASSES = ("sky", "road")


def seen(name: str, *frames: object, drawn: int = MIN_CONSTANT_PIXELS) -> ShardStatistics:
    found = ShardStatistics(drawn)
    for frame in frames:
        values = np.array(frame, np.float32)
        see_range(found, name, values if values.ndim == 2 else values[:, None])
    return found


@pytest.mark.parametrize(
    ("name", "frames", "normal", "line"),
    [
        ("depth", [[5, 5], [5]], False, "depth is 5 in every drawn pixel"),
        ("metallic", [[0, 0], [0]], True, "metallic is 0 in every drawn pixel"),
        ("metallic", [[1], [1]], False, "metallic is 1 in every drawn pixel"),
        ("specular", [[128 / 255]], True, "specular is 0.501961 in every drawn pixel"),
        ("occlusion", [[1, 1]], True, "occlusion is 1 in every drawn pixel"),
        ("occlusion", [[0, 0]], False, "occlusion is 0 in every drawn pixel"),
        ("x_wet", [[[3, 4]]], True, "x_wet is 3 4 in every drawn pixel"),
        ("albedo", [[[1, 0, 0]], [[0, 0, 0]]], False, "albedo, channel 1 and 2, is 0 0 in every drawn pixel"),
        ("emission", [[[1, 0, 0]], [[0, 0, 0]]], True, "emission, channel 1 and 2, is 0 0 in every drawn pixel"),
    ],
)
def test_one_value_everywhere(name, frames, normal, line):
    assert list(constants(seen(name, *frames), CLASSES)) == [(normal, line)]


def test_buffers_that_vary_and_small_files_say_nothing():
    assert list(constants(seen("depth", [5, 5], [5, 6]), CLASSES)) == []
    assert list(constants(seen("depth", [5, 5], drawn=MIN_CONSTANT_PIXELS - 1), CLASSES)) == []
    # A pixel that is no number is another finding; it does not hide that the others are all the same.
    assert len(list(constants(seen("depth", [5, np.nan], [np.nan]), CLASSES))) == 1


def test_one_class_everywhere_is_noted():
    found = ShardStatistics(MIN_CONSTANT_PIXELS, classes=(1, 1))
    assert list(constants(found, CLASSES)) == [(True, "ids/class is 'road' in every drawn pixel")]
    for other, classes in (((0, 1), CLASSES), ((0, 0), ("all",)), ((7, 7), CLASSES)):
        assert list(constants(ShardStatistics(MIN_CONSTANT_PIXELS, classes=other), classes)) == []


def test_angles_by_fraction():
    angles = np.random.default_rng(0).uniform(0, 40, 100_001)
    counts = np.histogram(angles, ANGLE_BINS, (0, 180))[0]
    assert angle_at(counts, 0.5) == pytest.approx(np.median(angles), abs=0.1)
    assert angle_at(counts, 0.9) == pytest.approx(np.percentile(angles, 90), abs=0.1)


def test_no_normals_no_angle():
    assert normal_angle(ShardStatistics()) is None
