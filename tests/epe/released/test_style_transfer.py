"""Released weights in our networks compute what they compute in their authors' modules, which stand here typed anew."""

import pytest
import torch
from torch import nn

from epe.models import build_with_tensors
from epe.networks.style_transfer.photo_wct import PhotoWCT
from epe.networks.style_transfer.stylise import encode_style, stylise
from epe.networks.style_transfer.wct2 import WCT2, part_names
from epe.released.style_transfer import Released, released
from tests.epe.networks.style_transfer import published_style as published


def images() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.rand(1, 3, *size, generator=generator) for size in ((16, 24), (24, 16))]


def network_of(found: Released | None) -> nn.Module:
    assert found is not None
    return build_with_tensors(found.kind, found.spec, found.tensors).eval()


# Counted from the published shapes by hand: 9 in out + out per 3x3 convolution.
ENCODER = 12 + 1_792 + 36_928 + 73_856 + 147_584 + 295_168 + 3 * 590_080 + 1_180_160
DECODER = 1_179_904 + 3 * 590_080 + 295_040 + 147_584 + 73_792 + 36_928 + 1_731


def count(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def test_parameters_are_as_many_as_published() -> None:
    assert count(WCT2("vgg19", "sum").encoder) == ENCODER == 3_505_740
    assert count(WCT2("vgg19", "sum").decoder) == DECODER
    wider = 4 * 9 * (256 * 256 + 128 * 128 + 64 * 64)
    assert count(WCT2("vgg19", "cat5").decoder) == DECODER + wider
    one, two, three = 1_731, 1_731 + 36_928 + 73_792, 1_731 + 36_928 + 73_792 + 147_584 + 295_040
    assert count(PhotoWCT("vgg19").decoders) == DECODER + one + two + three
    # Of VGG16 block 3 has a convolution less.
    assert count(WCT2("vgg19")) - count(WCT2("vgg16")) == 2 * 590_080


def assert_near(found: torch.Tensor, wanted: torch.Tensor, tolerance: float) -> None:
    """Equal up to a share of the largest number: only the order of sums (of up to 11,520 products) may differ."""
    torch.testing.assert_close(found, wanted, rtol=0, atol=tolerance * float(wanted.abs().max()))


def doubled(tensors: published.Tensors) -> published.Tensors:
    return {name: value.double() for name, value in tensors.items()}


@pytest.mark.parametrize("unpooling", ["sum", "cat5"])
def test_wct2_is_theirs(unpooling: str) -> None:
    torch.manual_seed(0)
    encoder, decoder = published.wct2_weights(unpooling)
    network = network_of(released([decoder, encoder]))
    assert isinstance(network, WCT2)
    assert network.unpooling == unpooling
    content, style = images()
    with torch.inference_mode():
        assert_near(network(content), published.WCT2(encoder, decoder, unpooling).reconstruct(content), 1e-5)
        # A transfer divides by small deviations: in float64.
        network, content, style = network.double(), content.double(), style.double()
        theirs = published.WCT2(doubled(encoder), doubled(decoder), unpooling)
        for parts in ({"encoder", "skip", "decoder"}, {"skip", "decoder"}):
            made = stylise(network, content, encode_style(network, style, parts=part_names(parts)))
            assert_near(made, theirs.transfer(content, style, parts), 1e-8)


def test_photo_wct_is_theirs() -> None:
    torch.manual_seed(0)
    tensors = published.photo_wct_weights()
    network = network_of(released([tensors]))
    content, style = images()
    with torch.inference_mode():
        assert_near(network(content), published.photo_wct(tensors, content, None), 1e-5)
        network, content, style = network.double(), content.double(), style.double()
        made = stylise(network, content, encode_style(network, style))
        assert_near(made, published.photo_wct(doubled(tensors), content, style), 1e-8)


def test_what_is_not_as_published_is_refused() -> None:
    encoder, decoder = published.wct2_weights("cat5")
    assert released([encoder]) is None
    assert released([encoder, encoder]) is None
    with pytest.raises(ValueError, match=r"are missing .*decoder\.conv1_1"):
        released([encoder, {k: v for k, v in decoder.items() if not k.startswith("conv1_1")}])
    with pytest.raises(ValueError, match=r"pool2\.LH\.weight is not the filter of a Haar wavelet"):
        released([encoder | {"pool2.LH.weight": -encoder["pool2.LH.weight"]}, decoder])
    photo = published.photo_wct_weights()
    with pytest.raises(ValueError, match=r"e2\.conv0\.bias differs from the fourth"):
        released([photo | {"e2.conv0.bias": photo["e2.conv0.bias"] + 1}])
