"""LPIPS v0.1 and ST-LPIPS: perceptual distances whose channels are weighted by human judgements.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018. The published
weights belong to torchvision's VGG16 (`app.assets fetch vgg16-torchvision`, `lpips-vgg`); on another trunk this is not
LPIPS, and must not be called that. Whether a layer was divided by a constant makes no difference: its features are
scaled to unit length.

Ghildyal, Liu, "Shift-tolerant Perceptual Similarity Metric", ECCV 2022, trained the weights and a trunk of their own
that pools without aliasing; it is published whole (`app.assets fetch st-lpips`).
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datasets.runtime.device import full_precision
from datasets.runtime.weights import asset_path, load_tensors, load_vgg
from epe.losses.perceptual import LAYERS
from epe.networks.backbones.vgg import CHANNELS, VGG16, frozen

Pixels = NDArray[np.uint8]

TRUNK, CHANNEL_WEIGHTS, SHIFT_TOLERANT = "vgg16-torchvision", "lpips-vgg", "st-lpips"
"""Assets."""
MIN_SIDE = 18
"""Smallest side in pixels that ST-LPIPS's blurred poolings take; LPIPS takes 16."""
MAX_BYTES, MAX_TRUNK_BYTES = 100_000, 60_000_000
"""Largest weights file in bytes, without and with a trunk."""
WEIGHTS: dict[str, tuple[int, ...]] = {name: (CHANNELS[name],) for name in LAYERS}
SMALL = 1e-10
"""Added to lengths, as published."""

ChannelWeights = Mapping[str, Tensor]
"""Per layer (C,), not negative."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the published weights of LPIPS, per layer (C,).

    Raises:
        InputError: the file is not that one.
    """
    found = load_tensors(path, WEIGHTS, max_bytes=MAX_BYTES, asset="lpips-vgg")
    return {name: value.float() for name, value in found.items()}


def read_shift_tolerant(path: Path) -> tuple[VGG16, dict[str, Tensor]]:
    """Read the published trunk and weights of ST-LPIPS.

    Raises:
        InputError: the file is not that one.
    """
    vgg = VGG16("zeros", "blurred")
    trunk = {name: tuple(value.shape) for name, value in vgg.state_dict().items()}
    found = load_tensors(path, trunk | WEIGHTS, max_bytes=MAX_TRUNK_BYTES, asset="st-lpips")
    vgg.load_state_dict({name: found[name] for name in trunk})
    return frozen(vgg), {name: found[name].float() for name in WEIGHTS}


def lpips(a: Mapping[str, Tensor], b: Mapping[str, Tensor], weights: ChannelWeights) -> Tensor:
    """LPIPS per image, (B,), from features of VGG16.

    Args:
        a, b: VGG16 features per layer of `weights`, (B, C, H, W).
        weights: channel weights.
    """
    total = torch.zeros(())
    for name, weight in weights.items():
        ours, theirs = (x[name] / (x[name].square().sum(1, keepdim=True).sqrt() + SMALL) for x in (a, b))
        total = total + (weight[:, None, None] * (ours - theirs).square()).sum(1).mean((1, 2))
    return total


class LPIPS:
    """LPIPS or ST-LPIPS of two pictures.

    A reference that several pictures in a row are compared with goes through the network once.

    Args:
        vgg: the trunk that the weights belong to.
        weights: per layer (C,).
        device: where it computes.

    Attributes:
        kept: how many references' features are kept: the newest.
    """

    def __init__(self, vgg: VGG16, weights: ChannelWeights, device: torch.device) -> None:
        self.vgg, self.device = vgg.to(device), device
        self.weights = {name: weight.to(device) for name, weight in weights.items()}
        self.kept = 1
        self._references: list[tuple[Pixels, dict[str, Tensor]]] = []

    @full_precision()
    @torch.inference_mode()
    def __call__(self, picture: Pixels, reference: Pixels) -> float:
        """The distance between two pictures (H, W, 3) uint8 sRGB; 0 for equal ones.

        The features of `reference` are kept for the next calls.
        """
        return float(lpips(self.features(picture), self._of_reference(reference), self.weights)[0])

    def _of_reference(self, reference: Pixels) -> dict[str, Tensor]:
        for known, features in self._references:
            if known is reference:
                return features
        self._references = self._references[: max(self.kept - 1, 0)]  # before computing: memory must not overshoot
        self._references.insert(0, (reference, self.features(reference)))
        return self._references[0][1]

    def features(self, picture: Pixels) -> dict[str, Tensor]:
        """VGG16's features of a picture, by layer (1, C, H, W)."""
        pixels = torch.from_numpy(np.ascontiguousarray(picture)).to(self.device).permute(2, 0, 1)[None]
        return self.vgg(pixels.float() / 255, LAYERS)


def fetched_lpips(device: torch.device) -> LPIPS | None:
    """LPIPS with the published weights; None if they have not been fetched.

    Raises:
        InputError: a file in the cache is not what was fetched.
    """
    trunk, weights = asset_path(TRUNK), asset_path(CHANNEL_WEIGHTS)
    if not (trunk.exists() and weights.exists()):
        return None
    return LPIPS(load_vgg(trunk, "zeros"), read_weights(weights), device)


def fetched_st_lpips(device: torch.device) -> LPIPS | None:
    """ST-LPIPS with the published weights; None if they have not been fetched.

    Raises:
        InputError: the file in the cache is not what was fetched.
    """
    path = asset_path(SHIFT_TOLERANT)
    return LPIPS(*read_shift_tolerant(path), device) if path.exists() else None
