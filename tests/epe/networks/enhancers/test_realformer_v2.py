"""The published size of RealFormer 2: exact counts, and what is sound."""

import re

import pytest
import torch
from torch import nn

from epe.networks.enhancers.realformer_v2 import PRESETS, RealFormerV2, RealFormerV2Spec, enlarged
from tests.epe.networks.made import SMALL, inputs, trained, unmoved


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_parameters_of_v2_1_and_its_parts() -> None:
    """reference/other_systems.md, 1.1: the file's size to the byte."""
    with torch.device("meta"):
        network = RealFormerV2(RealFormerV2Spec(**PRESETS["realformer-v2_1"]))
    assert parameters(network) == 2_919_863
    wanted = {"encoder": 43_670, "blocks": 2_394_624, "decoder": 372_227, "style": 109_342}
    assert {name: parameters(part) for name, part in network.named_children()} == wanted
    block = network.blocks[0]
    assert parameters(block.attention) == 262_400
    assert parameters(block.first) + parameters(block.second) == 136_704


def test_every_parameter_learns_but_those_that_cancel() -> None:
    """A number that is added to a whole map is taken away by the norm behind it."""
    network = trained(SMALL["v2_1"])
    before_norms = re.compile(r"(encoder\.\d|blocks\.\d\.(first|second)|decoder\.[01])\..*bias")
    assert unmoved(network) == {name for name, _ in network.named_parameters() if before_norms.fullmatch(name)}


def test_a_style_behind_the_blocks_would_be_lost() -> None:
    """As published; what is left of it is a weave of two pixels, and borders."""
    torch.manual_seed(0)
    layer, x, style = enlarged(8, 4), torch.randn(1, 8, 12, 12), torch.randn(1, 8, 1, 1)
    even = nn.functional.avg_pool2d(layer[0](x + style) - layer[0](x), 2)[..., 1:-1, 1:-1]
    assert (even.amax((2, 3)) - even.amin((2, 3))).max() < 1e-5  # fp32: one number for each map, which the norm takes


def test_a_place_sees_the_whole_frame() -> None:
    network, image = trained(SMALL["v2_1"]), inputs(1, 64, 64)[0].requires_grad_()
    (gradient,) = torch.autograd.grad(network(image, image, image)[0, :, 0, 0].sum(), image)
    assert gradient[..., -1, -1].abs().sum() > 0


@pytest.mark.parametrize("legacy", [False, "published"])
@pytest.mark.parametrize("side", [1, 2, 4])
def test_frames_and_styles_of_few_pixels(side: int, legacy: bool | str) -> None:
    network = RealFormerV2(RealFormerV2Spec(**PRESETS["realformer-v2-tiny"] | {"legacy": legacy})).eval()
    inputs_of_four = inputs(1, 4, 4)
    with torch.no_grad():
        network.keep_style([torch.rand(3, side, side)])
        assert network(*inputs_of_four).isfinite().all()


@pytest.mark.parametrize(("name", "value"), [("base", 3), ("heads", 5), ("blocks", True), ("legacy", True)])
def test_spec_refuses(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=name):
        RealFormerV2Spec(**{name: value})
