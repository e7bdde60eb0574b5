"""Rendering-aware denormalisation: G-buffers decide how image features are scaled and shifted.

Richter, AlHaija, Koltun, "Enhancing Photorealism Enhancement", 2021, sec. 3.2.

Shapes: B images, C image features, E encoded G-buffer features, H W pixels.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from epe.networks.gbuffer_encoder import spectral_conv


class TowerLayer(nn.Module):
    """One residual layer over the encoded G-buffers: a single convolution, as in the released network."""

    def __init__(self, encoded: int) -> None:
        super().__init__()
        self.conv = spectral_conv(encoded, encoded)

    def forward(self, g: Tensor) -> Tensor:
        return F.relu(F.relu(self.conv(g)) + g)


class RAD(nn.Module):
    """Normalise image features without learned terms, then scale and shift each pixel by the G-buffers there.

    Args:
        features: C.
        encoded: E.
        layers: depth of the tower that adapts the G-buffers to this place (3 as released; 0: none).
    """

    def __init__(self, features: int, encoded: int, layers: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, features, affine=False)
        self.tower = nn.Sequential(*(TowerLayer(encoded) for _ in range(layers)))
        self.scale = nn.Conv2d(encoded, features, 1)
        self.shift = nn.Conv2d(encoded, features, 1)
        # The default bias of about 0 damps every block at the start of training; 1 passes the features on.
        nn.init.ones_(self.scale.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, g: Tensor) -> Tensor:
        """(B, C, H, W) features and (B, E, H, W) encoded G-buffers -> (B, C, H, W)."""
        g = self.tower(g)
        return self.norm(x) * self.scale(g) + self.shift(g)
