"""Guide channels at the size of an upscaler's result, added to its features.

The last layers start at zero, so a network with guides at first computes the same as without them, to the bit, and
published weights remain valid.

Shapes: B images, G guide channels, C features, s the factor between the guides and the features.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class GuideLayer(nn.Module):
    """Guides -> features to be added, at the resolution of the guides divided by s.

    s x s pixels become channels (the inverse of Shi et al., "Real-Time Single Image and Video Super-Resolution", 2016),
    so nothing in the guides is lost at the lower resolution.

    Args:
        guides: G.
        width: C.
        factor: s.
    """

    def __init__(self, guides: int, width: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.first = nn.Conv2d(guides * factor**2, width, 3, padding=1)
        self.last = nn.Conv2d(width, width, 3, padding=1)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, guides: Tensor) -> Tensor:
        """Map guides (B, G, s H, s W) to features (B, C, H, W)."""
        return self.last(F.leaky_relu(self.first(F.pixel_unshuffle(guides, self.factor)), 0.2))
