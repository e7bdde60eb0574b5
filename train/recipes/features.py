"""VGG16 features of a network's results and of their targets, which perceptual and style losses compare."""

from collections.abc import Iterable

import torch
from torch import Tensor

from epe.losses.perceptual import LAYERS
from epe.networks.backbones.vgg import VGG16
from train.loop.config import NumberFormat, autocast

Features = dict[str, Tensor]
"""VGG16 features, (B, C, H, W) by layer."""


def as_float(features: Features) -> Features:
    """Convert features to fp32, because sums of squares lose too much in bfloat16."""
    return {name: value.float() for name, value in features.items()}


def compared_features(
    vgg: VGG16, made: Tensor, wanted: Tensor, precision: NumberFormat, layers: Iterable[str] = LAYERS
) -> tuple[Features, Features]:
    """Return the features of two batches of images (B, 3, H, W), sRGB in [0, 1], in fp32.

    Args:
        vgg: frozen.
        made: results; their features have a gradient.
        wanted: targets; their features have none.
        precision: number format in which VGG16 computes, fp32 or bf16.
        layers: VGG16 layers.
    """
    with autocast(precision, made.device.type):
        seen = as_float(vgg(made, tuple(layers)))
        with torch.no_grad():
            return seen, as_float(vgg(wanted, tuple(layers)))
