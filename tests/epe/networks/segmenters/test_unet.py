"""U-Net: parameters by a closed form, pictures of any size, what a pixel sees, what a spec may say."""

from typing import Any

import pytest
import torch

from epe.networks.segmenters.unet import FACTORS, UNet, UNetSpec


def tiny(classes: int = 5) -> UNet:
    torch.manual_seed(0)
    network = UNet(UNetSpec(classes, width=4)).eval()
    torch.nn.init.normal_(network.head.weight)  # which is 0 at the start
    return network


def closed_form(classes: int, w: int) -> int:
    """Weights of 3 x 3 convolutions, two numbers of each batch norm; context and head are 1 x 1 with biases."""
    encoder = [(3, w), (w, w), (w, 2 * w), (2 * w, 2 * w), (2 * w, 3 * w), (3 * w, 3 * w), (3 * w, 4 * w)]
    pairs = [*encoder, (4 * w, 4 * w), (7 * w, 3 * w), (5 * w, 2 * w), (3 * w, w)]
    return sum(9 * a * b + 2 * b for a, b in pairs) + (16 * w * w + 4 * w) + (w + 1) * classes


@pytest.mark.parametrize(("classes", "width"), [(11, 32), (2, 4), (194, 24)])
def test_parameters(classes: int, width: int) -> None:
    with torch.device("meta"):
        found = sum(parameter.numel() for parameter in UNet(UNetSpec(classes, width)).parameters())
    assert found == closed_form(classes, width)


def test_the_default_has_some_hundred_thousand_parameters() -> None:
    assert closed_form(11, UNetSpec(11).width) == 793_547


@pytest.mark.parametrize("size", [(16, 16), (32, 48), (33, 47), (17, 100), (1, 1), (5, 64)])
def test_scores_have_the_pictures_size(size: tuple[int, int]) -> None:
    with torch.inference_mode():
        assert tiny()(torch.rand(2, 3, *size)).shape == (2, 5, *size)


def test_an_untrained_network_prefers_no_class() -> None:
    assert not UNet(UNetSpec(5, width=4)).eval()(torch.rand(1, 3, 32, 32)).any()


def test_pictures_of_a_batch_do_not_touch_each_other() -> None:
    network, pictures = tiny(), torch.rand(3, 3, 32, 48)
    with torch.inference_mode():
        whole = network(pictures)
        # 1e-5: convolutions of another batch size may sum in another order.
        assert all(torch.allclose(whole[i], network(pictures[i : i + 1])[0], atol=1e-5) for i in range(3))


def test_every_parameter_has_a_gradient() -> None:
    network = tiny().train()
    (network(torch.rand(2, 3, 64, 64)) ** 2).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_context_reaches_all_pixels() -> None:
    network, picture = tiny().double(), torch.rand(1, 3, 512, 512, dtype=torch.float64)
    changed = picture.clone()
    changed[..., :4, :4] = 1 - changed[..., :4, :4]
    with torch.inference_mode():
        assert (network(picture) - network(changed))[..., -1, -1].abs().max() > 0


def test_sides_that_need_no_padding() -> None:
    assert UNetSpec(3).multiple_of == 2 ** len(FACTORS) == 16


@pytest.mark.parametrize(
    "spec", [{"classes": 1}, {"classes": 3, "width": 0}, {"classes": 3, "height": 8}, {"classes": 3, "width": 4.0}]
)
def test_bad_specs(spec: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be an integer in"):
        UNetSpec(**spec)
