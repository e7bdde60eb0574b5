"""NIQE against published numbers (with the fetched model), and what must hold whatever the model."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.numpy import save_file
from skimage import data

from eval.metrics.niqe import FEATURES, Pristine, cut, halved, niqe, read_pristine
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.cache import cache_folder

FETCHED = cache_folder() / "niqe.safetensors"
RNG = np.random.default_rng(0)
MADE = Pristine(RNG.normal(size=FEATURES), np.eye(FEATURES))


def scene(size: tuple[int, int] = (200, 310)) -> np.ndarray:
    noise = np.random.default_rng(1).normal(size=(*size, 3))
    return np.clip(127 + 60 * cv2.GaussianBlur(noise, (0, 0), 1.5) * 4, 0, 255).astype(np.uint8)


@pytest.mark.weights
@pytest.mark.skipif(not FETCHED.exists(), reason="the model of pristine pictures is not fetched")
def test_published_values() -> None:
    """BasicSR's own code gave these (basicsr 1.4.2) for this picture, its blurred and its noisy version."""
    clean = data.astronaut()
    noise = np.random.default_rng(0).normal(0, 20, clean.shape)[..., ::-1]  # drawn for blue, green, red
    blurred = cv2.GaussianBlur(clean.astype(np.float32), (0, 0), 2)
    noisy = np.clip(clean + noise, 0, 255)
    found = [niqe(picture, read_pristine(FETCHED)) for picture in (clean, blurred, noisy)]
    assert found == pytest.approx([3.0649, 7.2917, 9.0716], abs=1e-3)


def test_halving_keeps_what_is_even_and_linear() -> None:
    rows, columns = np.mgrid[:24, :36].astype(np.float32)
    assert np.abs(halved(np.full((24, 36), 0.25, np.float32)) - 0.25).max() < 1e-6
    # A pixel of the half lies between two: the mean of a slope there. The border is mirrored, 2 pixels deep.
    wanted = (2 * rows + 3 * columns)[:12, :18] * 2 + 2.5
    assert np.abs(halved(2 * rows + 3 * columns) - wanted)[2:-2, 2:-2].max() < 1e-4


def test_blocks_are_cut_in_rows() -> None:
    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    assert cut(x, 2)[:3].tolist() == [[[0, 1], [6, 7]], [[2, 3], [8, 9]], [[4, 5], [10, 11]]]


def test_only_whole_blocks_count() -> None:
    picture = scene()
    changed = picture.copy()
    changed[192:], changed[:, 288:] = 0, 255
    assert niqe(changed, MADE) == niqe(picture, MADE)
    changed[:96] = 255 - changed[:96]
    assert niqe(changed, MADE) != niqe(picture, MADE)


def test_even_blocks_are_left_out() -> None:
    picture = scene()
    picture[:96, :96] = 80
    assert np.isfinite(niqe(picture, MADE))


def test_pictures_of_which_nothing_can_be_said() -> None:
    for picture, words in ((scene((95, 400)), "two blocks of 96x96"), (np.full((192, 192, 3), 9, np.uint8), "even")):
        with pytest.raises(ValueError, match=words):
            niqe(picture, MADE)


def test_files_that_are_no_model(tmp_path: Path) -> None:
    save_file({"mean": np.zeros(36)}, tmp_path / "half.safetensors")
    (tmp_path / "text.safetensors").write_text("no")
    for name in ("half", "text", "none"):
        with pytest.raises(InputError, match=f"{name}.safetensors: .*fetch it"):
            read_pristine(tmp_path / f"{name}.safetensors")
