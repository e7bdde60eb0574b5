"""Arithmetic in place: the same bits as with gradients, and no gradient is lost."""

import pytest
import torch
from torch import nn

from epe.layers.inplace import add, modulate, relu
from epe.networks.enhancers.enhancer import every_channel
from epe.networks.generators import build_generator

NAMES = (
    "hr-tiny", "spade-small", "concat-small", "none-small", "lite-tiny", "realformer-tiny", "realformer-v1-tiny",
    "realformer-v2-tiny",
)  # fmt: skip


def test_operands_are_left_alone_where_gradients_need_them() -> None:
    x, y, z = (torch.randn(4, 5) for _ in range(3))
    for work, operands in ((relu, (x,)), (add, (x, y)), (modulate, (x, y, z))):
        before = [operand.clone() for operand in operands]
        wanted = work(*operands)  # type: ignore[operator]
        assert all(torch.equal(a, b) for a, b in zip(operands, before, strict=True))
        with torch.no_grad():
            copies = [operand.clone() for operand in operands]
            got = work(*copies)  # type: ignore[operator]
        assert torch.equal(got, wanted)
        assert got.data_ptr() == copies[0].data_ptr()
        assert all(torch.equal(a, b) for a, b in zip(copies[1:], before[1:], strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_networks_give_the_same_bits_without_gradients(name: str) -> None:
    torch.manual_seed(0)
    network = build_generator(name, 5, every_channel(5, 3)).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    frame = torch.rand(1, 3, 24, 32), torch.randn(1, 5, 24, 32), torch.randint(3, (1, 24, 32))
    masks = nn.functional.one_hot(frame[2], 3).movedim(-1, 1).float()  # ids would be routed without gradients
    inputs = *frame[:2], masks
    before = [x.clone() for x in inputs]
    with torch.no_grad():
        got = network(*inputs)
    assert torch.equal(got, network(*inputs))
    assert all(torch.equal(a, b) for a, b in zip(inputs, before, strict=True))
