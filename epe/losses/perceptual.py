"""Perceptual distance between two images: the loss that makes the enhancer preserve the content of a frame.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", 2018: squared differences of
unit-normalised VGG16 features, per layer. Without their learned channel weights this is their "baseline" distance. The
v0.1 weights belong to torchvision's VGG16 and must not be used with another trunk, so `NAME` says which distance it is.

Upscalers are also trained with another distance: absolute differences before the ReLU, so that negative responses of
a filter count as much as positive ones (Wang et al., "ESRGAN", 2018, section 3.2).
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

VGGLayer = Literal["relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"]
# The layers of LPIPS-VGG.
LAYERS: tuple[VGGLayer, ...] = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
BEFORE_RELU = {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_3": 1.0, "conv4_3": 1.0, "conv5_3": 1.0}
"""Real-ESRGAN's weights (Wang et al. 2021) for the last convolution of each block; Real-ESRGAN uses VGG19."""
NAME = "VGG16 baseline distance (unit-normalised features, no learned channel weights; not LPIPS v0.1)"
NAME_BEFORE_RELU = "VGG16 before the ReLU (absolute differences, Real-ESRGAN's weights of layers)"


def unit(features: Tensor) -> Tensor:
    """Scale the channel vector of every pixel to length 1.

    A small number is added inside the root, because the gradient of a norm is not finite where all channels are 0,
    which is common after a ReLU.
    """
    return features * (features.square().sum(dim=1, keepdim=True) + 1e-10).rsqrt()


def perceptual_distance(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Tensor:
    """Return the perceptual distance of each pair of images.

    Args:
        a, b: VGG16 features (B, C, H, W) by layer of the two images. The layers of `b` are used.

    Returns:
        (B,), 0 for equal features; at most 2 per layer, because features are not negative.
    """
    per_layer = [(unit(a[name]) - unit(b[name])).square().sum(dim=1).mean(dim=(1, 2)) for name in b]
    return torch.stack(per_layer).sum(dim=0)


def distance_before_relu(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Tensor:
    """Return the mean absolute difference of each image pair's features before the ReLU, weighted by layer.

    It grows with the features, so its weight in a loss depends on the VGG16.

    Args:
        a, b: VGG16 features (B, C, H, W) of the layers in `BEFORE_RELU` of the two images.

    Returns:
        (B,), 0 for equal features.
    """
    per_layer = [weight * (a[name] - b[name]).abs().mean(dim=(1, 2, 3)) for name, weight in BEFORE_RELU.items()]
    return torch.stack(per_layer).sum(dim=0)
