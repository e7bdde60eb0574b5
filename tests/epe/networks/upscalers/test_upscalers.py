"""What holds for every upscaler: published sizes, pictures of any size, guides that first change nothing."""

import pytest
import torch
from torch import Tensor, nn

from epe.networks.generators import UPSCALERS, build_upscaler, upscaler_names
from epe.networks.upscalers.dual_attention import DualAttention, DualAttentionSpec
from epe.networks.upscalers.guided import Guided, GuidedSpec
from epe.networks.upscalers.rrdb import RRDBNet, RRDBSpec
from epe.networks.upscalers.srvgg import SRVGG, SRVGGSpec
from epe.networks.upscalers.unet_sn import UNetSN, UNetSNSpec
from epe.upscaler import Upscaler

TINY = {
    "rrdb": {"blocks": 1, "width": 8, "growth": 4},
    "srvgg": {"convolutions": 2, "width": 8},
    "dual-attention": {"pairs": 2, "width": 16, "heads": 4},
    "guided-upscaler": {"guides": 2, "width": 8, "blocks": 1, "detail": 4},
}
SIZES = [(16, 16), (13, 10), (1, 1), (2, 7), (5, 64)]


def tiny(kind: type[Upscaler], **sizes: int) -> Upscaler:
    """A small upscaler with weights that do something: layers that start at zero do not."""
    torch.manual_seed(0)
    network = kind.from_spec({**TINY[kind.kind], **sizes}).eval()
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return network


def inputs(network: Upscaler, size: tuple[int, int], batch: int = 1) -> tuple[Tensor, Tensor | None]:
    torch.manual_seed(1)
    guides, scale = network.spec.guides, network.spec.scale
    around = torch.rand(batch, guides, scale * size[0], scale * size[1]) if guides else None
    return torch.rand(batch, 3, *size), around


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("rrdb-x4", 16_697_987),
        ("rrdb-x4-6b", 4_467_779),
        ("rrdb-x2", 16_703_171),
        ("srvgg-16", 621_424),
        ("srvgg-32", 1_213_296),
        ("dual-attention-x4-legacy", 12_753_968),
    ],
)
def test_published_networks_have_their_parameters(name: str, parameters: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in build_upscaler(name).parameters()) == parameters


def test_the_discriminator_has_its_published_parameters() -> None:
    assert sum(p.numel() for p in UNetSN(UNetSNSpec()).parameters()) == 4_376_897


def test_the_default_transformer_adds_temperatures_and_position_biases() -> None:
    with torch.device("meta"):
        found = sum(p.numel() for p in build_upscaler("dual-attention-x4").parameters())
    # 8 blocks: 16 heads with one temperature each; 16 heads with 7 x 7 distances within windows of 4.
    assert found == 12_753_968 + 8 * 16 + 8 * 16 * 49


def test_the_small_transformer_has_the_parameters_of_its_sizes() -> None:
    with torch.device("meta"):
        found = sum(p.numel() for p in build_upscaler("dual-attention-x4-small").parameters())
    width, heads = 96, 6
    # Query, key, value and result; two layers to four times the width and back; two norms: weights and biases.
    block = 4 * (width**2 + width) + 8 * width**2 + 5 * width + 4 * width
    ends = (3 * 9 + 1) * width + (width * 9 + 1) * 3 * 16
    assert found == ends + 4 * (2 * block + heads + heads * 49)


def test_one_layer_of_the_published_fine_tuning_has_its_parameters() -> None:
    with torch.device("meta"):
        network = build_upscaler("rrdb-x4")
    found = dict(network.named_modules())
    count = {name: sum(p.numel() for p in found[name].parameters()) for name in ("conv_last", "body.2.rdb3.conv5")}
    assert count == {"conv_last": 1731, "body.2.rdb3.conv5": 110_656}


def test_names_are_unique_and_every_kind_is_tried_here() -> None:
    assert len(set(upscaler_names())) == len(upscaler_names())
    assert {kind.kind for kind in UPSCALERS} == set(TINY)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("kind", UPSCALERS, ids=lambda kind: kind.kind)
def test_pictures_of_any_size(kind: type[Upscaler], scale: int, size: tuple[int, int]) -> None:
    for guides in {kind.spec_type.guides, 2}:
        network = tiny(kind, scale=scale, guides=guides)
        with torch.inference_mode():
            made = network(*inputs(network, size, batch=2))
        assert made.shape == (2, 3, scale * size[0], scale * size[1])
        assert made.isfinite().all()


@pytest.mark.parametrize("kind", UPSCALERS, ids=lambda kind: kind.kind)
def test_pictures_of_a_batch_do_not_touch_each_other(kind: type[Upscaler]) -> None:
    network = tiny(kind)
    image, guides = inputs(network, (16, 12), batch=3)
    with torch.inference_mode():
        whole = network(image, guides)
        for i in range(3):
            one = network(image[i : i + 1], None if guides is None else guides[i : i + 1])
            # 1e-5: convolutions of another batch size may sum in another order.
            assert torch.allclose(whole[i], one[0], atol=1e-5)


