"""CUT: published sizes, pooling without aliasing, patches of the same places, pictures of any size."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from epe.networks.translators.cut import (
    PRESETS,
    TAPS,
    BlurDown,
    BlurUp,
    CutSpec,
    PatchCritic,
    Projections,
    Translator,
    draw_patch_indices,
)


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def tiny() -> Translator:
    torch.manual_seed(0)
    return Translator(CutSpec(**PRESETS["cut-tiny"])).eval()


def pictures(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def closed_form(width: int, blocks: int) -> int:
    """Weights and biases of all convolutions; the normalisations have none."""
    kernels = [(7, 3, 1), (3, 1, 2), (3, 2, 4), *[(3, 4, 4)] * 2 * blocks, (3, 4, 2), (3, 2, 1)]
    inputs = 49 * 3 * width + width  # the first sees colours
    inner = sum(k * k * a * b * width * width + b * width for k, a, b in kernels[1:])
    return inputs + inner + 49 * width * 3 + 3


def test_the_papers_networks_have_their_published_parameters() -> None:
    """The authors' program prints 11.378 M and 2.765 M (as it does for CycleGAN, which has the same two)."""
    with torch.device("meta"):
        assert count(Translator(CutSpec())) == closed_form(64, 9) == 11_378_179
        assert count(PatchCritic()) == 2_764_737


@pytest.mark.parametrize("preset", PRESETS)
def test_parameters_of_all_presets(preset: str) -> None:
    spec = CutSpec(**PRESETS[preset])
    with torch.device("meta"):
        assert count(Translator(spec)) == closed_form(spec.width, spec.blocks)


@pytest.mark.parametrize("pool", [BlurDown(), BlurUp()])
def test_pooling_keeps_constants(pool: torch.nn.Module) -> None:
    """Up to the border, which is mirrored or repeated. Powers of two: every product and sum is exact."""
    for size in ((8, 12), (7, 9)):
        x = torch.tensor([0.5, -2.0]).view(1, 2, 1, 1).expand(3, 2, *size)
        y = pool(x)
        assert torch.equal(y, x[..., :1, :1].expand_as(y))


def test_halving_is_the_weighted_mean_of_nine() -> None:
    x = pictures(1, 1, 8, 10)[0, 0].numpy()
    mirrored = np.pad(x, 1, mode="reflect")
    weights = np.outer([1, 2, 1], [1, 2, 1]) / 16
    wanted = [[(mirrored[i : i + 3, j : j + 3] * weights).sum() for j in range(0, 10, 2)] for i in range(0, 8, 2)]
    found = BlurDown()(torch.from_numpy(x)[None, None])[0, 0]
    assert np.allclose(found, wanted, atol=1e-6)  # fp32, nine products


def test_doubling_is_linear_interpolation() -> None:
    """Of (1, 3, 3, 1), each new place takes 3/4 of the nearest old place and 1/4 of the next."""
    x = pictures(2, 3, 5, 7)
    wanted = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.allclose(BlurUp()(x), wanted, atol=1e-6)


def test_gradients_of_pooling_agree_with_finite_differences() -> None:
    x = pictures(1, 2, 4, 5).double().requires_grad_()
    assert torch.autograd.gradcheck(BlurDown(), x)
    assert torch.autograd.gradcheck(BlurUp(), x)


