"""LPIPS v0.1 and ST-LPIPS: perceptual distances whose channels people's judgements have weighted.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018. The published
weights belong to torchvision's VGG16 (`app.assets fetch vgg16-torchvision`, `lpips-vgg`); on another trunk this is no
LPIPS, and must not be called so. Whether a layer was divided by a constant makes no difference: its features have unit
length.

Ghildyal, Liu, "Shift-tolerant Perceptual Similarity Metric", ECCV 2022, trained the weights and a trunk of their own
that pools without aliasing; it is published whole (`app.assets fetch st-lpips`).
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from epe.losses.perceptual import LAYERS
from epe.networks.backbones.vgg import CHANNELS, VGG16, frozen
from eval.metrics.fetched import read_fetched

LARGEST, LARGEST_TRUNK = 100_000, 60_000_000
"""Bytes of a file of weights, without and with a trunk."""
WEIGHTS = {name: (CHANNELS[name],) for name in LAYERS}
SMALL = 1e-10
"""Added to lengths, as published."""

Weights = Mapping[str, Tensor]
"""Per layer (C,), not negative."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """The fetched weights of LPIPS.

    Raises:
        InputError: another file.
    """
    found = read_fetched(path, WEIGHTS, largest=LARGEST, asset="lpips-vgg")
    return {name: value.float() for name, value in found.items()}


def read_shift_tolerant(path: Path) -> tuple[VGG16, dict[str, Tensor]]:
    """Trunk and weights of ST-LPIPS, as fetched.

    Raises:
        InputError: another file.
    """
    vgg = VGG16("zeros", "blurred")
    trunk = {name: tuple(value.shape) for name, value in vgg.state_dict().items()}
    found = read_fetched(path, trunk | WEIGHTS, largest=LARGEST_TRUNK, asset="st-lpips")
    vgg.load_state_dict({name: found[name] for name in trunk})
    return frozen(vgg), {name: found[name].float() for name in WEIGHTS}


def lpips(a: Mapping[str, Tensor], b: Mapping[str, Tensor], weights: Weights) -> Tensor:
    """Distance per image (B,).

    Args:
        a, b: VGG16 features per layer of `weights`, (B, C, H, W).
        weights: of channels.
    """
    total = torch.zeros(())
    for name, weight in weights.items():
        ours, theirs = (x[name] / (x[name].square().sum(1, keepdim=True).sqrt() + SMALL) for x in (a, b))
        total = total + (weight[:, None, None] * (ours - theirs).square()).sum(1).mean((1, 2))
    return total
