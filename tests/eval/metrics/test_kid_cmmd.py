"""MMD in blocks against the definition, torch-fidelity's KID, and closed forms."""

import math

import numpy as np
import pytest
import torch

from eval.metrics import kid_cmmd, mmd
from eval.metrics.kid_cmmd import GaussianKernel, cmmd, kid, kid_kernel, mmd2_in_blocks
from tests.torchvision_loader import load_torchvision


def draw(seed: int, n: int = 37, m: int = 23, d: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator), 0.3 + 1.2 * torch.randn(m, d, generator=generator)


@pytest.mark.parametrize("block", [1, 7, 2048])
def test_blocks_give_what_whole_matrices_give(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(kid_cmmd, "BLOCK", block)
    x, y = draw(0)
    a, b = x.double().numpy(), y.double().numpy()
    kernels = (mmd.cubic_kernel(p @ q.T / 5) for p, q in ((a, a), (a, b), (b, b)))
    wanted = mmd.mmd2(*kernels, x_groups=np.arange(37), y_groups=-1 - np.arange(23))
    # float64; the order of the sums differs.
    assert mmd2_in_blocks(x, y, kid_kernel, unbiased=True) == pytest.approx(float(wanted), rel=1e-11)


@pytest.mark.parametrize("block", [5, 2048])
def test_gaussian_kernel_by_the_definition(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(kid_cmmd, "BLOCK", block)
    x, y = draw(1)

    def mean(a: torch.Tensor, b: torch.Tensor) -> float:
        values = [math.exp(-float((p.double() - q.double()).square().sum()) / 8) for p in a for q in b]
        return sum(values) / len(values)

    wanted = mean(x, x) + mean(y, y) - 2 * mean(x, y)
    assert mmd2_in_blocks(x, y, GaussianKernel(2.0), unbiased=False) == pytest.approx(wanted, rel=1e-9)


def test_kid_is_torch_fidelitys() -> None:
    load_torchvision()
    metric = pytest.importorskip("torch_fidelity.metric_kid")
    x, y = draw(2, 300, 260, 64)
    wanted = metric.kid_features_to_metric(
        x.double(), y.double(), kid_subsets=10, kid_subset_size=100, rng_seed=2020, verbose=False
    )
    found = kid(x, y, subsets=10, size=100)
    assert found.mean == pytest.approx(wanted["kernel_inception_distance_mean"], rel=1e-9)
    assert found.deviation == pytest.approx(wanted["kernel_inception_distance_std"], rel=1e-9)


def test_cmmd_of_two_points() -> None:
    # All x are one unit vector and all y another: |x - y|² = 2, so MMD² = 2 - 2 exp(-2 / 200).
    x, y = torch.eye(4)[:1].repeat(3, 1), torch.eye(4)[1:2].repeat(5, 1)
    assert cmmd(x, y) == pytest.approx(1000 * (2 - 2 * math.exp(-0.01)), rel=1e-9)
    assert cmmd(x, x) == pytest.approx(0, abs=1e-9)


def test_order_does_not_count_and_distance_does() -> None:
    x, y = draw(3)
    shuffled = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))]
    assert mmd2_in_blocks(shuffled, y, kid_kernel, unbiased=True) == pytest.approx(
        mmd2_in_blocks(x, y, kid_kernel, unbiased=True), rel=1e-11
    )
    values = [mmd2_in_blocks(x, x.flip(0) + shift, kid_kernel, unbiased=False) for shift in (0.0, 0.2, 0.4, 0.8)]
    assert values[0] == pytest.approx(0, abs=1e-9)
    assert values == sorted(values)


def test_too_few_samples() -> None:
    x, y = draw(4)
    for bad in ((x[:1], y), (x, y[:, :4]), (x[0], y)):
        with pytest.raises(ValueError, match="wanted"):
            mmd2_in_blocks(*bad, kid_kernel, unbiased=True)
    with pytest.raises(ValueError, match="subsets of 30"):
        kid(x, y, size=30)
