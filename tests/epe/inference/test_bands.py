"""Bands of rows: what a module of limited reach makes of a whole map, whatever the height of the bands."""

import pytest
import torch
from torch import Tensor

from epe.inference.bands import Banded, in_bands
from epe.layers.convolutions import ScaledBlock, SpectralBlock
from epe.layers.rad import RAC, RAD


@pytest.mark.parametrize("block", [SpectralBlock, ScaledBlock])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("height", "pixels"), [(41, 1), (40, 100), (33, 9 * 17), (64, 10**6)])
@torch.no_grad()
def test_blocks_of_convolutions(block: type, stride: int, height: int, pixels: int) -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(block(3, 4, 5, stride=stride), block(5, 4, 5)).eval()
    x = torch.randn(2, 3, height, 17)
    found = in_bands(module, [x], pixels, 4, stride)
    torch.testing.assert_close(found, module(x), rtol=0, atol=1e-6)


def test_bands_have_as_many_pixels_as_asked_and_a_margin() -> None:
    seen: list[tuple[int, int]] = []

    def blur(x: Tensor, y: Tensor) -> Tensor:
        seen.append((x.shape[-2], y.shape[-2]))
        return torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False) + y[:, None]

    x, y = torch.randn(1, 2, 25, 10), torch.randn(1, 25, 10)
    found = in_bands(blur, [x, y], 79, 1)
    assert seen == [(8, 8), (9, 9), (9, 9), (5, 5)]
    torch.testing.assert_close(found, blur(x, y), rtol=0, atol=1e-6)


@pytest.mark.parametrize("conditioner", [RAD, RAC])
@pytest.mark.parametrize("pixels", [1, 50, 10**6])
@torch.no_grad()
def test_conditioners(conditioner: type, pixels: int) -> None:
    torch.manual_seed(0)
    module, x, g = conditioner(16, 8, 3).eval(), torch.randn(1, 16, 31, 12), torch.randn(1, 8, 31, 12)
    wanted = module(x.clone(), g)
    torch.testing.assert_close(module(x.clone(), Banded(g, pixels)), wanted, rtol=0, atol=1e-6)
