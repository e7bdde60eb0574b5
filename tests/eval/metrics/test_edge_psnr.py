"""Edge PSNR: what counts, closed forms, flat pictures."""

import numpy as np
import pytest

from eval.metrics.edge_psnr import EDGE_FRACTION, edge_psnr, edges
from gbuffer_tools.io.psnr import MAX_PSNR


def step() -> np.ndarray:
    """Dark to the left, bright to the right of the middle of 40 columns."""
    picture = np.full((30, 40, 3), 20, np.uint8)
    picture[:, 20:] = 220
    return picture


def test_a_step_has_two_columns_of_edges() -> None:
    there = edges(step())
    assert np.flatnonzero(there.any(0)).tolist() == [19, 20]
    assert there[:, 19:21].all()


def test_a_tenth_of_a_picture_has_edges() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)
    # One pixel more may be as steep as the last.
    assert edges(noise).mean() == pytest.approx(EDGE_FRACTION, abs=2 / noise[..., 0].size)


def test_differences_count_at_edges_only() -> None:
    truth = step()
    elsewhere, at_edge = truth.copy(), truth.copy()
    elsewhere[:, :10] += 50
    at_edge[:, 19] += 10
    assert edge_psnr(elsewhere, truth) == MAX_PSNR
    # Half of the edge pixels are off by 10.
    assert edge_psnr(at_edge, truth) == pytest.approx(10 * np.log10(255**2 / 50), rel=1e-12)


def test_turned_pictures_have_turned_edges() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (20, 31, 3), np.uint8)
    assert np.array_equal(edges(noise).T, edges(np.ascontiguousarray(noise.swapaxes(0, 1))))


def test_flat_pictures_have_none() -> None:
    with pytest.raises(ValueError, match="flat"):
        edge_psnr(step(), np.full((30, 40, 3), 7, np.uint8))
    with pytest.raises(ValueError, match="wanted two pictures"):
        edge_psnr(step()[:9], step())
