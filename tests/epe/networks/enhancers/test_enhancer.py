"""The enhancer: sizes as published, every intermediate shape, independence of the batch, identity when untrained."""

import pytest
import torch
from torch import nn

from epe.networks.enhancers.enhancer import CONDITIONING, PRESETS, Enhancer, EnhancerSpec, every_channel
from epe.networks.enhancers.hrnet import Fusion


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def small(classes: int = 3, channels: int = 5) -> Enhancer:
    return Enhancer(EnhancerSpec(channels, every_channel(channels, classes), **PRESETS["hr-tiny"]))


def inputs(batch: int, height: int = 21, width: int = 26) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return (
        torch.rand(batch, 3, height, width, generator=generator),
        torch.randn(batch, 5, height, width, generator=generator),
        torch.randint(3, (batch, height, width), generator=generator),
    )


def disturb(network: nn.Module) -> None:
    """Give the zero head values, so that its input matters."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))


class TestParameters:
    """Counts of the authors' released networks, built on the meta device."""

    def test_hr_32_channels_12_classes(self) -> None:
        with torch.device("meta"):
            network = Enhancer(EnhancerSpec(32, every_channel(32, 12)))
        assert count(network) == 44_736_691
        assert count(network.encoder) == 5_906_816
        assert count(network.encoder.streams) == 3_102_720
        assert count(network.encoder.joint) == 2_804_096
        assert count(network.image.stem) == 2_800
        assert count(network.image.head) == 145_923

    def test_hr_26_channels_with_a_sky_of_6(self) -> None:
        streams = (tuple(range(15, 21)), *every_channel(26, 11))
        with torch.device("meta"):
            network = Enhancer(EnhancerSpec(26, streams))
        assert count(network) == 44_630_707
        assert count(network.encoder.streams) == 2_996_736

    def test_hr_new(self) -> None:
        with torch.device("meta"):
            networks = [
                Enhancer(EnhancerSpec(channels, streams, **PRESETS["hr_new"]))
                for channels, streams in (
                    (32, every_channel(32, 12)),
                    (26, (tuple(range(15, 21)), *every_channel(26, 11))),
                )
            ]
        assert [count(network) for network in networks] == [96_824_451, 96_765_571]
        assert count(networks[0].encoder) == 5_734_400
        assert count(networks[0].image.stem) == 2_736
        assert count(networks[0].image.head) == 2_357_923
        racs = [m for m in networks[0].modules() if type(m).__name__ == "RAC"]
        assert len(racs) == 63
        assert count(racs[0]) == 888_864

    def test_the_cut_of_carla2real(self) -> None:
        with torch.device("meta"):
            network = Enhancer(EnhancerSpec(18, every_channel(18, 12), stages=3, rad_layers=1))
        assert count(network) == 13_025_331

    def test_one_rad(self) -> None:
        with torch.device("meta"):
            network = Enhancer(EnhancerSpec(32, every_channel(32, 12)))
        rads = [m for m in network.modules() if type(m).__name__ == "RAD"]
        assert len(rads) == 80
        assert count(rads[0]) == 446_880
        assert sum(count(rad) for rad in rads) == pytest.approx(36.28e6, abs=5e3)  # published rounded to 10,000


class TestShapes:
    """Every intermediate map of `hr` on the paper's 196 px crop, on the meta device."""

    def test_hr_196(self) -> None:
        seen: dict[str, tuple[int, ...]] = {}
        with torch.device("meta"):
            network = Enhancer(EnhancerSpec(32, every_channel(32, 12)))
            for name, module in network.named_modules():
                if isinstance(module, nn.Conv2d) or not list(module.children()) or name == "image.stem":

                    def note(_m: nn.Module, _i: object, output: object, name: str = name) -> None:
                        if isinstance(output, torch.Tensor):
                            seen[name] = tuple(output.shape)

                    module.register_forward_hook(note)
            image, gbuffers = torch.empty(2, 3, 196, 196), torch.empty(2, 32, 196, 196)
            classes = torch.empty(2, 12, 196, 196)
            assert network(image, gbuffers, classes).shape == (2, 3, 196, 196)
            scales = network.encoder(gbuffers, classes)
        assert [tuple(s.shape) for s in scales] == [(2, 128, n, n) for n in (196, 98, 49, 25)]
        sizes = {0: (16, 196), 1: (32, 98), 2: (64, 49), 3: (128, 25)}
        for stage in range(4):
            for branch in range(stage + 1):
                channels, side = sizes[branch]
                for block in range(4):
                    for conv in ("conv1", "conv2", "rad1.scale", "rad1.shift", "rad2.scale", "rad2.shift"):
                        key = f"image.stages.{stage}.{branch}.blocks.{block}.{conv}"
                        assert seen[key] == (2, channels, side, side), key
                    for rad in ("rad1", "rad2"):
                        for layer in range(3):
                            key = f"image.stages.{stage}.{branch}.blocks.{block}.{rad}.tower.{layer}.conv"
                            assert seen[key] == (2, 128, side, side), key
        for stream in range(12):
            assert seen[f"encoder.streams.{stream}.0.first"] == (2, 64, 196, 196)
            assert seen[f"encoder.streams.{stream}.1.second"] == (2, 128, 196, 196)
        for transition, (channels, side) in enumerate([(32, 98), (64, 49), (128, 25)]):
            assert seen[f"image.transitions.{transition}.2"] == (2, channels, side, side)
        for merge, (channels, side) in enumerate([(64, 49), (32, 98), (16, 196)]):
            assert seen[f"image.head.merge.{merge}.2"] == (2, channels, side, side)
        assert seen["image.stem"] == (2, 16, 196, 196)
        assert seen["image.head.out"] == (2, 3, 196, 196)

    def test_every_exchange_of_the_last_fusion(self) -> None:
        with torch.device("meta"):
            network = Enhancer(EnhancerSpec(32, every_channel(32, 12)))
            branches = [torch.empty(1, 16 * 2**i, n, n) for i, n in enumerate((196, 98, 49, 25))]
            fusion = network.image.fusions[-1]
            assert isinstance(fusion, Fusion)
            for target, paths in enumerate(fusion.paths):
                for source, path in enumerate(paths.children()):
                    out = path(branches[source])
                    assert out.shape[1] == branches[target].shape[1]
                    assert out.shape[-1] == branches[max(source, target)].shape[-1]
            assert [x.shape for x in fusion(branches)] == [x.shape for x in branches]


