"""The published sizes of RealFormer 1: exact counts, what is sound, and what `legacy` follows."""

import re
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from epe.networks.enhancers.realformer_v1 import PRESETS, RealFormerV1, RealFormerV1Spec
from epe.networks.generators import build_generator
from tests.epe.networks.made import TINY, inputs, recorded, trained, unmoved

# reference/other_systems.md, 1.1: files of these sizes were published, but for v1_2, whose tree is not known.
TOTALS = {
    "realformer-v1_1": 224_133_129, "realformer-v1_2": 200_493_321, "realformer-v1_3": 93_093_129,
    "realformer-v1-tiny": 358_793,
}  # fmt: skip
PARTS = {
    "embed": 590_592, "positions": 786_432, "encoder": 8 * 8_269_824, "decoder": 8 * 11_817_216,
    "windows": 8 * 7_087_872, "norm": 1_536, "mlp": 4_722_432, "refinement": 20_745, "style": 612_096,
}  # fmt: skip

MOMENTS = {"rtol": 1e-4, "atol": 1e-5}
"""AdaIN takes means and variances in fp32."""


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def outline(name: str) -> RealFormerV1:
    with torch.device("meta"):
        network = build_generator(name, 5, [range(5)])
    assert isinstance(network, RealFormerV1)
    return network


def spec(**changes: bool | int) -> RealFormerV1Spec:
    return replace(TINY, **changes)


@pytest.mark.parametrize("name", PRESETS)
def test_parameters(name: str) -> None:
    assert parameters(outline(name)) == TOTALS[name]


def test_parts_of_v1_1() -> None:
    network = outline("realformer-v1_1")
    assert {name: parameters(part) for name, part in network.named_children()} == PARTS
    block = network.decoder[0]
    assert parameters(block.cross) == 2_363_136
    assert parameters(block.adain1) == 1_181_184


def test_the_code_s_own_printout_is_of_a_smaller_grid() -> None:
    with torch.device("meta"):
        assert parameters(RealFormerV1(RealFormerV1Spec(grid=16))) == 223_543_305


def test_v1_2_and_v1_3_lack_what_they_are_said_to_lack() -> None:
    second, third = outline("realformer-v1_2"), outline("realformer-v1_3")
    lacking = PARTS["mlp"] + 24 * 768 + 16 * 1_181_184
    assert parameters(second) == TOTALS["realformer-v1_1"] - lacking
    assert parameters(third.windows) == 12 * 7_087_872
    assert third.style is None
    assert third.kept_style.shape == (0,)


def test_every_parameter_learns_but_those_that_cancel() -> None:
    """The same number on all logits of a query, and a mean that a batch norm takes away, are without effect."""
    network = trained(spec())
    cancels = re.compile(r".*\.key\.bias|mlp\.2\.bias|refinement\.conv\.bias")
    assert unmoved(network) == {name for name, _ in network.named_parameters() if cancels.fullmatch(name)}


def test_a_block_without_positions_knows_no_location() -> None:
    block, x, style = trained(spec()).double().encoder[0], torch.randn(2, 9, 64).double(), torch.randn(2, 64).double()
    order = torch.randperm(9)
    torch.testing.assert_close(block(x[:, order], style)[0], block(x, style)[0][:, order], **MOMENTS)


def test_positions_tell_the_network_where_a_token_lies() -> None:
    """Here alone: without them, whole windows of a network without shifts and borders may be swapped."""
    network = trained(spec(windows=1))
    nn.init.zeros_(network.refinement.conv.weight)
    nn.init.normal_(network.refinement.conv.weight[:, :, 1, 1])  # no neighbours
    image, *rest = inputs(1, 64, 64)

    def apart() -> float:
        # Far from the borders of both halves, which the enlargement sees.
        difference = network(image.roll(32, dims=-1), *rest).roll(32, dims=-1) - network(image, *rest)
        return float(difference[..., 8:24].detach().abs().max())

    assert apart() > 1e-2
    nn.init.zeros_(network.positions.grid)
    assert apart() < 1e-5  # fp32


def test_the_memory_is_what_the_encoder_made_of_any_number_of_tokens() -> None:
    block = trained(spec()).decoder[0]
    x, skip, style = torch.randn(2, 6, 64), torch.randn(2, 6, 64), torch.randn(2, 64)
    made = block(x, skip, torch.randn(2, 11, 64), style)
    assert made.shape == (2, 6, 64)
    assert (made - block(x, skip, torch.randn(2, 11, 64), style)).abs().max() > 1e-3
    legacy = trained(spec(legacy=True)).decoder[0]
    assert torch.equal(legacy(x, skip, x, style), legacy(x, skip, torch.randn(2, 11, 64), style))


@pytest.mark.parametrize("legacy", [False, True])
def test_decoder_blocks_see_the_encoder_from_its_end(legacy: bool) -> None:
    network = trained(spec(encoders=3, legacy=legacy))
    encoded, decoded = recorded(network.encoder), recorded(network.decoder)
    network(*inputs(1, 32, 40))
    for (x, skip, memory, _), before, of in zip(
        decoded.taken, (encoded.given[2][0], *decoded.given), (2, 1), strict=False
    ):
        assert x is before
        assert skip is encoded.given[of][1]
        assert memory is encoded.given[2][0]
    assert len(decoded.taken) == 2


