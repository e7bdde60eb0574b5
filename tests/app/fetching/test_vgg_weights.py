"""Folding the input convention and scaling layers change no function that VGG16 computes."""

import io

import numpy as np
import onnx
import pytest
import torch

from app.fetching.vgg_weights import (
    CAFFE_MEAN_BGR,
    OXFORD_MEANS,
    convolutions,
    fold_input,
    mean_activations,
    read_onnx,
    read_torchvision,
    rescale,
)
from epe.networks.backbones.vgg import IMAGENET_MEAN, IMAGENET_STD, LAYERS, VGG16
from gbuffer_tools.errors import InputError
from tests.app.made import onnx_file


@pytest.fixture
def network() -> VGG16:
    torch.manual_seed(0)
    vgg = VGG16().eval()
    for name, value in vgg.state_dict().items():
        if name.endswith("bias"):
            value.normal_(std=0.1)
    return vgg


def test_convolutions_are_those_of_the_network(network: VGG16) -> None:
    ours = {f"{key}.weight": shape for _, key, shape in convolutions()}
    assert ours == {name: tuple(v.shape) for name, v in network.state_dict().items() if name.endswith("weight")}
    assert [layer for layer, _, _ in convolutions()] == list(LAYERS)


def test_folded_network_on_normalised_rgb_equals_raw_network_on_caffe_bgr() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 3, 3, 3, generator=generator, dtype=torch.float64)
    bias = torch.randn(5, generator=generator, dtype=torch.float64)
    rgb = torch.rand(2, 3, 9, 11, generator=generator, dtype=torch.float64)
    column = (1, 3, 1, 1)
    caffe = 255 * rgb.flip(1) - torch.tensor(CAFFE_MEAN_BGR, dtype=torch.float64).view(column)
    mean, std = (torch.tensor(v, dtype=torch.float64).view(column) for v in (IMAGENET_MEAN, IMAGENET_STD))

    raw = torch.nn.functional.conv2d(caffe, weight, bias)  # no padding: the border is where the two differ
    folded = torch.nn.functional.conv2d((rgb - mean) / std, *fold_input(weight, bias))

    # float64 throughout, sums of 27 products of size ~100: 1e-11 of it is rounding.
    torch.testing.assert_close(folded, raw, rtol=0, atol=1e-9)


def test_rescaling_divides_each_layer_by_its_constant(network: VGG16) -> None:
    constants = [float(k) for k in range(2, 15)]
    image = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(1))
    scaled = VGG16().eval()
    scaled.load_state_dict(rescale(network.state_dict(), constants))
    with torch.inference_mode():
        before, after = network(image, LAYERS), scaled(image, LAYERS)
    for layer, constant in zip(LAYERS, constants, strict=True):
        # float32 weights rounded anew at every one of 13 layers.
        torch.testing.assert_close(
            after[layer] * constant, before[layer], rtol=1e-4, atol=1e-4 * float(before[layer].max())
        )


def test_after_rescaling_by_its_means_every_layer_has_mean_one(network: VGG16) -> None:
    photos = list(np.random.default_rng(0).integers(0, 256, (2, 32, 48, 3), dtype=np.uint8))
    means = mean_activations(network.state_dict(), photos)
    assert len(means) == 13
    assert mean_activations(rescale(network.state_dict(), means), photos) == pytest.approx([1.0] * 13, rel=1e-4)


def test_mean_activation_counts_every_photo_the_same(network: VGG16) -> None:
    small, large = np.zeros((16, 16, 3), np.uint8), np.full((32, 48, 3), 255, np.uint8)
    each = [mean_activations(network.state_dict(), [photo]) for photo in (small, large)]
    both = mean_activations(network.state_dict(), [small, large])
    assert both == pytest.approx([(a + b) / 2 for a, b in zip(*each, strict=True)], rel=1e-6)


@pytest.mark.parametrize("constants", [[1.0] * 12, [1.0] * 12 + [0.0]])
def test_rescale_refuses_constants_that_are_none(network: VGG16, constants: list[float]) -> None:
    with pytest.raises(ValueError, match="13 positive"):
        rescale(network.state_dict(), constants)


def test_the_measured_constants_are_whole() -> None:
    assert len(OXFORD_MEANS) == len(LAYERS)
    assert min(OXFORD_MEANS) > 0


def test_read_onnx_finds_every_tensor_under_torchvision_names(network: VGG16) -> None:
    state = read_onnx(onnx_file(), "x.onnx")
    network.load_state_dict(state)
    assert state["features.0.weight"].unique().tolist() == [1.0]
    assert state["features.28.bias"].unique().tolist() == [5.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff not a protocol buffer", "not an ONNX file"),
        (onnx.ModelProto().SerializeToString(), "no tensor"),
        (onnx_file(drop="block3_conv2_1/Squeeze"), "block3_conv2"),
        (onnx_file(half=True), "wanted float32"),
    ],
)
def test_read_onnx_refuses(content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_onnx(content, "x.onnx")


def test_read_torchvision_keeps_the_convolutions_only(network: VGG16) -> None:
    state = dict(network.state_dict()) | {"classifier.0.weight": torch.zeros(2, 2)}
    read = read_torchvision(_saved(state), "vgg16.pth")
    assert set(read) == set(network.state_dict())
    torch.testing.assert_close(read["features.28.weight"], state["features.28.weight"], rtol=0, atol=0)


class Planted:
    """Unpickling this runs code."""

    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("planted",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"nothing", "not a file of plain weights"),
        (b"", "not a file of plain weights"),
        ({"features.0.weight": torch.zeros(64, 3, 3, 3)}, "features.0.bias"),
        ([1, 2], "no tensor"),
        ({"features.0.weight": Planted()}, "not a file of plain weights"),
    ],
)
def test_read_torchvision_refuses(content: object, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=message):
        read_torchvision(content if isinstance(content, bytes) else _saved(content), "vgg16.pth")
    assert "planted" not in capsys.readouterr().out


def _saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()
