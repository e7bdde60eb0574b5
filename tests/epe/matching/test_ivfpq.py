"""Approximate search against the exact one, on vectors that cluster as features do."""

import numpy as np
import pytest

from epe.matching.ivfpq import MIN_CROPS, PhotoIndex, recall
from epe.matching.matching import nearest
from tests.epe.matching.made import rows


@pytest.fixture(scope="module")
def index() -> PhotoIndex:
    return PhotoIndex(*rows(MIN_CROPS + 2000, 1))


def test_recall_and_exact_cosines(index: PhotoIndex) -> None:
    frames, _ = rows(150, 2)
    photos, image = rows(MIN_CROPS + 2000, 1)
    found, cosines = index.nearest(frames, 5)
    exact, wanted = nearest(frames, photos, image, 5)
    assert found.shape == cosines.shape == (150, 5)
    finite = np.isfinite(cosines)
    every = frames @ photos.T
    np.testing.assert_allclose(cosines[finite], np.take_along_axis(every, found, axis=1)[finite], atol=1e-5)
    assert (cosines <= wanted + 1e-5).all()
    assert (np.diff(np.where(finite, cosines, -9), axis=1) <= 0).all()
    # Measured 0.74 of the five photographs, and 0.99 of the nearest; chance is 5 of 60 and 1 of 60.
    assert recall(image[found], image[exact]) > 0.65
    assert recall(image[found[:, :1]], image[exact[:, :1]]) > 0.95


def test_takes_each_photograph_once(index: PhotoIndex) -> None:
    frames, _ = rows(150, 3)
    found, cosines = index.nearest(frames, 10)
    for places, cosine in zip(found, cosines, strict=True):
        images = index.image[places[np.isfinite(cosine)]]
        assert len(images) > 0
        assert len(np.unique(images)) == len(images)


def test_too_few_to_learn_from() -> None:
    with pytest.raises(ValueError, match="wanted 9,984 crops or more"):
        PhotoIndex(*rows(MIN_CROPS - 1, 1))


def test_recall_counts_shares() -> None:
    assert recall(np.array([[1, 2], [3, 4]]), np.array([[2, 1], [3, 5]])) == 0.75
