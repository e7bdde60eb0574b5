"""Learnt position embeddings: one vector for each point of a grid over the frame, interpolated to maps of any size.

Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021, sec. 3.2. A crop or a tile uses its own part of the grid, so
embeddings learnt on crops are right on whole frames, and tiles agree where they overlap.
"""

import torch
from torch import Tensor, nn


def interpolation(tokens: int, side: int, start: Tensor, stop: Tensor) -> Tensor:
    """Return the weights of linear interpolation along one axis, from grid points to tokens.

    Args:
        tokens: number of tokens along the axis.
        side: side of the grid.
        start, stop: (B,), the extent of the map along the axis, as fractions of the frame.

    Returns:
        (B, tokens, side).
    """
    fraction = (torch.arange(tokens, device=start.device) + 0.5) / tokens
    along = (start[:, None] + fraction * (stop - start)[:, None]) * side - 0.5
    apart = along.clamp(0, side - 1)[..., None] - torch.arange(side, device=start.device)
    return (1 - apart.abs()).clamp(min=0)


class Positions(nn.Module):
    """Position embeddings from a learnt grid that is stretched over the frame.

    Args:
        width: C, features.
        side: side of the grid; a frame with this many tokens per side uses the grid unchanged.
    """

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.grid = nn.Parameter(torch.zeros(width, side, side))

    def forward(self, height: int, width: int, crop_box: Tensor | None = None) -> Tensor:
        """Return the embeddings of a map of height x width tokens.

        Args:
            height, width: size of the map in tokens.
            crop_box: (B, 4), top, left, bottom and right of the map in its frame, as fractions of the frame's sides;
                None: the map is the whole frame.

        Returns:
            (B, C, height, width); B = 1 if no box is given.
        """
        grid, side = self.grid, self.grid.shape[-1]
        if crop_box is None:
            crop_box = grid.new_tensor([[0, 0, 1, 1]])
        top, left, bottom, right = crop_box.to(grid).unbind(1)
        rows, columns = interpolation(height, side, top, bottom), interpolation(width, side, left, right)
        return rows[:, None] @ grid @ columns[:, None].mT
