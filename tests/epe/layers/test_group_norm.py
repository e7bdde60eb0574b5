"""Group normalisation against double precision, in both memory layouts, and torch's own where it is used."""

import pytest
import torch
from torch import nn

from epe.layers.group_norm import GroupNorm, InstanceNorm


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_double_precision_agrees(affine: bool, memory: torch.memory_format) -> None:
    torch.manual_seed(0)
    norm = GroupNorm(8, 16, affine=affine)
    if affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    # A mean of five deviations is where sums in fp32 go wrong; each image has its own.
    x = torch.randn(2, 16, 270, 480) + torch.tensor([5.0, -2.0]).view(2, 1, 1, 1)
    wanted = nn.functional.group_norm(x.double(), 8, *(p.double() for p in norm.parameters()))
    with torch.no_grad():
        got = norm(x.contiguous(memory_format=memory))
    # fp32 has 6e-8; values up to 5 times weights up to 2, and the mean's cancellation (5 times): 4e-6.
    assert float((got - wanted).detach().abs().max()) < 4e-6
    assert got.is_contiguous(memory_format=memory)


def test_training_is_torchs_own() -> None:
    x = torch.randn(1, 16, 9, 7).contiguous(memory_format=torch.channels_last)
    assert torch.equal(GroupNorm(8, 16)(x), nn.GroupNorm(8, 16)(x))


def test_bfloat16_is_summed_in_float32() -> None:
    x = (torch.randn(1, 8, 64, 64) + 3).bfloat16()
    with torch.no_grad():
        got = GroupNorm(8, 8)(x.contiguous(memory_format=torch.channels_last))
    wanted = nn.functional.group_norm(x.double(), 8)
    assert float((got - wanted).detach().abs().max()) < 1e-5


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_a_single_value_is_its_own_mean(grad: bool, memory: torch.memory_format) -> None:
    norm, x = GroupNorm(8, 8), torch.randn(2, 8, 1, 1).contiguous(memory_format=memory)
    nn.init.normal_(norm.bias)
    with torch.set_grad_enabled(grad):
        assert torch.equal(norm(x), norm.bias[None, :, None, None].expand_as(x))
        assert torch.equal(GroupNorm(8, 8, affine=False)(x), torch.zeros_like(x))
        assert torch.equal(InstanceNorm(8)(x), torch.zeros_like(x))
        assert InstanceNorm(8)(x * torch.nan).isnan().all()


def test_instances_of_several_values_are_torchs_own() -> None:
    x = torch.randn(2, 8, 1, 2)
    assert torch.equal(InstanceNorm(8)(x), nn.InstanceNorm2d(8)(x))
