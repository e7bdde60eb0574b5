"""VGG16 features of image crops, one vector per crop and layer.

Shapes: N crops, S side in pixels, D dimensions of a layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datasets.runtime.device import full_precision
from epe.networks.backbones.vgg import CHANNELS, IMAGENET_MEAN, VGG16

# The last layer of each block, as the paper reports them.
LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
# relu5_3 comes after four poolings; 32 pixels leave it 2 x 2 cells.
MIN_CROP_SIDE = 32

FeaturePooling = Literal["none", "mean"]
Precision = Literal["fp32", "bf16"]
CropPixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Extractor:
    """Turns crops into vectors: VGG16 at some layers.

    Attributes:
        vgg: in evaluation mode, on `device`.
        pooling: "none" keeps every place (D = C * H * W, the metric as defined), "mean" averages over places (D = C).
        batch: crops per forward pass; affects only time and memory.
        device: where features are computed and kept.
        hidden: colour, in [0, 1], of pixels that a fourth channel hides; by default the one that is 0 to the network.
        precision: "bf16" convolves in bfloat16, and features are bfloat16: half the bytes, three digits.
    """

    vgg: VGG16
    pooling: FeaturePooling
    batch: int
    device: torch.device
    hidden: tuple[float, float, float] = IMAGENET_MEAN
    precision: Precision = "fp32"

    @property
    def dtype(self) -> torch.dtype:
        """Type of the features."""
        return torch.bfloat16 if self.precision == "bf16" else self.vgg.mean.dtype

    def widths(self, side: int, layers: Sequence[str]) -> dict[str, int]:
        """Feature dimensions D by layer, for crops of `side` pixels: each block halves the map, rounded down."""
        places = {layer: 1 if self.pooling == "mean" else (side >> int(layer[4]) - 1) ** 2 for layer in layers}
        return {layer: CHANNELS[layer] * places[layer] for layer in layers}

    @full_precision()
    @torch.inference_mode()
    def __call__(self, crops: CropPixels, layers: Sequence[str]) -> dict[str, Tensor]:
        """Features of crops: per layer (N, D) of `dtype` on `device`.

        Args:
            crops: (N, S, S, 3) uint8 sRGB, or (N, S, S, 4), where the fourth channel is 0 for hidden pixels.
            layers: names of VGG16 layers.
        """
        features: dict[str, Tensor] = {}
        for start in range(0, len(crops), self.batch):
            pixels = self._pixels(crops[start : start + self.batch])
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
                maps = self.vgg(pixels, layers)
            for layer in layers:
                found = maps.pop(layer)
                rows = found.mean(dim=(2, 3)) if self.pooling == "mean" else found.flatten(1)
                if layer not in features:
                    # Filled in place: joining batches at the end would need twice the memory.
                    features[layer] = rows.new_empty((len(crops), rows.shape[1]))
                features[layer][start : start + len(rows)] = rows
        return features

    def _pixels(self, crops: CropPixels) -> Tensor:
        """Crops as the network takes them: (B, 3, S, S) in [0, 1]."""
        pixels = torch.from_numpy(crops).to(self.device).permute(0, 3, 1, 2).to(self.vgg.mean.dtype) / 255.0
        if pixels.shape[1] == 3:
            return pixels
        return torch.where(pixels[:, 3:] > 0, pixels[:, :3], pixels.new_tensor(self.hidden).view(3, 1, 1))
