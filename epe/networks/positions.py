"""Where a token lies in its picture, learnt: a vector for each place of a grid, interpolated to maps of other sizes.

Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021, sec. 3.2.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Positions(nn.Module):
    """A grid that is stretched over the whole map, bilinearly.

    Args:
        width: C, features.
        side: of the grid; maps of this size get the grid itself.
    """

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.grid = nn.Parameter(torch.zeros(1, width, side, side))

    def forward(self, height: int, width: int) -> Tensor:
        """(1, C, height, width)."""
        if (height, width) == self.grid.shape[-2:]:
            return self.grid
        return F.interpolate(self.grid, (height, width), mode="bilinear", align_corners=False)
