"""VGG16 against torchvision's, and its three ways of treating borders."""

import pytest
import torch
import torch.nn.functional as F

from epe.networks.backbones.vgg import BEFORE_RELU, CHANNELS, LAYERS, VGG16, BlurredPool, Padding, max_pool
from tests.torchvision_loader import load_torchvision


def test_equals_torchvision() -> None:
    torchvision = load_torchvision()
    torch.manual_seed(0)
    reference = torchvision.models.vgg16(weights=None).features.eval()
    ours = VGG16("zeros")
    ours.load_state_dict({f"features.{name}": value for name, value in reference.state_dict().items()}, strict=False)
    # The reference has one more pooling, without parameters: every name must still have been taken.
    assert set(ours.state_dict()) == {f"features.{name}" for name in reference.state_dict()}
    image = torch.rand(2, 3, 50, 70)
    mean, std = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    got = ours(image)
    x, relus = (image - mean) / std, iter(LAYERS)
    for module in reference:
        x = module(x)
        if isinstance(module, torch.nn.ReLU):
            assert torch.equal(got[next(relus)], x)
        if got[LAYERS[-1]] is x:
            break


def test_shapes() -> None:
    features = VGG16()(torch.rand(1, 3, 48, 33))
    for name in LAYERS:
        block = int(name[4])
        assert features[name].shape == (1, CHANNELS[name], 48 >> (block - 1), 33 >> (block - 1))


def test_unpadded_196_gives_one_vector() -> None:
    with torch.device("meta"):
        assert VGG16("none")(torch.empty(1, 3, 196, 196), ["relu5_3"])["relu5_3"].shape == (1, 512, 1, 1)


def test_replicate_padding_leaves_a_constant_image_constant() -> None:
    features = VGG16("replicate")(torch.full((1, 3, 32, 32), 0.3))["relu3_3"]
    assert (features - features[..., :1, :1]).abs().max() < 1e-5
    features = VGG16("zeros")(torch.full((1, 3, 32, 32), 0.3))["relu3_3"]
    assert (features - features[..., :1, :1]).abs().max() > 1e-3


def test_stops_at_the_deepest_layer_asked() -> None:
    vgg = VGG16()
    called = []
    vgg.features[5].register_forward_hook(lambda *_: called.append(5))
    assert list(vgg(torch.rand(1, 3, 16, 16), ["relu1_2"])) == ["relu1_2"]
    assert not called


def test_before_the_relu_are_what_the_relu_is_of() -> None:
    image, vgg = torch.rand(2, 3, 32, 32), VGG16()
    found = vgg(image, [*BEFORE_RELU, *LAYERS])
    assert list(found) == [name for pair in zip(BEFORE_RELU, LAYERS, strict=True) for name in pair]
    assert all(torch.equal(found[a].relu(), found[b]) for a, b in zip(BEFORE_RELU, LAYERS, strict=True))
    assert (found["conv3_2"] < 0).any()
    assert torch.equal(vgg(image, ["conv5_3"])["conv5_3"], found["conv5_3"])


def test_refuses_an_unknown_layer_and_padding() -> None:
    with pytest.raises(ValueError, match="relu6_1"):
        VGG16()(torch.rand(1, 3, 16, 16), ["relu6_1"])
    with pytest.raises(ValueError, match="reflect"):
        VGG16("reflect")  # type: ignore[arg-type]


def test_blurred_pooling_by_hand() -> None:
    x = torch.arange(64.0).view(1, 1, 8, 8)
    found = BlurredPool()(x)
    assert found.shape == (1, 1, 5, 5)
    # The maximum at row r and column c is 9 + 8 r + c; a blur keeps slopes; the border of 2 puts output i at 2 i - 1.
    assert found[0, 0, 2, 1:4].tolist() == [9 + 8 * 3 + c for c in (1, 3, 5)]
    assert found[0, 0, 1:4, 2].tolist() == [9 + 8 * r + 3 for r in (1, 3, 5)]
    assert found[0, 0, 0, 2] == 9 + 8 * 1 + 3  # mirrored about row 0: rows 2, 1, 0 stand there


@pytest.mark.parametrize("shape", [(2, 3, 8, 6), (1, 5, 7, 9), (3, 1, 2, 2), (1, 4, 126, 63)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_pooling_without_gradients_is_max_pooling(shape: tuple[int, ...], layout: torch.memory_format) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
    x[0, 0, 0, 1] = float("nan")  # is passed on, not hidden
    assert torch.equal(max_pool(x).isnan(), F.max_pool2d(x, 2).isnan())
    assert torch.equal(max_pool(x).nan_to_num(9.0), F.max_pool2d(x, 2).nan_to_num(9.0))


@pytest.mark.parametrize("padding", ["zeros", "replicate"])
def test_gradients_or_not_the_features_are_the_same_bits(padding: Padding) -> None:
    torch.manual_seed(0)
    vgg, image = VGG16(padding), torch.rand(2, 3, 45, 38)
    with_gradients = vgg(image)
    with torch.no_grad():
        without = vgg(image)
    for layer in LAYERS:
        assert torch.equal(with_gradients[layer], without[layer])