@pytest.mark.parametrize("kind", [RRDBNet, SRVGG, DualAttention], ids=lambda kind: kind.kind)
def test_guides_change_no_bit_at_first_and_get_gradients(kind: type[Upscaler]) -> None:
    plain = tiny(kind)
    guided = kind.from_spec({**TINY[kind.kind], "guides": 3})
    missing, unexpected = guided.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert all(name.startswith("guide") for name in missing)
    image, guides = inputs(guided, (12, 8))
    assert torch.equal(plain(image), guided(image, guides))
    guided(image, guides).square().sum().backward()
    lasts = [p for name, p in guided.named_parameters() if name.startswith("guide") and ".last." in name]
    assert lasts
    assert all(p.grad is not None and p.grad.any() for p in lasts)


@pytest.mark.parametrize("kind", [Guided, DualAttention], ids=lambda kind: kind.kind)
def test_our_networks_are_bicubic_at_first(kind: type[Upscaler]) -> None:
    network = kind.from_spec(TINY[kind.kind])
    image, guides = inputs(network, (12, 8))
    wanted = nn.functional.interpolate(image, scale_factor=4, mode="bicubic", align_corners=False)
    assert torch.equal(network(image, guides), wanted)


@pytest.mark.parametrize("kind", UPSCALERS, ids=lambda kind: kind.kind)
def test_every_parameter_has_a_gradient(kind: type[Upscaler]) -> None:
    network = tiny(kind, guides=2).train()
    # Of 16 pixels: shifted windows have to hold more than one window.
    network(*inputs(network, (16, 16))).square().sum().backward()
    assert not [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]


@pytest.mark.parametrize("kind", UPSCALERS, ids=lambda kind: kind.kind)
def test_wrong_guides_are_refused(kind: type[Upscaler]) -> None:
    network = tiny(kind, guides=2)
    image = torch.rand(1, 3, 8, 8)
    with pytest.raises(ValueError, match="got 0 guide channels, wanted 2"):
        network(image)
    with pytest.raises(ValueError, match="got 3 guide channels, wanted 2"):
        network(image, torch.rand(1, 3, 32, 32))
    with pytest.raises(ValueError, match="wanted \\(32, 32\\): 4 x the image"):
        network(image, torch.rand(1, 2, 32, 30))


@pytest.mark.parametrize(
    ("spec", "sizes"),
    [
        (RRDBSpec, {"scale": 3}),
        (RRDBSpec, {"blocks": 0}),
        (SRVGGSpec, {"width": 10_000}),
        (DualAttentionSpec, {"heads": 7}),
        (DualAttentionSpec, {"legacy": "yes"}),
        (GuidedSpec, {"guides": 0}),
        (UNetSNSpec, {"width": 1}),
    ],
)
def test_sizes_that_cannot_be(spec: type, sizes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(sizes))):
        spec(**sizes)


class TestDualAttention:
    def attention(self, legacy: bool) -> nn.Module:
        torch.manual_seed(0)
        return DualAttention(DualAttentionSpec(pairs=1, width=64, heads=4, legacy=legacy)).body[1].attention.tokens

    def weights(self, legacy: bool, tokens: Tensor) -> Tensor:
        """What the features of a head are mixed by."""
        attention = self.attention(legacy)
        q, k, _ = (found.mT for found in attention.project(tokens, tokens))
        if legacy:
            return (q @ k.mT / tokens.shape[-2] ** 2).softmax(-1)
        q, k = attention.temperature * nn.functional.normalize(q, dim=-1), nn.functional.normalize(k, dim=-1)
        return (q @ k.mT).softmax(-1)

    def test_legacy_mixes_all_features_alike_at_first_and_the_default_does_not(self) -> None:
        tokens = torch.randn(1, 4096, 64)
        assert (self.weights(True, tokens) - 1 / 16).abs().max() < 1e-4
        assert (self.weights(False, tokens) - 1 / 16).abs().max() > 5e-3

    def test_the_default_does_not_depend_on_the_images_size(self) -> None:
        tokens = torch.randn(1, 256, 64)
        larger = tokens.repeat(1, 4, 1)  # the same statistics, four times the area
        with torch.inference_mode():
            for legacy in (False, True):
                before, after = self.attention(legacy)(tokens), self.attention(legacy)(larger)[:, :256]
                assert torch.allclose(before, after, atol=1e-6) is not legacy

    def test_only_shifted_windows_look_across_borders(self) -> None:
        """The first pixel changes; features four pixels away change only where a window holds both."""
        for legacy in (True, False):
            torch.manual_seed(0)
            blocks = DualAttention(DualAttentionSpec(pairs=2, width=16, heads=4, legacy=legacy)).body[2:3]
            x = torch.randn(1, 8, 8, 16)
            other = x.clone()
            other[:, 3, 3] += 1
            reached = (blocks(x) != blocks(other)).any(-1)[0]
            assert bool(reached[4, 4]) is not legacy
