"""The running average against its closed form."""

import pytest
import torch
from torch import nn

from train.loop.ema import Average


def filled(value: float) -> nn.Module:
    network = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(value)
    return network


@pytest.mark.parametrize(("decay", "steps"), [(0.9, 3), (0.9, 200), (0.5, 40), (0.0, 2)])
def test_follows_a_constant_as_the_product_of_decays_says(decay: float, steps: int) -> None:
    average = Average(filled(0), decay)
    left = 1.0
    for step in range(1, steps + 1):
        average.update(filled(1), step)
        left *= min(decay, (1 + step) / (10 + step))
    # 1e-5: fp32, up to 200 roundings.
    assert all(torch.allclose(p, torch.full_like(p, 1 - left), atol=1e-5) for p in average.network.parameters())


def test_of_equals_is_the_same_bits() -> None:
    network = filled(1 / 3)
    average = Average(network, 0.99)
    average.update(network, 5)
    assert all(torch.equal(a, b) for a, b in zip(average.network.parameters(), network.parameters(), strict=True))


def test_buffers_are_copied_and_the_followed_network_is_left_alone() -> None:
    network = filled(1)
    average = Average(filled(0), 0.9)
    network(torch.randn(4, 2, 3, 3))
    before = [value.clone() for value in network.state_dict().values()]
    average.update(network, 1)
    ours, theirs = average.network.state_dict(), network.state_dict()
    assert torch.equal(ours["1.running_mean"], theirs["1.running_mean"])
    assert int(ours["1.num_batches_tracked"]) == 1
    assert all(torch.equal(a, b) for a, b in zip(before, network.state_dict().values(), strict=True))


def test_is_a_fixed_network_of_its_own() -> None:
    network = filled(0.5).train()
    average = Average(network, 0.9)
    assert not average.network.training
    assert network.training
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    with torch.no_grad():
        next(network.parameters()).fill_(9)
    assert float(next(average.network.parameters()).max()) == 0.5
