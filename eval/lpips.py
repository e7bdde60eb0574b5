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
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from epe.losses.perceptual import LAYERS
from epe.networks.vgg import CHANNELS, VGG16, frozen
from gbuffer_tools.errors import InputError

LARGEST, LARGEST_TRUNK = 100_000, 60_000_000
"""Bytes of a file of weights, without and with a trunk."""
SMALL = 1e-10
"""Added to lengths, as published."""

Weights = Mapping[str, Tensor]
"""Per layer (C,), not negative."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """The fetched weights of LPIPS.

    Raises:
        InputError: another file.
    """
    return _weights(path, _read(path, LARGEST, "lpips-vgg"), "lpips-vgg")


def read_shift_tolerant(path: Path) -> tuple[VGG16, dict[str, Tensor]]:
    """Trunk and weights of ST-LPIPS, as fetched.

    Raises:
        InputError: another file.
    """
    found = _read(path, LARGEST_TRUNK, "st-lpips")
    vgg = VGG16("zeros", "blurred")
    trunk = {name: found.pop(name) for name in vgg.state_dict() if name in found}
    try:
        vgg.load_state_dict(trunk)
    except RuntimeError as error:
        raise InputError(f"{path}: is no VGG16; fetch it with `python -m app.assets fetch st-lpips`.") from error
    return frozen(vgg), _weights(path, found, "st-lpips")


def _read(path: Path, largest: int, asset: str) -> dict[str, Tensor]:
    again = f"fetch it with `python -m app.assets fetch {asset}`"
    try:
        if path.stat().st_size > largest:
            raise InputError(f"{path}: {path.stat().st_size:,} bytes, wanted at most {largest:,}; {again}.")
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {again}.") from error


def _weights(path: Path, found: dict[str, Tensor], asset: str) -> dict[str, Tensor]:
    wanted = {name: (CHANNELS[name],) for name in LAYERS}
    if {name: tuple(value.shape) for name, value in found.items()} != wanted:
        raise InputError(
            f"{path}: holds {', '.join(found)[:200]}; wanted weights of {', '.join(LAYERS)}; fetch it with "
            f"`python -m app.assets fetch {asset}`."
        )
    return {name: found[name].float() for name in LAYERS}


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
