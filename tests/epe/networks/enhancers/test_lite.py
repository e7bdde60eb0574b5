"""lite: identity when untrained, independence of the batch, of what fills its sides up, and of how frames are cut."""

import pytest
import torch

from epe.inference.tiling import run_tiled
from epe.networks.enhancers.lite import PRESETS, Lite, LiteSpec


def trained(**sizes: int) -> Lite:
    """A network whose every part matters."""
    network = Lite(LiteSpec(5, 3, **(PRESETS["lite-tiny"] | sizes))).eval()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return network


def inputs(batch: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return (
        torch.rand(batch, 3, height, width, generator=generator),
        torch.randn(batch, 5, height, width, generator=generator),
        torch.randint(3, (batch, height, width), generator=generator),
    )


@pytest.mark.parametrize("size", [(32, 48), (33, 50), (1, 7)])
def test_untrained_returns_its_input(size: tuple[int, int]) -> None:
    image, gbuffers, classes = inputs(2, *size)
    # The clamp before the logit moves values by up to 0.001.
    assert (Lite(LiteSpec(5, 3))(image, gbuffers, classes) - image).abs().max() < 1.001e-3


def test_the_default_is_small_enough() -> None:
    with torch.device("meta"):
        network = Lite(LiteSpec(32, 12))
    assert sum(p.numel() for p in network.parameters()) <= 12e6


def test_one_image_does_not_touch_another() -> None:
    network, (image, gbuffers, classes) = trained(), inputs(3, 24, 32)
    together = network(image, gbuffers, classes)
    alone = torch.cat([network(image[i : i + 1], gbuffers[i : i + 1], classes[i : i + 1]) for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-5)  # fp32, other blocking of the same sums
    assert (together[0] - together[1]).abs().max() > 1e-2


def test_gbuffers_and_classes_matter_and_every_parameter_learns() -> None:
    network, (image, gbuffers, classes) = trained(), inputs(2, 24, 32)
    out = network(image, gbuffers, classes)
    assert not torch.equal(out, network(image, gbuffers + 1, classes))
    assert not torch.equal(out, network(image, gbuffers, (classes + 1) % 3))
    masks = torch.stack([(classes == k).float() for k in range(3)], dim=1)
    assert torch.equal(out, network(image, gbuffers, masks))
    out.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_encoded_gbuffers_serve_many_pictures() -> None:
    network, (image, gbuffers, classes) = trained(), inputs(1, 30, 41)
    maps = network.encode(gbuffers, classes)
    for picture in (image, 1 - image):
        assert torch.equal(network.enhance(picture, maps), network(picture, gbuffers, classes))


def test_even_areas_stay_even() -> None:
    """The four channels that become 2 x 2 pixels differ, and must leave no weave."""
    network = trained()
    image, gbuffers = torch.full((1, 3, 24, 32), 0.4), torch.full((1, 5, 24, 32), 0.7)
    out = network(image, gbuffers, torch.zeros(1, 24, 32, dtype=torch.long))
    assert (out - image).abs().max() > 0.01
    # fp32; without the filter the spread is 0.04.
    assert (out.amax((2, 3)) - out.amin((2, 3))).max() < 1e-6


def test_tiles_differ_by_less_than_a_step_of_8_bits() -> None:
    network, frame = trained(), inputs(1, 160, 320)
    with torch.inference_mode():
        whole = network(*frame)
        tiled = run_tiled(network, frame, tile=192, overlap=48, multiple_of=network.spec.multiple_of)
    assert (whole - frame[0]).abs().max() > 0.05
    assert (whole - tiled).abs().max() < 1 / 255


def test_the_default_overlap_hides_tiles_of_the_default_depth() -> None:
    network, frame = trained(blocks=PRESETS["lite"].get("blocks", LiteSpec(5, 3).blocks)), inputs(1, 96, 704)
    with torch.inference_mode():
        whole = network(*frame)
        tiled = run_tiled(network, frame, tile=512, overlap=Lite.overlap, multiple_of=network.spec.multiple_of)
    assert (whole - frame[0]).abs().max() > 0.05
    # What is left is the far end of what a pixel sees.
    assert 0 < (whole - tiled).abs().max() < 1 / 255


@pytest.mark.parametrize(
    ("name", "value"), [("width", 12), ("width", 0), ("scales", 7), ("blocks", True), ("classes", 0)]
)
def test_spec_refuses(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=name):
        LiteSpec(**({"channels": 5, "classes": 3} | {name: value}))
