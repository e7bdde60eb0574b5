"""Intersection over union against closed forms, and against an implementation that walks over pixels."""

import math

import numpy as np
import pytest

from eval.metrics.iou import NONE, accuracy, confusion, counts, iou, mean_iou


def maps(seed: int, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Truth and found (9, 11), where they agree in half of the pixels, with pixels of no class on both sides."""
    rng = np.random.default_rng(seed)
    truth, other = (rng.integers(NONE, classes, (9, 11)) for _ in range(2))
    return truth, np.where(rng.random((9, 11)) < 0.5, truth, other)


def walked(truth: np.ndarray, found: np.ndarray, classes: int) -> tuple[list[float], float, float]:
    """IoU per class, their mean over the truth's classes, accuracy: by sets of pixels."""
    pixels = [place for place, label in np.ndenumerate(truth) if label != NONE]
    values, present = [], []
    for label in range(classes):
        a = {place for place in pixels if truth[place] == label}
        b = {place for place in pixels if found[place] == label}
        values.append(len(a & b) / len(a | b) if a | b else math.nan)
        present += [values[-1]] if a else []
    return values, sum(present) / len(present), sum(truth[p] == found[p] for p in pixels) / len(pixels)


@pytest.mark.parametrize("seed", range(4))
def test_against_sets_of_pixels(seed: int) -> None:
    truth, found = maps(seed)
    values, mean, right = walked(truth, found, 5)  # class 4 is in neither
    got = counts(confusion(truth, found, 5))
    assert iou(got) == pytest.approx(values, nan_ok=True)
    assert math.isnan(iou(got)[4])
    assert mean_iou(got) == pytest.approx(mean)
    assert accuracy(got) == pytest.approx(right)


def test_pictures_add_up_and_may_be_resampled() -> None:
    pairs = [maps(seed) for seed in range(3)]
    stacked = counts(np.stack([confusion(*pair, 4) for pair in pairs]))
    together = counts(confusion(*(np.concatenate(side) for side in zip(*pairs, strict=True)), 4))
    drawn = stacked.weighted(np.array([[1.0, 1, 1], [3, 0, 0]]))
    for name in ("both", "either", "truth"):
        assert np.array_equal(getattr(drawn, name)[0], getattr(together, name))
        assert getattr(stacked, name).dtype == np.int64
    assert mean_iou(drawn) == pytest.approx([float(mean_iou(together)), mean_iou(stacked)[0]])


def test_closed_forms() -> None:
    truth = np.zeros((10, 10), np.uint8)
    truth[:, 5:] = 1
    assert mean_iou(counts(confusion(truth, truth, 2))) == 1
    assert accuracy(counts(confusion(truth, 1 - truth, 2))) == 0
    # The border moved by two of ten columns: 30 of 50 pixels in both, 50 in either; 50 and 70.
    moved = np.roll(truth, -2, 1)
    moved[:, -2:] = 1
    got = counts(confusion(truth, moved, 2))
    assert iou(got).tolist() == [30 / 50, 50 / 70]
    assert accuracy(got) == 0.8
    assert confusion(truth, moved, 2).tolist() == [[30, 20, 0], [0, 50, 0]]


def test_what_has_no_class() -> None:
    truth, found = np.array([0, 0, 0, NONE]), np.array([0, NONE, 1, 1])
    got = counts(confusion(truth, found, 3))
    # Found as none or as another class is a miss; where the truth has none nothing counts.
    assert iou(got).tolist()[:2] == [1 / 3, 0]
    assert mean_iou(got) == 1 / 3  # class 1 is found once, but the truth has none of it
    nothing = counts(confusion(truth[3:], found[3:], 3))
    assert math.isnan(mean_iou(nothing))
    assert math.isnan(accuracy(nothing))


@pytest.mark.parametrize(("truth", "found"), [([0, 1], [0]), ([0, 3], [0, 0]), ([0, 0], [0, -2])])
def test_refused(truth: list[int], found: list[int]) -> None:
    with pytest.raises(ValueError, match="wanted"):
        confusion(np.array(truth), np.array(found), 3)
