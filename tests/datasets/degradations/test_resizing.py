"""Resizing: nothing moves, constants and ramps stay, and integer factors agree with torch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from datasets.degradations.resizing import MODES, Mode, resized, weights
from tests.datasets.degradations.made import centre, dot

SIZES = [(48, 64), (97, 101), (50, 64), (193, 40), (24, 32), (13, 17), (400, 500)]


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", SIZES)
def test_a_dot_stays_where_it_is(size: tuple[int, int], mode: Mode, antialias: bool) -> None:
    made = resized(dot(), size, mode, antialias)
    offsets = (np.array(centre(made)) - centre(dot())) * size
    assert np.abs(offsets).max() < 0.01  # pixels of the result


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_constants_and_ramps_stay(mode: Mode, antialias: bool) -> None:
    ramp = np.linspace(0, 1, 80, dtype=np.float32)[None, :, None].repeat(20, 0)
    made = resized(ramp, (11, 57), mode, antialias)[:, 8:-8, 0]  # borders are repeated, not continued
    steps = np.diff(made, axis=1)
    tolerance = 1e-6 if mode == "bicubic" and not antialias else 5e-3
    assert np.ptp(steps) < tolerance
    assert np.allclose(resized(np.full((9, 7, 3), 0.3, np.float32), (20, 5), mode, antialias), 0.3, atol=1e-6)


@pytest.mark.parametrize("size", [(12, 16), (24, 32), (96, 128), (48, 64), (37, 53)])
def test_torch_agrees(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).random((48, 64, 3)).astype(np.float32)
    x = torch.from_numpy(picture).movedim(-1, 0)[None]
    inner = slice(4, -4), slice(4, -4)  # torch leaves out what is beyond a border

    def theirs(mode: str, antialias: bool) -> np.ndarray:
        return F.interpolate(x, size, mode=mode, antialias=antialias)[0].movedim(0, -1).numpy()

    assert np.allclose(resized(picture, size, "bilinear"), theirs("bilinear", False), atol=1e-5)
    assert np.allclose(resized(picture, size, "bilinear", True)[inner], theirs("bilinear", True)[inner], atol=1e-5)
    assert np.allclose(resized(picture, size, "bicubic", True)[inner], theirs("bicubic", True)[inner], atol=1e-5)
    if all(before % after == 0 for before, after in zip((48, 64), size, strict=True)):
        area = F.interpolate(x, size, mode="area")[0].movedim(0, -1).numpy()
        assert np.allclose(resized(picture, size, "area"), area, atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("before", "after"), [(1, 1), (1, 5), (5, 1), (7, 7), (3, 4)])
def test_rows_sum_to_1_and_equal_sizes_change_nothing(before: int, after: int, mode: Mode) -> None:
    for antialias in (False, True):
        made = weights(before, after, mode, antialias)
        assert made.shape == (after, before)
        assert np.allclose(made.sum(1), 1)
        if before == after:
            assert np.allclose(made, np.eye(before))
