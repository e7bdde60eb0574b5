"""SPADE: published sizes, the modulated normalisation written out, label maps of any size."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from epe.layers.spade import SPADE
from epe.networks.translators.spade import DOUBLED, PRESETS, Block, Critics, SpadeSpec, Synthesis


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def tiny(labels: int = 5) -> Synthesis:
    """A network whose every part matters: first weights are so small that pictures are all but grey."""
    torch.manual_seed(0)
    network = Synthesis(SpadeSpec(labels, **PRESETS["spade-tiny"]))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return network


def maps(*shape: int, labels: int = 5, seed: int = 1) -> torch.Tensor:
    return torch.randint(labels, shape, generator=torch.Generator().manual_seed(seed))


def modulation(features: int, labels: int, hidden: int) -> int:
    """A shared layer, and two that it feeds, of 3x3."""
    return 9 * labels * hidden + hidden + 2 * (9 * hidden * features + features)


def closed_form(labels: int, width: int, hidden: int) -> int:
    """The first convolution and the last; per block two convolutions with their modulations, and the skip with its."""
    steps = [16, 16, 16, 16, 8, 4, 2, 1]
    total = 9 * labels * 16 * width + 16 * width + 9 * width * 3 + 3
    for a, b in pairwise(steps):
        inputs, outputs, middle = a * width, b * width, min(a, b) * width
        total += 9 * inputs * middle + middle + 9 * middle * outputs + outputs
        total += modulation(inputs, labels, hidden) + modulation(middle, labels, hidden)
        if a != b:
            total += inputs * outputs + modulation(inputs, labels, hidden)
    return total


@pytest.mark.parametrize(("labels", "millions"), [(19, "92.5"), (184, "97.5")])
def test_the_papers_generator_has_its_parameters(labels: int, millions: str) -> None:
    """92.5 million is what the authors' program prints for 19 labels; 184: COCO's 182, unknown, and edges."""
    with torch.device("meta"):
        found = count(Synthesis(SpadeSpec(labels)))
    assert found == closed_form(labels, 64, 128)
    assert f"{found / 1e6:.1f}" == millions


def test_the_papers_critics_have_their_parameters() -> None:
    """5.6 million is what the authors' program prints for 19 labels."""
    with torch.device("meta"):
        found = count(Critics(19))
    first, inner, last = 16 * 22 * 64 + 64, 16 * 64 * 64 * (1 * 2 + 2 * 4 + 4 * 8), 16 * 512 + 1
    assert found == 2 * (first + inner + last)
    assert f"{found / 1e6:.1f}" == "5.6"


@pytest.mark.parametrize("preset", PRESETS)
def test_parameters_of_all_presets(preset: str) -> None:
    spec = SpadeSpec(12, **PRESETS[preset])
    with torch.device("meta"):
        assert count(Synthesis(spec)) == closed_form(12, spec.width, spec.hidden)


