"""A picture's means and Gram matrices in VGG16, for the distances of eval.sets that need no fetched network.

Gatys, Ecker, Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016, eq. 3-5: the Gram matrix of
a layer's channels forgets where things are, and keeps texture and colour. Their style distance compares two pictures.
For two sets it is the distance between the sets' mean Gram matrices, which is MMD² under the linear kernel and
therefore has an unbiased estimate (`eval.measuring.set_distances.style_distance`).

Shapes: H W pixels, C channels of a layer, N M pictures.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datasets.runtime.device import full_precision
from epe.networks.backbones.vgg import CHANNELS, VGG16
from eval.features.vgg_features import LAYERS

Floats = NDArray[np.float32]
VERSION = "VGG16: mean of relu5_3, Gram matrices; 2"
MEANS = "relu5_3"
"""The part that holds means over pixels; the parts that hold Gram matrices are named "style LAYER"."""


def part(layer: str) -> str:
    """The name of the part that holds a layer's Gram matrix."""
    return f"style {layer}"


def triangle(features: Tensor) -> Tensor:
    """A layer's Gram matrix F Fᵀ / (H W) as a vector (C (C + 1) / 2,), with the inner products of the whole matrices.

    Args:
        features: (C, H, W).
    """
    rows = features.flatten(1)
    gram = rows @ rows.T / rows.shape[1]
    upper, right = torch.triu_indices(len(rows), len(rows), device=rows.device)
    # An off-diagonal entry stands for two.
    return gram[upper, right] * torch.where(upper == right, 1.0, 2**0.5)


@dataclass(frozen=True)
class VggStatistics:
    """Means and Gram matrices of a picture in VGG16, at its own size, in one pass.

    Attributes:
        vgg: in evaluation mode, on `device`.
        weights: SHA-256 of its file.
        device: where it computes.
        styles: layers whose Gram matrices are wanted.
        min_side: smallest side in pixels that the deepest layer takes.
    """

    vgg: VGG16
    weights: str
    device: torch.device
    styles: tuple[str, ...] = LAYERS
    name: str = "VGG16"
    min_side: int = 32

    @property
    def digest(self) -> str:
        """SHA-256 of the weights and of what is computed with them."""
        return hashlib.sha256(f"{VERSION} {self.weights} {self.styles}".encode()).hexdigest()

    @property
    def widths(self) -> dict[str, int]:
        """Dimensions of the vectors, by part."""
        return {MEANS: CHANNELS[MEANS]} | {part(x): CHANNELS[x] * (CHANNELS[x] + 1) // 2 for x in self.styles}

    @full_precision()
    @torch.inference_mode()
    def __call__(self, picture: NDArray[np.uint8]) -> dict[str, Floats]:
        """The vectors of a picture (H, W, 3) uint8 sRGB: (D,) by part.

        Raises:
            ValueError: a picture too small for the deepest layer.
        """
        if min(picture.shape[:2]) < self.min_side:
            raise ValueError(f"{picture.shape[1]}x{picture.shape[0]} pixels, wanted {self.min_side} or more a side")
        pixels = torch.from_numpy(np.ascontiguousarray(picture)).to(self.device).permute(2, 0, 1)[None]
        maps = self.vgg(pixels.to(self.vgg.mean.dtype) / 255.0, (*self.styles, MEANS))
        found = {part(layer): triangle(maps[layer][0]) for layer in self.styles}
        found[MEANS] = maps[MEANS][0].mean((1, 2))
        return {name: value.float().cpu().numpy() for name, value in found.items()}
