import numpy as np
import pytest
import torch

from epe.networks.backbones.vgg import VGG16, frozen
from eval.features.vgg_features import LAYERS, Extractor


def extractor(pooling="none", batch=4, dtype=torch.float32, precision="fp32"):
    torch.manual_seed(0)
    return Extractor(frozen(VGG16().to(dtype)), pooling, batch, torch.device("cpu"), precision=precision)


def crops(count=5, side=32):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def test_dimensions_of_flattened_and_pooled_maps():
    channels, scales = (64, 128, 256, 512, 512), (1, 2, 4, 8, 16)
    flat, pooled = extractor()(crops(), LAYERS), extractor("mean")(crops(), LAYERS)
    for layer, c, scale in zip(LAYERS, channels, scales, strict=True):
        assert flat[layer].shape == (5, c * (32 // scale) ** 2)
        mean = flat[layer].reshape(5, c, -1).mean(dim=2)
        assert torch.allclose(mean, pooled[layer], rtol=1e-5, atol=1e-6)  # float32 sums in another order


@pytest.mark.parametrize("batch", [1, 2, 16])
def test_batch_size_does_not_matter(batch):
    one, other = extractor(batch=batch)(crops(), LAYERS), extractor(batch=3)(crops(), LAYERS)
    for layer in LAYERS:
        # 1e-5 of the layer's size: float32 convolutions choose their algorithm by batch size.
        assert torch.allclose(one[layer], other[layer], rtol=0, atol=1e-5 * float(one[layer].max()))


def test_agrees_with_plain_numpy():
    """Convolution written out as nine shifted products, in float64."""
    network = extractor(dtype=torch.float64)
    pixels = crops(2)
    found = network(pixels, LAYERS)
    mean, std = (np.float32(v).astype(float)[:, None, None] for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    x = (pixels.transpose(0, 3, 1, 2) / 255.0 - mean) / std
    state = {name: value.numpy() for name, value in network.vgg.state_dict().items()}
    numbers = iter(sorted({int(name.split(".")[1]) for name in state}))
    for block, depth in enumerate((2, 2, 3, 3, 3)):
        for _ in range(depth):
            number = next(numbers)
            weight, bias = state[f"features.{number}.weight"], state[f"features.{number}.bias"]
            height, width = x.shape[2:]
            padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
            total = np.zeros((len(x), len(weight), height, width)) + bias[:, None, None]
            for i in range(3):
                for j in range(3):
                    window = padded[:, :, i : i + height, j : j + width]
                    total += np.tensordot(weight[:, :, i, j], window, axes=(1, 1)).transpose(1, 0, 2, 3)
            x = np.maximum(total, 0.0)
        # 1e-10: both in float64, up to 4608 terms per sum.
        assert found[LAYERS[block]].numpy() == pytest.approx(x.reshape(2, -1), rel=1e-10, abs=1e-10)
        x = np.maximum.reduce([x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)])


@pytest.mark.parametrize("pooling", ["none", "mean"])
@pytest.mark.parametrize("side", [32, 47])
def test_widths_and_type_are_known_beforehand(pooling, side):
    for network in (extractor(pooling), extractor(pooling, precision="bf16")):
        found = network(crops(1, side), LAYERS)
        assert {layer: rows.shape[1] for layer, rows in found.items()} == network.widths(side, LAYERS)
        assert {rows.dtype for rows in found.values()} == {network.dtype}


def test_bfloat16_is_near():
    one, other = extractor()(crops(), LAYERS), extractor(precision="bf16")(crops(), LAYERS)
    for layer in LAYERS:
        error = (one[layer] - other[layer].float()).norm() / one[layer].norm()
        # Each of up to 13 layers rounds by 2^-9 of itself at most, weights and inputs likewise; errors of random sign.
        assert 1e-4 < float(error) < 13**0.5 * 2 * 2**-9
