"""Replicate padding in bfloat16 is what autocast does in fp32, to the bit, in both directions and twice."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from epe.layers import convolutions
from epe.layers.convolutions import ReplicateConv2d, without_padding

SHAPES = ((2, 8, 12, 9), (1, 3, 2, 2), (2, 4, 2, 7))
Way = Callable[[ReplicateConv2d, Tensor], Tensor]


def results(way: Way, conv: ReplicateConv2d, start: Tensor) -> list[Tensor]:
    """A map, its gradients, and the gradients of the squared length of a gradient."""
    conv.zero_grad()
    x = start.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = way(conv, torch.sigmoid(x).to(torch.bfloat16))
    (slope,) = torch.autograd.grad(y.float().square().sum(), x, create_graph=True)
    slope.square().sum().backward()
    return [y, slope, x.grad, conv.weight.grad]  # type: ignore[list-item]


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("side", "stride"), [(3, 1), (3, 2), (5, 1)])
@pytest.mark.parametrize("small", [0, convolutions.SMALL])
def test_bits_are_those_of_autocast(
    side: int, stride: int, shape: tuple[int, ...], small: int, channels_last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convolutions, "SMALL", small)
    torch.manual_seed(0)
    conv, x = ReplicateConv2d(shape[1], 6, side, stride), torch.randn(shape)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    ours, theirs = (results(way, conv, x) for way in (ReplicateConv2d.forward, nn.Conv2d.forward))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_gradients_of_padding(dtype: torch.dtype) -> None:
    """Against the kernel of torch, whose maps hold every position's number of contributions."""
    torch.manual_seed(0)
    gradient, like = torch.randn(2, 5, 9, 14).to(dtype), torch.empty(2, 5, 7, 12)
    wanted = torch.ops.aten.replication_pad2d_backward(gradient.float(), like, [1, 1, 1, 1]).to(dtype)
    assert torch.equal(without_padding(gradient), wanted)
    counts = without_padding(torch.ones(1, 1, 9, 14))
    assert counts.sum() == 9 * 14
    assert (counts[0, 0, 0, 0], counts[0, 0, 0, 5], counts[0, 0, 3, 5]) == (4, 2, 1)


def test_is_a_plain_convolution_in_fp32() -> None:
    torch.manual_seed(0)
    conv, x = ReplicateConv2d(4, 6), torch.randn(1, 4, 7, 5)
    padded = torch.cat([x[..., :1], x, x[..., -1:]], 3)
    padded = torch.cat([padded[..., :1, :], padded, padded[..., -1:, :]], 2)
    wanted = torch.nn.functional.conv2d(padded, conv.weight, conv.bias)
    # Sums of 36 products of numbers about 1.
    torch.testing.assert_close(conv(x), wanted, rtol=0, atol=1e-6)
