"""Folded networks: the same values to the bit, plain weights, and the network that was folded stays as it is."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from epe.inference.fold import BorderConv, fold, without_copies
from epe.layers.spectral_norm import spectral_norm
from epe.networks.enhancers.enhancer import PRESETS, Enhancer, EnhancerSpec, every_channel
from epe.networks.generators import build_generator


def test_the_same_values_without_parametrizations() -> None:
    torch.manual_seed(0)
    network = Enhancer(EnhancerSpec(5, every_channel(5, 3), **PRESETS["hr-tiny"] | {"rad_layers": 1}))
    nn.init.normal_(network.image.head.out.weight)  # type: ignore[union-attr, arg-type]
    frame = torch.rand(2, 3, 20, 26), torch.randn(2, 5, 20, 26), torch.randint(3, (2, 20, 26))
    with torch.no_grad():
        network(*frame)
    network.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    folded = fold(network)
    with torch.inference_mode():
        assert torch.equal(folded(*frame), network(*frame))
    assert not any(parametrize.is_parametrized(module) for module in folded.modules())
    assert not any("parametrizations" in name for name in folded.state_dict())
    assert not any(p.requires_grad for p in folded.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(p.requires_grad for p in network.parameters())


def test_strides_and_paddings_are_kept() -> None:
    conv = nn.Sequential(spectral_norm(nn.Conv2d(4, 6, 3, 2, 1, groups=2, bias=False, padding_mode="reflect"))).eval()
    x = torch.randn(1, 4, 9, 8)
    assert torch.equal(fold(conv)(x), conv(x))


@pytest.mark.parametrize("name", ["hr-tiny", "spade-small", "lite-tiny", "realformer-v1-tiny"])
@pytest.mark.parametrize("size", [(20, 26), (33, 18), (2, 40), (5, 1)])
def test_borders_are_repeated_without_a_copy(name: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = build_generator(name, 5, every_channel(5, 3)).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    frame = torch.rand(2, 3, *size), torch.randn(2, 5, *size), torch.randint(3, (2, *size))
    folded = fold(network)
    fast = without_copies(fold(network))
    assert any(isinstance(module, BorderConv) for module in fast.modules())
    for memory in (torch.contiguous_format, torch.channels_last):
        moved = [x.contiguous(memory_format=memory) if x.ndim == 4 else x for x in frame]
        with torch.inference_mode():
            # fp32: the same sums in another order.
            assert torch.allclose(fast(*moved), folded(*frame), atol=2e-6)


def test_only_convolutions_that_repeat_the_border_are_changed() -> None:
    kept = nn.Conv2d(2, 2, 3, 2, 1, padding_mode="replicate"), nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 1)
    assert not any(isinstance(module, BorderConv) for module in without_copies(nn.Sequential(*kept)))
    grouped = nn.Conv2d(2, 2, 3, padding=1, groups=2, padding_mode="replicate")
    assert not any(isinstance(module, BorderConv) for module in without_copies(nn.Sequential(grouped)))


def test_other_modules_are_refused() -> None:
    with pytest.raises(TypeError, match="not a ParametrizedLinear"):
        fold(nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(2, 2))))
