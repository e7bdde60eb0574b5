"""LPIPS v0.1: a perceptual distance whose channels people's judgements have weighted.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018. The published
weights belong to torchvision's VGG16 (`app.assets fetch vgg16-torchvision`, `lpips-vgg`); on another trunk this is no
LPIPS, and must not be called so. Whether a layer was divided by a constant makes no difference: its features have unit
length.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from epe.losses.perceptual import LAYERS
from epe.networks.vgg import CHANNELS
from gbuffer_tools.errors import InputError

LARGEST = 100_000
"""Bytes of a file of weights."""
SMALL = 1e-10
"""Added to lengths, as published."""

Weights = Mapping[str, Tensor]
"""Per layer (C,), not negative."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """The fetched weights.

    Raises:
        InputError: another file.
    """
    again = "fetch it with `python -m app.assets fetch lpips-vgg`"
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path}: {path.stat().st_size:,} bytes, wanted at most {LARGEST:,}; {again}.")
        found = load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {again}.") from error
    wanted = {name: (CHANNELS[name],) for name in LAYERS}
    if {name: tuple(value.shape) for name, value in found.items()} != wanted:
        raise InputError(f"{path}: holds {', '.join(found)[:200]}; wanted weights of {', '.join(LAYERS)}; {again}.")
    return {name: value.float() for name, value in found.items()}


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
