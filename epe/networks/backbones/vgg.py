"""VGG16's convolutional part: the features used by matching, the discriminator, perceptual distances and sKVD.

Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015, configuration D.

Shapes: B images, H W pixels.
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.layers.convolutions import ReplicateConv2d

Padding = Literal["zeros", "replicate", "none"]
Pooling = Literal["max", "blurred"]

# Width of each convolution, and "M" for the 2x2 max pooling between blocks.
LAYOUT: tuple[int | str, ...] = (
    64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512,
)  # fmt: skip

LAYERS = (
    "relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu3_2", "relu3_3",
    "relu4_1", "relu4_2", "relu4_3", "relu5_1", "relu5_2", "relu5_3",
)  # fmt: skip

BEFORE_RELU = tuple(name.replace("relu", "conv") for name in LAYERS)
"""The same layers before their ReLU: conv1_1, …"""

CHANNELS: dict[str, int] = dict(zip(LAYERS, (w for w in LAYOUT if isinstance(w, int)), strict=True))
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def max_pool(x: Tensor) -> Tensor:
    """Apply 2 x 2 max pooling with stride 2 when no gradient is needed; the same result as `nn.MaxPool2d(2)`.

    On a CPU, `nn.MaxPool2d` also finds each maximum's index, and takes seven times as long: a seventh of VGG16's time.

    Args:
        x: (B, C, H, W).

    Returns:
        (B, C, H / 2, W / 2), rounded down.
    """
    height, width = (side // 2 * 2 for side in x.shape[-2:])
    rows = torch.maximum(x[..., 0:height:2, :width], x[..., 1:height:2, :width])
    return torch.maximum(rows[..., 0::2], rows[..., 1::2])


def _convolution(inputs: int, outputs: int, padding: Padding) -> nn.Conv2d:
    if padding == "replicate":
        return ReplicateConv2d(inputs, outputs)
    return nn.Conv2d(inputs, outputs, 3, padding=0 if padding == "none" else 1)


class BlurredPool(nn.Module):
    """Anti-aliased pooling: 2 x 2 max pooling with stride 1, reflection padding by 2, blur (1, 2, 1) with stride 2.

    Zhang, "Making Convolutional Networks Shift-Invariant Again", 2019; the padding of Ghildyal, Liu, "Shift-tolerant
    Perceptual Similarity Metric", 2022. Maps (B, C, H, W) become (B, C, (H + 2) / 2, (W + 2) / 2), rounded down.
    """

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(F.max_pool2d(x, 2, 1), (2, 2, 2, 2), mode="reflect")
        line = x.new_tensor((0.25, 0.5, 0.25))
        kernel = (line[:, None] * line).expand(x.shape[1], 1, 3, 3)
        return F.conv2d(x, kernel, stride=2, groups=x.shape[1])


class VGG16(nn.Module):
    """VGG16 up to relu5_3, without the classifier.

    Parameters have torchvision's names (`features.0.weight`, …), so its state dict loads unchanged.

    Args:
        padding: "zeros" as trained, for metrics; "replicate" for the discriminator (no dark rim); "none" for matching,
            where a 196 px crop gives exactly one relu5_3 vector.
        pooling: "max" as published, or "blurred" (`BlurredPool`), as in ST-LPIPS.

    Raises:
        ValueError: the padding is unknown.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, padding: Padding = "zeros", pooling: Pooling = "max") -> None:
        super().__init__()
        if padding not in ("zeros", "replicate", "none"):
            raise ValueError(f"padding must be zeros, replicate or none, got {padding!r}.")
        self.padding = padding
        modules: list[nn.Module] = []
        width = 3
        for item in LAYOUT:
            if isinstance(item, int):
                modules += [_convolution(width, item, padding), nn.ReLU()]
                width = item
            else:
                modules.append(nn.MaxPool2d(2) if pooling == "max" else BlurredPool())
        self.features = nn.Sequential(*modules)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)
        for module in modules:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, image: Tensor, layers: Sequence[str] = LAYERS) -> dict[str, Tensor]:
        """Return the features of RGB images.

        Args:
            image: (B, 3, H, W), sRGB in [0, 1]; normalised inside by ImageNet's mean and standard deviation.
            layers: names from `LAYERS` and `BEFORE_RELU`; layers beyond the deepest of these are not computed.

        Returns:
            Features by layer, (B, C, H / 2^(block - 1), W / 2^(block - 1)); those of `LAYERS` are not negative.

        Raises:
            ValueError: a layer is unknown.
        """
        unknown = [name for name in layers if name not in LAYERS + BEFORE_RELU]
        if unknown:
            raise ValueError(f"VGG16 has no layer {unknown[0]!r}; it has {', '.join(LAYERS)}.")
        found: dict[str, Tensor] = {}
        names = (name for pair in zip(BEFORE_RELU, LAYERS, strict=True) for name in pair)
        x = (image - self.mean) / self.std
        for module in self.features:
            needs_gradient = torch.is_grad_enabled() and x.requires_grad
            x = max_pool(x) if isinstance(module, nn.MaxPool2d) and not needs_gradient else module(x)
            if isinstance(module, nn.Conv2d | nn.ReLU):
                name = next(names)
                if name in layers:
                    found[name] = x
                if len(found) == len(set(layers)):
                    break
        return found


def frozen(vgg: VGG16) -> VGG16:
    """Freeze a network, in place, and return it: evaluation mode, no gradients for its parameters."""
    return vgg.eval().requires_grad_(False)
