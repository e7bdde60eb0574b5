"""The wavelet is orthonormal: what it takes apart comes back, and nothing is lost."""

import pytest
import torch
import torch.nn.functional as F

from epe.networks.style_transfer.haar import BANDS, filters, pool, unpool, unpooled


@pytest.fixture
def x() -> torch.Tensor:
    return torch.rand(2, 3, 8, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_pooled_and_unpooled_is_the_input(x: torch.Tensor) -> None:
    assert pool(x).shape == (2, 4, 3, 4, 6)
    torch.testing.assert_close(unpool(pool(x)), x, rtol=0, atol=1e-15)


def test_energy_is_kept(x: torch.Tensor) -> None:
    torch.testing.assert_close(pool(x).square().sum((1, 2, 3, 4)), x.square().sum((1, 2, 3)))


def test_unpooling_is_the_transpose(x: torch.Tensor) -> None:
    bands = torch.rand(2, 4, 3, 4, 6, dtype=torch.float64)
    torch.testing.assert_close((pool(x) * bands).sum(), (x * unpool(bands)).sum())


def test_filters_are_the_published_ones(x: torch.Tensor) -> None:
    """As strided convolutions: outer products of (1, 1) and (-1, 1) over root 2, the letters down and right."""
    vectors = {"L": torch.tensor([1.0, 1.0]) / 2**0.5, "H": torch.tensor([-1.0, 1.0]) / 2**0.5}
    for i, (down, right) in enumerate(BANDS):
        kernel = torch.outer(vectors[down], vectors[right]).double().expand(3, 1, 2, 2)
        # 1e-7: the square of a root of 2 in float32.
        torch.testing.assert_close(pool(x)[:, i], F.conv2d(x, kernel, stride=2, groups=3), rtol=0, atol=1e-6)
        band = pool(x)[:, i]
        alone = F.conv_transpose2d(band, kernel, stride=2, groups=3)
        torch.testing.assert_close(unpooled(pool(x))[:, i], alone, rtol=0, atol=1e-6)


def test_filters_are_orthonormal(x: torch.Tensor) -> None:
    flat = filters(x).flatten(1)
    assert torch.equal(flat @ flat.T, torch.eye(4, dtype=torch.float64))


def test_edges_show_in_their_bands() -> None:
    """A vertical edge is a difference along rows, the second letter."""
    edge = torch.tensor([[0.0, 1.0], [0.0, 1.0]])[None, None]
    assert pool(edge).flatten().tolist() == [1.0, 1.0, 0.0, 0.0]
    assert pool(edge.mT).flatten().tolist() == [1.0, 0.0, 1.0, 0.0]