def test_one_image_does_not_touch_another() -> None:
    network, image = tiny(), pictures(3, 3, 24, 32)
    with torch.no_grad():
        together = network(image)
        alone = torch.cat([network(image[i : i + 1]) for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-5)  # fp32, other blocking of the same sums
    assert (together[0] - together[1]).abs().max() > 1e-4


@pytest.mark.parametrize("size", [(8, 8), (33, 50), (9, 31)])
def test_any_size(size: tuple[int, int]) -> None:
    network, image = tiny(), pictures(1, 3, *size)
    with torch.no_grad():
        out = network(image)
        down, right = (-side % 4 for side in size)
        filled = F.pad(image, (0, right, 0, down), mode="reflect")
        assert out.shape == image.shape
        assert torch.equal(out, network(filled)[..., : size[0], : size[1]])
    assert 0 <= out.min() <= out.max() <= 1


def test_too_small() -> None:
    with pytest.raises(ValueError, match="8 pixels a side"):
        tiny()(pictures(1, 3, 7, 64))


def test_taps_are_the_papers_layers() -> None:
    """The padded picture, two convolutions before their normalisation, the first and the fifth residual block."""
    network, image = tiny(), pictures(2, 3, 32, 24)
    with torch.no_grad():
        features = network.encode(image, TAPS)
        assert torch.equal(features[0], F.pad(2 * image - 1, (3, 3, 3, 3), mode="reflect"))
        assert [x.shape[1] for x in features] == network.widths(TAPS) == [3, 8, 16, 16, 16]
        assert [tuple(x.shape[2:]) for x in features[1:]] == [(32, 24), (16, 12), (8, 6), (8, 6)]
        assert torch.equal(network.finish(features[-1], TAPS[-1]), network(image))
        every = tuple(range(17))
        assert [x.shape[1] for x in network.encode(image, every)] == network.widths(every)
        for tap in every:  # no layer writes over what an earlier one gave
            assert torch.equal(network.encode(image, every)[tap], network.encode(image, (tap,))[0])


@pytest.mark.parametrize("taps", [(), (4, 0), (0, 0), (-1,), (0, 17)])
def test_taps_that_cannot_be(taps: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"layers 0 \.\. 16"):
        tiny().widths(taps)


def test_projections_read_the_chosen_places() -> None:
    torch.manual_seed(0)
    projections = Projections((3, 5), outputs=6)
    features = [pictures(2, 3, 4, 5), pictures(2, 5, 2, 3)]
    indices = [torch.tensor([7, 19, 0]), torch.tensor([4])]
    found = projections(features, indices)
    assert [tuple(x.shape) for x in found] == [(2, 3, 6), (2, 1, 6)]
    for x, chosen, head, y in zip(features, indices, projections.heads, found, strict=True):
        for n, place in enumerate(chosen.tolist()):
            pixel = x[1, :, place // x.shape[3], place % x.shape[3]]
            value = head(pixel)
            assert torch.allclose(y[1, n], value / value.norm(), atol=1e-5)  # fp32


def test_places_are_drawn_without_repeats() -> None:
    features = [torch.zeros(1, 1, 6, 7), torch.zeros(1, 1, 2, 2)]
    torch.manual_seed(0)
    indices = draw_patch_indices(features, 20)
    assert [len(x) for x in indices] == [20, 4]
    assert all(len(x.unique()) == len(x) for x in indices)
    assert int(indices[0].max()) < 42
    torch.manual_seed(0)
    assert all(torch.equal(a, b) for a, b in zip(indices, draw_patch_indices(features, 20), strict=True))


def test_every_parameter_learns() -> None:
    network, critic = tiny(), PatchCritic(4)
    critic(network(pictures(1, 3, 32, 32))).sum().backward()
    # A bias before a normalisation that takes the mean away moves nothing.
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert [name for name in dead if not name.endswith("bias")] == []
    assert all(p.grad is not None for p in critic.parameters())


def test_a_critics_verdict_is_of_patches() -> None:
    """70 pixels or so: the far corner does not matter, but for the normalisation, whose statistics see it."""
    critic = PatchCritic(4).eval()
    for layer in critic.layers:
        if isinstance(layer, torch.nn.InstanceNorm2d):
            layer.forward = torch.nn.Identity().forward  # type: ignore[method-assign]
    image = pictures(1, 3, 160, 160)
    other = image.clone()
    other[..., 100:, 100:] = 0
    a, b = critic(image), critic(other)
    assert torch.equal(a[..., 0, 0], b[..., 0, 0])
    assert not torch.equal(a[..., -1, -1], b[..., -1, -1])


@pytest.mark.parametrize(("name", "value"), [("width", 0), ("width", True), ("blocks", 65), ("blocks", 9.0)])
def test_spec_refuses(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=name):
        CutSpec(**{name: value})
