"""Total variation against closed forms; no sum over pixels."""

import pytest
import torch

from epe.losses.total_variation import total_variation


@pytest.mark.parametrize("size", [(2, 2), (8, 5), (64, 96)])
def test_of_a_ramp_it_is_its_slopes_whatever_the_size(size: tuple[int, int]) -> None:
    height, width = size
    ramp = 0.5 * torch.arange(height)[:, None] - 0.25 * torch.arange(width)
    assert total_variation(ramp.expand(2, 3, -1, -1)).item() == pytest.approx(0.75)


def test_of_an_edge_it_is_its_height_over_the_columns() -> None:
    edge = torch.zeros(1, 1, 4, 10)
    edge[..., 5:] = 0.9
    assert total_variation(edge).item() == pytest.approx(0.1)


def test_gradient() -> None:
    x = torch.rand(1, 2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(total_variation, (x,))
