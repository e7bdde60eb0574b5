"""The perceptual distance: closed forms, gradients, finite where features are zero, independence of the batch."""

import pytest
import torch
from torch.nn.functional import normalize

from epe.losses.perceptual import BEFORE_RELU, LAYERS, distance_before_relu, perceptual_distance, unit
from epe.networks.backbones.vgg import VGG16, frozen


def features(seed: int, batch: int = 3) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "relu1_2": torch.rand(batch, 4, 3, 5, generator=generator, dtype=torch.float64) + 0.1,
        "relu2_2": torch.rand(batch, 6, 2, 2, generator=generator, dtype=torch.float64) + 0.1,
    }


def test_unit_has_length_one_and_the_same_direction() -> None:
    x = features(0)["relu1_2"]
    # 1e-8: the 1e-10 inside the root, against squared lengths of 0.04 and more, is 1.3e-9.
    assert torch.allclose(unit(x), normalize(x, dim=1), rtol=1e-8)
    assert torch.allclose(unit(x).square().sum(dim=1), torch.ones(3, 3, 5, dtype=torch.float64), rtol=1e-8)
    assert torch.allclose(unit(1e3 * x), unit(x), rtol=1e-8)


def test_agrees_with_the_definition() -> None:
    a, b = features(0), features(1)
    wanted = torch.zeros(3, dtype=torch.float64)
    for name in b:
        difference = normalize(a[name], dim=1) - normalize(b[name], dim=1)
        wanted += difference.square().sum(1).mean(dim=(1, 2))
    assert torch.allclose(perceptual_distance(a, b), wanted, rtol=1e-7)  # the small number inside the root


def test_of_equals_is_zero_and_of_perpendicular_features_two_per_layer() -> None:
    a = features(0)
    assert perceptual_distance(a, a).tolist() == [0, 0, 0]
    left, right = torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 3)
    left[:, 0], right[:, 1] = 3, 7
    assert perceptual_distance({"x": left, "y": left}, {"x": right, "y": right}).item() == pytest.approx(4)


def test_layers_of_the_second_decide() -> None:
    a, b = features(0), features(1)
    assert torch.equal(perceptual_distance(a | {"relu9_9": a["relu1_2"]}, b), perceptual_distance(a, b))


def test_gradient_agrees_with_finite_differences() -> None:
    a, b = features(0, batch=2), features(1, batch=2)
    a = {name: value.requires_grad_() for name, value in a.items()}
    names = list(a)
    assert torch.autograd.gradcheck(
        lambda *v: perceptual_distance(dict(zip(names, v, strict=True)), b), list(a.values())
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradient_is_finite_where_all_channels_are_zero(dtype: torch.dtype) -> None:
    """A bare norm has no gradient at 0: the likely cause of the released code's NaN."""
    a = torch.rand(2, 4, 3, 3, dtype=dtype)
    a[0, :, 1, 1] = 0
    a.requires_grad_()
    b = torch.rand(2, 4, 3, 3, dtype=dtype)
    b[1, :, 0, 0] = 0
    distance = perceptual_distance({"x": a}, {"x": b})
    distance.sum().backward()
    assert torch.isfinite(distance).all()
    assert a.grad is not None
    assert torch.isfinite(a.grad).all()


def test_one_image_does_not_touch_another() -> None:
    a, b = features(0), features(1)
    alone = [
        perceptual_distance({k: v[i : i + 1] for k, v in a.items()}, {k: v[i : i + 1] for k, v in b.items()})
        for i in range(3)
    ]
    assert torch.allclose(torch.cat(alone), perceptual_distance(a, b), rtol=1e-12)


def test_grows_with_noise_on_an_image() -> None:
    torch.manual_seed(0)
    vgg = frozen(VGG16())
    image, noise = torch.rand(1, 3, 32, 32), torch.randn(1, 3, 32, 32)
    target = vgg(image, LAYERS)
    distances = [
        float(perceptual_distance(vgg((image + s * noise).clamp(0, 1), LAYERS), target)) for s in (0.0, 0.05, 0.2)
    ]
    assert distances[0] == 0
    assert distances == sorted(distances)
    assert distances[1] > 1e-4


def test_before_the_relu_absolute_differences_count_by_layer() -> None:
    """Constant differences: 0.1 * 2 + 0.1 * 3 + 1 * 1 + 1 * 0 + 1 * 5, of the second image three times as much."""
    differences = dict(zip(BEFORE_RELU, (2.0, 3.0, 1.0, 0.0, 5.0), strict=True))
    a = {name: torch.randn(2, 4, 3, 5, dtype=torch.float64) for name in BEFORE_RELU}
    signs = torch.tensor([1.0, -3.0]).view(2, 1, 1, 1)
    b = {name: a[name] + signs * difference for name, difference in differences.items()}
    assert distance_before_relu(a, b).tolist() == pytest.approx([6.5, 19.5])
    assert distance_before_relu(a, a).tolist() == [0, 0]


def test_before_the_relu_what_a_filter_does_not_see_counts() -> None:
    """Two images of one colour each differ there even where both are 0 after the ReLU."""
    vgg = frozen(VGG16()).double()
    dark, light = torch.zeros(1, 3, 32, 32).double(), torch.full((1, 3, 32, 32), 0.1).double()
    seen, wanted = vgg(dark, [*BEFORE_RELU, "relu1_2"]), vgg(light, [*BEFORE_RELU, "relu1_2"])
    silent = (seen["relu1_2"] == 0) & (wanted["relu1_2"] == 0)
    assert silent.any()
    assert (seen["conv1_2"] - wanted["conv1_2"])[silent].abs().min() > 0
    assert distance_before_relu(seen, wanted).item() > 0
