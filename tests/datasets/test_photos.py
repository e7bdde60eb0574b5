"""Photographs at the height of the frames."""

from pathlib import Path

import numpy as np
import pytest

from datasets.images import write_png
from datasets.photos import Photos, to_height


def test_halving_is_the_mean_of_four() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    found = to_height(image, 20)
    means = image.reshape(20, 2, 30, 2, 3).mean(axis=(1, 3))
    assert found.shape == (20, 30, 3)
    assert np.abs(found - means).max() <= 0.5 + 1e-6  # rounding


@pytest.mark.parametrize("height", [40, 41, 400])
def test_never_enlarges(height: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    assert np.array_equal(to_height(image, height), image)


def test_keeps_the_aspect() -> None:
    assert to_height(np.zeros((270, 481, 3), np.uint8), 90).shape == (90, 160, 3)
    assert to_height(np.zeros((300, 1, 3), np.uint8), 3).shape == (3, 1, 3)


def test_a_folder(tmp_path: Path) -> None:
    write_png(tmp_path / "a" / "x.png", np.full((40, 60, 3), 9, np.uint8))
    write_png(tmp_path / "b.png", np.full((10, 60, 3), 7, np.uint8))
    photos = Photos(tmp_path, 20)
    assert photos.keys == ("a/x", "b")
    assert [photos[i].shape for i in range(len(photos))] == [(20, 30, 3), (10, 60, 3)]
    assert photos[0].max() == photos[0].min() == 9
