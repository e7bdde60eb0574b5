"""Style as correlations of VGG16's channels, and the distance between the styles of two sets of pictures.

Gatys, Ecker, Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016, eq. 3-5: the Gram matrix of
a layer's channels forgets places and keeps texture and colour. Theirs is of two pictures; of two sets it is the
distance between the sets' mean Gram matrices, which is MMD² under the linear kernel and so has an unbiased estimate.

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
"""The part that holds means; those of Gram matrices are called "style LAYER"."""


def part(layer: str) -> str:
    """The part that holds a layer's Gram matrix."""
    return f"style {layer}"


def triangle(features: Tensor) -> Tensor:
    """A layer's Gram matrix per place, F Fᵀ / (H W), as (C (C + 1) / 2,) whose scalar products are the matrices' own.

    Args:
        features: (C, H, W).
    """
    rows = features.flatten(1)
    gram = rows @ rows.T / rows.shape[1]
    upper, right = torch.triu_indices(len(rows), len(rows), device=rows.device)
    # An entry off the diagonal stands for two.
    return gram[upper, right] * torch.where(upper == right, 1.0, 2**0.5)


@dataclass(frozen=True)
class VggStatistics:
    """Means and Gram matrices of a picture in VGG16, at its own size, in one pass.

    Attributes:
        vgg: in evaluation mode, on `device`.
        weights: SHA-256 of its file.
        device: where it computes.
        styles: layers whose Gram matrices are wanted.
        least: pixels of the smaller side that the deepest layer takes.
    """

    vgg: VGG16
    weights: str
    device: torch.device
    styles: tuple[str, ...] = LAYERS
    name: str = "VGG16"
    least: int = 32

    @property
    def digest(self) -> str:
        """Of weights and preparation."""
        return hashlib.sha256(f"{VERSION} {self.weights} {self.styles}".encode()).hexdigest()

    @property
    def widths(self) -> dict[str, int]:
        """Dimensions by part."""
        return {MEANS: CHANNELS[MEANS]} | {part(x): CHANNELS[x] * (CHANNELS[x] + 1) // 2 for x in self.styles}

    @full_precision()
    @torch.inference_mode()
    def __call__(self, picture: NDArray[np.uint8]) -> dict[str, Floats]:
        """(H, W, 3) uint8 sRGB -> vectors by part.

        Raises:
            ValueError: a picture too small for the deepest layer.
        """
        if min(picture.shape[:2]) < self.least:
            raise ValueError(f"{picture.shape[1]}x{picture.shape[0]} pixels, wanted {self.least} or more a side")
        pixels = torch.from_numpy(np.ascontiguousarray(picture)).to(self.device).permute(2, 0, 1)[None]
        maps = self.vgg(pixels.to(self.vgg.mean.dtype) / 255.0, (*self.styles, MEANS))
        found = {part(layer): triangle(maps[layer][0]) for layer in self.styles}
        found[MEANS] = maps[MEANS][0].mean((1, 2))
        return {name: value.float().cpu().numpy() for name, value in found.items()}
