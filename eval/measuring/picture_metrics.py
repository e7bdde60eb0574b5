"""The learned perceptual distances between two pictures, as far as their weights have been fetched."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datasets.runtime.device import device_of
from datasets.runtime.weights import load_vgg
from epe.losses.perceptual import LAYERS
from epe.networks.backbones.vgg import VGG16
from eval.features.full_float32 import full_precision
from eval.metrics.lpips import lpips, read_shift_tolerant, read_weights
from eval.records.scores import Metric
from gbuffer_tools.io.cache import cache_folder

Pixels = NDArray[np.uint8]
Compare = Callable[[Pixels, Pixels], float]

LEAST = 18
"""Pixels of the smaller side that ST-LPIPS's blurred poolings take; LPIPS takes 16."""
TRUNK, WEIGHTS, SHIFT_TOLERANT = "vgg16-torchvision", "lpips-vgg", "st-lpips"


class Distance:
    """LPIPS or ST-LPIPS of two pictures.

    A picture that is compared with several others in a row goes through the network once.

    Args:
        vgg: the trunk that the weights belong to, on `device`.
        weights: of channels.
        device: where it computes.
    """

    def __init__(self, vgg: VGG16, weights: Mapping[str, Tensor], device: torch.device) -> None:
        self.vgg, self.device = vgg.to(device), device
        self.weights = {name: weight.to(device) for name, weight in weights.items()}
        self._last: tuple[Pixels, dict[str, Tensor]] | None = None

    @full_precision()
    @torch.inference_mode()
    def __call__(self, picture: Pixels, other: Pixels) -> float:
        """Of two (H, W, 3) uint8 sRGB; the network's pass over `other` is kept for the next call."""
        if self._last is None or self._last[0] is not other:
            self._last = other, self.features(other)
        return float(lpips(self.features(picture), self._last[1], self.weights)[0])

    def features(self, picture: Pixels) -> dict[str, Tensor]:
        """By layer (1, C, H, W)."""
        pixels = torch.from_numpy(np.ascontiguousarray(picture)).to(self.device).permute(2, 0, 1)[None]
        return self.vgg(pixels.float() / 255, LAYERS)


def learned(device: str) -> dict[Metric, Compare]:
    """The distances there are weights for.

    Raises:
        InputError: a file that is not what was fetched.
    """
    place, folder = device_of(device), cache_folder()
    found: dict[Metric, Compare] = {}
    trunk, weights, whole = (folder / f"{name}.safetensors" for name in (TRUNK, WEIGHTS, SHIFT_TOLERANT))
    if trunk.exists() and weights.exists():
        metric = Metric("lpips", "LPIPS v0.1 to the render", "", "how little it changed to the eye")
        found[metric] = Distance(load_vgg(trunk, "zeros"), read_weights(weights), place)
    if whole.exists():
        metric = Metric("st_lpips", "ST-LPIPS to the render", "", "how little it changed to the eye, shifts forgiven")
        found[metric] = Distance(*read_shift_tolerant(whole), place)
    return found