class TestModulation:
    def test_without_terms_it_is_the_plain_normalisation(self) -> None:
        spade = SPADE(4, 3, 6, torch.nn.BatchNorm2d(4, affine=False))
        for layer in (spade.scale, spade.shift):
            torch.nn.init.zeros_(layer.weight)
            torch.nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        x, masks = torch.randn(2, 4, 5, 6), torch.rand(2, 3, 5, 6)
        mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
        assert torch.allclose(spade(x, masks), (x - mean) / (variance + 1e-5).sqrt(), atol=1e-6)  # fp32

    def test_agrees_with_the_definition(self) -> None:
        spade = SPADE(4, 3, 6, torch.nn.BatchNorm2d(4, affine=False)).double().eval()
        x, masks = torch.randn(2, 4, 5, 6).double(), torch.rand(2, 3, 5, 6).double()
        shared = spade.shared(masks).clamp(min=0)
        plain = x / (1 + 1e-5) ** 0.5  # statistics of an untrained network: mean 0, variance 1
        wanted = plain * (1 + spade.scale(shared)) + spade.shift(shared)
        assert torch.allclose(spade(x, masks), wanted, rtol=1e-12)  # float64
        with torch.no_grad():  # writes over its own results there
            assert torch.allclose(spade(x, masks), wanted, rtol=1e-12)

    def test_gradients_agree_with_finite_differences(self) -> None:
        torch.manual_seed(0)
        spade = SPADE(2, 3, 4, torch.nn.BatchNorm2d(2, affine=False)).double()
        x = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
        masks = torch.rand(2, 3, 3, 3, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(spade, (x, masks))

    def test_group_normalisation_stays_the_default(self) -> None:
        assert isinstance(SPADE(8, 3, 4).norm, torch.nn.GroupNorm)


def test_a_block_learns_its_skip_where_widths_differ() -> None:
    x, masks = torch.randn(1, 4, 6, 6), torch.rand(1, 3, 6, 6)
    same, other = Block(4, 4, 3, 5), Block(4, 2, 3, 5)
    assert same.skip is None
    assert same(x, masks).shape == (1, 4, 6, 6)
    assert other(x, masks).shape == (1, 2, 6, 6)
    assert other.skip is not None
    assert other.skip.bias is None


@pytest.mark.parametrize("size", [(32, 64), (33, 50), (1, 7)])
def test_any_size(size: tuple[int, int]) -> None:
    network, labels = tiny().eval(), maps(2, *size)
    with torch.no_grad():
        out = network(labels)
        down, right = (-side % 32 for side in size)
        repeated = F.pad(labels.float()[:, None], (0, right, 0, down), mode="replicate")[:, 0].long()
        assert out.shape == (2, 3, *size)
        assert torch.equal(out, network(repeated)[..., : size[0], : size[1]])
    assert 0 <= out.min() <= out.max() <= 1


def test_blocks_see_the_nearest_label() -> None:
    """What torch's nearest interpolation of the masks gives, at the resolution of each block."""
    network, labels = tiny(), maps(1, 64, 96)
    seen: list[torch.Tensor] = []
    for block in network.blocks:
        block.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    network(labels)
    masks = F.one_hot(labels, 5).movedim(-1, 1).float()
    step = 32
    for found, doubled in zip(seen, DOUBLED, strict=True):
        step //= 1 + doubled
        assert torch.equal(found, F.interpolate(masks, size=(64 // step, 96 // step)))
    assert step == 1


def test_ids_and_masks_are_the_same() -> None:
    network, labels = tiny().eval(), maps(1, 40, 50)
    with torch.no_grad():
        masks = F.one_hot(labels, 5).movedim(-1, 1).contiguous()
        assert torch.allclose(network(labels), network(masks), atol=1e-5)  # fp32, another layout in memory


def test_one_image_does_not_touch_another_when_used() -> None:
    """In training batch normalisation mixes them."""
    network, labels = tiny(), maps(3, 32, 32)
    for _ in range(3):
        network(labels)  # statistics
    network.eval()
    with torch.no_grad():
        together = network(labels)
        alone = torch.cat([network(labels[i : i + 1]) for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-5)  # fp32, other blocking of the same sums
    assert (together[0] - together[1]).abs().max() > 1e-2


def test_an_id_outside_the_taxonomy() -> None:
    with pytest.raises(RuntimeError, match="smaller than"):
        tiny()(torch.full((1, 32, 32), 5))


def test_critics_see_the_image_at_two_scales_beside_its_labels() -> None:
    critics = Critics(5, 4).eval()
    image, labels = torch.rand(2, 3, 64, 64), maps(2, 64, 64)
    with torch.no_grad():
        results = critics(image, labels)
        assert [len(layers) for layers in results] == [5, 5]
        assert [x.shape[1] for x in results[0]] == [4, 8, 16, 32, 1]
        # Kernels of 4 over borders of 2: n / 2 + 1 where places are halved, n + 1 where not.
        assert [x.shape[2] for x in results[0]] == [33, 17, 9, 10, 11]
        assert [x.shape[2] for x in results[1]] == [17, 9, 5, 6, 7]
        other = critics(image, (labels + 1) % 5)
    assert all(not torch.equal(a[-1], b[-1]) for a, b in zip(results, other, strict=True))


def test_every_parameter_learns() -> None:
    network, critics, labels = tiny(), Critics(5, 4), maps(2, 64, 64)
    scores = critics(network(labels), labels)
    torch.stack([layers[-1].square().sum() for layers in scores]).sum().backward()
    # A bias before a normalisation that takes the mean away moves nothing.
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert [name for name in dead if not name.endswith("first.bias")] == []
    assert all(p.grad is not None for p in critics.parameters())


@pytest.mark.parametrize(("name", "value"), [("labels", 0), ("labels", 257), ("width", True), ("hidden", 0)])
def test_spec_refuses(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=name):
        SpadeSpec(**({"labels": 5} | {name: value}))