class TestForward:
    def test_untrained_returns_its_input(self) -> None:
        image, gbuffers, classes = inputs(2)
        # The clamp before the logit moves values by up to 0.001.
        assert (small()(image, gbuffers, classes) - image).abs().max() < 1.001e-3

    @pytest.mark.parametrize("conditioning", CONDITIONING)
    def test_conditioning_decides_what_is_read(self, conditioning: str) -> None:
        preset = PRESETS["hr-tiny"] | {"conditioning": conditioning}
        network = Enhancer(EnhancerSpec(5, every_channel(5, 3), **preset)).eval()
        disturb(network)
        image, gbuffers, classes = inputs(2)
        out = network(image, gbuffers, classes)
        reads = conditioning != "none"
        assert torch.equal(out, network(image, gbuffers + 1, classes)) != reads
        assert torch.equal(out, network(image, gbuffers, (classes + 1) % 3)) != reads
        # 1e-5: fp32, other blocking of the same sums.
        assert torch.allclose(out[1:], network(image[1:], gbuffers[1:], classes[1:]), atol=1e-5)
        out.sum().backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())

    @pytest.mark.parametrize("conditioning", ["rad", "spade", "concat", "none"])
    def test_untrained_ablations_return_their_input(self, conditioning: str) -> None:
        preset = PRESETS["hr-tiny"] | {"conditioning": conditioning}
        image, gbuffers, classes = inputs(1)
        network = Enhancer(EnhancerSpec(5, every_channel(5, 3), **preset))
        assert (network(image, gbuffers, classes) - image).abs().max() < 1.001e-3

    def test_one_image_does_not_touch_another(self) -> None:
        network = small().eval()
        disturb(network)
        image, gbuffers, classes = inputs(3)
        together = network(image, gbuffers, classes)
        alone = torch.cat([network(image[i : i + 1], gbuffers[i : i + 1], classes[i : i + 1]) for i in range(3)])
        # 1e-5: fp32, other blocking of the same sums.
        assert torch.allclose(together, alone, atol=1e-5)
        assert (together[0] - together[1]).abs().max() > 1e-2

    def test_ids_equal_hard_masks(self) -> None:
        network = small().eval()
        disturb(network)
        image, gbuffers, classes = inputs(2)
        masks = torch.stack([(classes == k).float() for k in range(3)], dim=1)
        assert torch.equal(network(image, gbuffers, classes), network(image, gbuffers, masks))

    def test_a_stream_sees_only_its_channels_and_pixels(self) -> None:
        network = Enhancer(EnhancerSpec(5, ((4,), (0, 1, 2, 3)), **PRESETS["hr-tiny"])).eval()
        disturb(network)
        image, gbuffers, _ = inputs(1)
        classes = torch.zeros(1, 21, 26, dtype=torch.int64)
        changed = gbuffers.clone()
        changed[:, :4] += 1
        assert torch.equal(network(image, gbuffers, classes), network(image, changed, classes))
        changed = gbuffers.clone()
        changed[:, 4] += 1
        assert not torch.equal(network(image, gbuffers, classes), network(image, changed, classes))

    def test_gbuffers_matter_and_receive_gradient(self) -> None:
        network = small()
        disturb(network)
        image, gbuffers, classes = inputs(2)
        gbuffers.requires_grad_()
        network(image, gbuffers, classes).sum().backward()
        assert gbuffers.grad is not None
        assert gbuffers.grad.abs().sum() > 0
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())

    def test_output_stays_inside_the_range(self) -> None:
        network = small()
        disturb(network)
        out = network(*inputs(1))
        assert out.min() >= 0
        assert out.max() <= 1

    def test_refuses_masks_of_other_classes(self) -> None:
        image, gbuffers, _ = inputs(1)
        with pytest.raises(ValueError, match="masks"):
            small()(image, gbuffers, torch.zeros(1, 7, 21, 26))


@pytest.mark.parametrize("streams", [(), ((),), ((9,),)])
def test_spec_refuses_streams_without_channels(streams: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ValueError, match="streams"):
        EnhancerSpec(5, streams)


def test_spec_refuses_other_conditioning() -> None:
    with pytest.raises(ValueError, match="conditioning must be one of rad, rac"):
        EnhancerSpec(5, every_channel(5, 3), conditioning="film")
