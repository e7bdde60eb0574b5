"""Photographs at the height of the frames."""

from pathlib import Path

import numpy as np
import pytest

from datasets.images import write_png
from datasets.photos import CAMERA_SIGMA, PHOTO_FILTERS, PhotoFilter, Photos, to_height


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


@pytest.mark.parametrize("photo_filter", PHOTO_FILTERS)
def test_a_folder_is_shrunk_as_told(tmp_path: Path, photo_filter: PhotoFilter) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    write_png(tmp_path / "x.png", image)
    assert np.array_equal(Photos(tmp_path, 20, photo_filter)[0], to_height(image, 20, photo_filter))
    assert not np.array_equal(to_height(image, 20, "area"), to_height(image, 20, "camera"))


@pytest.mark.parametrize("cycles", [10, 20, 30])
def test_a_cameras_blur_has_the_transfer_function_that_is_stated(cycles: int) -> None:
    """A wave, shrunk four times by either filter: what is left of it differs by the Gaussian's contrast alone."""
    x = (np.arange(400) + 0.5) / 400
    wave = 127.5 + 100 * np.sin(2 * np.pi * cycles * x)
    image = np.repeat(np.repeat(np.rint(wave)[None, :, None], 200, 0), 3, 2).astype(np.uint8)
    area, camera = (to_height(image, 50, name)[:, 10:90].astype(float).std() for name in PHOTO_FILTERS)
    f = cycles / 100  # cycles per new pixel
    added = CAMERA_SIGMA * np.sqrt(15) / 4  # 16 - 1 of 16 parts of the variance: one has the photograph already
    # 2 %: rounding to 8 bits, and ends of a wave that is cut.
    assert camera / area == pytest.approx(np.exp(-2 * (np.pi * added * f) ** 2), rel=0.02)


def test_a_cameras_blur_is_nothing_where_nothing_is_shrunk() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    assert np.array_equal(to_height(image, 40, "camera"), image)
    shrunk = to_height(image, 39, "camera").astype(int)
    assert np.abs(shrunk - to_height(image, 39)).mean() < 6  # hardly more than area's
    assert to_height(np.full((80, 60, 3), 201, np.uint8), 20, "camera").min() == 201
