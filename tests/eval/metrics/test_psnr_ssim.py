"""PSNR and SSIM against scikit-image and closed forms."""

import numpy as np
import pytest
from skimage import metrics

from eval.metrics.psnr_ssim import psnr, ssim
from gbuffer_tools.io.psnr import MAX_PSNR


def pictures(noise: float, size: tuple[int, int] = (40, 53)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[: size[0], : size[1]]
    clean = 127 + 80 * np.sin(rows / 5)[..., None] * np.cos(columns[..., None] / (4, 6, 9))
    return clean.astype(np.uint8), np.clip(clean + noise * rng.normal(size=clean.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("noise", [1, 10, 60])
def test_scikit_image_agrees(noise: float) -> None:
    a, b = pictures(noise)
    assert psnr(a, b) == pytest.approx(metrics.peak_signal_noise_ratio(a, b), rel=1e-12)
    wanted = metrics.structural_similarity(
        a, b, channel_axis=-1, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(a, b) == pytest.approx(wanted, rel=1e-9)


def test_equal_pictures() -> None:
    a, _ = pictures(0)
    assert psnr(a, a) == MAX_PSNR
    assert ssim(a, a) == pytest.approx(1, abs=1e-12)


def test_a_constant_error_by_hand() -> None:
    a, b = np.full((12, 15, 3), 100, np.uint8), np.full((12, 15, 3), 110, np.uint8)
    assert psnr(a, b) == pytest.approx(20 * np.log10(25.5))
    # Without structure there is only the first factor of eq. 13.
    assert ssim(a, b) == pytest.approx((2 * 100 * 110 + 2.55**2) / (100**2 + 110**2 + 2.55**2), rel=1e-9)


def test_more_noise_is_less_alike() -> None:
    values = [(psnr(*pictures(noise)), ssim(*pictures(noise))) for noise in (2, 8, 32, 90)]
    assert values == sorted(values, reverse=True)


def test_what_cannot_be_compared() -> None:
    a, _ = pictures(0)
    for one in (a[:-1], a.astype(np.float32), a[..., 0]):
        with pytest.raises(ValueError, match="wanted two pictures"):
            psnr(a, one)
    with pytest.raises(ValueError, match="11 pixels a side, the pictures 53x9"):
        ssim(a[:9], a[:9])