def test_crops_get_their_part_of_the_positions() -> None:
    network, frame = trained(spec()), inputs(1, 32, 40)
    crop_box = torch.tensor([[0.25, 0.5, 0.75, 1.0]])
    positions = recorded([network.positions])
    assert not torch.equal(network(*frame, crop_box=crop_box), network(*frame))
    assert torch.equal(positions.given[0], network.positions(4, 5, crop_box))


def test_a_token_sees_past_its_window_through_the_shifted_one() -> None:
    network = trained(spec(encoders=0, decoders=0))
    image = inputs(1, 64, 64)[0].requires_grad_()
    (gradient,) = torch.autograd.grad(network(image, image, image)[0, :, 28, 28].sum(), image)
    seen = gradient[0].abs().sum(0) > 0
    # Pixel 28 is made of tokens 2 to 4, whose shifted window 2 .. 5 is made of windows 0 .. 3 and 4 .. 7.
    assert seen[60, 60]
    alone = trained(spec(encoders=0, decoders=0, windows=1))
    (gradient,) = torch.autograd.grad(alone(image, image, image)[0, :, 12, 12].sum(), image)
    assert not gradient[..., 40:].any()


@pytest.mark.parametrize("learns", [False, True])
def test_statistics_rest_where_the_batch_norm_does_not_learn(learns: bool) -> None:
    network, frame = trained(spec()).train(), inputs(2, 24, 40)
    network.refinement.requires_grad_(learns)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network(*frame)
    after = network.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    statistics = {f"refinement.norm.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}
    assert moved == (statistics if learns else set())


class TestLegacy:
    def test_pictures_are_what_a_rectifier_lets_through(self) -> None:
        network, (image, *rest) = trained(spec(legacy=True)), inputs(2, 33, 50)
        out = network(image, *rest)
        assert out.shape == image.shape
        assert out.min() == 0
        assert out.max() > 0
        assert (network.train()(image, *rest) - image).abs().max() > 0.1

    def test_blocks_are_the_published_ones(self) -> None:
        """Retyped: norms behind the sums, instance norms behind these, whose scale has no 1."""
        block = trained(spec(legacy=True)).double().encoder[0]
        with torch.no_grad():
            block.adain.fc.bias[:64] += 1  # as published: what is read is the scale
        x, style = torch.randn(2, 9, 64).double(), torch.randn(2, 64).double()

        def adain(x: Tensor) -> Tensor:
            scale, shift = block.adain.fc(style)[:, :, None].chunk(2, dim=1)
            return (nn.functional.instance_norm(x.mT) * scale + shift).mT

        halfway = adain(block.norm1(x + block.attention(x)))
        wanted = adain(block.norm2(halfway + block.feed(halfway)))
        with torch.no_grad():
            block.adain.fc.bias[:64] -= 1
        torch.testing.assert_close(block(x, style), (wanted, halfway), **MOMENTS)

    @pytest.mark.parametrize("legacy", [True, "published"])
    def test_the_last_convolution_pads_with_zeros(self, legacy: bool | str) -> None:
        """Retyped; repeating borders would be 0.1 off and more at borders, and nowhere else."""
        head, x = trained(spec(legacy=legacy)).refinement, torch.randn(1, 5, 6, 64)
        norm = head.norm

        def made(padded: Tensor) -> Tensor:
            y = nn.functional.conv2d(padded, head.conv.weight, head.conv.bias)
            y = (y - norm.running_mean.view(-1, 1, 1)) / (norm.running_var.view(-1, 1, 1) + norm.eps).sqrt()
            y = (y * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1)).relu()
            return nn.functional.interpolate(y, size=(40, 48), mode="bilinear", align_corners=False)

        zeros, repeated = (
            nn.functional.pad(x.movedim(3, 1), (1,) * 4, mode=mode) for mode in ("constant", "replicate")
        )
        torch.testing.assert_close(head(x), made(zeros), rtol=0, atol=1e-5)
        off = (head(x) - made(repeated)).abs()
        assert off.max() > 0.1
        assert off[..., 12:-12, 12:-12].max() < 1e-5

    def test_scales_start_as_a_linear_layer_without_the_one(self) -> None:
        torch.manual_seed(0)
        fc = RealFormerV1(spec(legacy=True)).encoder[0].adain.fc
        assert (1 + fc.bias[:64]).abs().max() <= 1 / 8  # torch's bound for 64 inputs
        assert fc.weight.abs().max() > 0

    def test_what_norms_learn_before_adain_is_lost(self) -> None:
        block, x, style = trained(spec(legacy=True)).encoder[0], torch.randn(2, 9, 64), torch.randn(2, 64)
        before, _ = block(x, style)
        with torch.no_grad():
            block.norm1.weight.mul_(2)
            block.norm1.bias.add_(3)
        torch.testing.assert_close(block(x, style)[0], before, rtol=1e-3, atol=1e-4)  # the eps below the variance


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("patch", 1),
        ("heads", 3),
        ("width", 0),
        ("decoders", 3),
        ("windows", True),
        ("grid", 257),
        ("legacy", 1),
        ("legacy", "yes"),
    ],
)
def test_spec_refuses(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=name):
        spec(**{name: value})
