"""Perceptual distance between two images of the same content: the enhancer's only content guard.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", 2018: unit-normalised VGG16
features, squared difference, per layer. Without their learned channel weights this is their "baseline" distance; the
v0.1 weights belong to torchvision's VGG16 and must not be put on another trunk, so the name says which is which.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

# LPIPS-VGG's layers.
LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
NAME = "VGG16 baseline distance (unit-normalised features, no learned channel weights; not LPIPS v0.1)"


def unit(features: Tensor) -> Tensor:
    """Scale the channel vector of every pixel to length 1.

    The small number is inside the root: the gradient of a bare norm is not finite where all channels are 0, which
    after a rectifier happens often.
    """
    return features * (features.square().sum(dim=1, keepdim=True) + 1e-10).rsqrt()


def perceptual_distance(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Tensor:
    """Distance per image.

    Args:
        a, b: per layer, VGG16 features (B, C, H, W) of the two images. Layers of `b` are used.

    Returns:
        (B,), 0 for equal features; at most 2 per layer, since features are not negative.
    """
    per_layer = [(unit(a[name]) - unit(b[name])).square().sum(dim=1).mean(dim=(1, 2)) for name in b]
    return torch.stack(per_layer).sum(dim=0)
