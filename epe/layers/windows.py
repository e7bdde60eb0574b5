"""Attention within windows of a map, shifted in every other layer: Liu et al., "Swin Transformer", 2021.

Shapes: B samples, H W sides of a map, C features, s side of a window, L = s * s.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.layers.attention import Attention


def partitioned(x: Tensor, side: int) -> Tensor:
    """(B, H, W, C), whose sides divide by s -> (B, windows, L, C)."""
    return x.unflatten(2, (-1, side)).unflatten(1, (-1, side)).transpose(2, 3).flatten(3, 4).flatten(1, 2)


def merged(windows: Tensor, side: int, height: int) -> Tensor:
    """The inverse of `partitioned`, of a map H high."""
    rows = windows.unflatten(1, (height // side, -1)).unflatten(3, (side, side))
    return rows.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def regions(length: int, padded: int, shift: int) -> Tensor:
    """(filled,): number of the piece of the map that each row (or column) belongs to, after the shift.

    Rolling brings rows from the far end beside those of the near one, and filling up adds rows that do not exist: a row
    sees those of its own piece only.
    """
    index = torch.arange(padded).roll(-shift)
    number = torch.zeros(padded, dtype=torch.long)
    number[index < shift] = 1
    number[index >= length] = 2
    return number


class WindowAttention(nn.Module):
    """Softmax attention of each token to those of its window.

    Maps of any size: they are filled up to whole windows, and what was filled in is not seen.

    Args:
        width: C.
        heads: of the attention.
        side: s.
        shift: of the windows, to the right and down; the map is rolled round, and no token sees across the seam.
        located: whether a learnt bias tells how far apart two tokens are.

    Raises:
        ValueError: a shift outside of 0 .. s - 1.
    """

    def __init__(self, width: int, heads: int, side: int, shift: int = 0, located: bool = True) -> None:
        super().__init__()
        if not 0 <= shift < side:
            raise ValueError(f"windows of {side} cannot be shifted by {shift}; wanted 0 to {side - 1}.")
        self.side, self.shift = side, shift
        self.attention = Attention(width, heads)
        self.table = nn.Parameter(torch.zeros(heads, (2 * side - 1) ** 2)) if located else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H, W, C)."""
        height, width = x.shape[1:3]
        down, right = -height % self.side, -width % self.side
        padded = F.pad(x, (0, 0, 0, right, 0, down)).roll((-self.shift, -self.shift), dims=(1, 2))
        bias = None if self.table is None else self.bias(self.table).to(x.dtype)
        if self.shift or down or right:
            hidden = self.hidden(height, width, down, right).to(x)
            bias = hidden if bias is None else bias + hidden
        made = self.attention(partitioned(padded, self.side), bias=bias)
        whole = merged(made, self.side, height + down).roll((self.shift, self.shift), dims=(1, 2))
        return whole[:, :height, :width]

    def bias(self, table: Tensor) -> Tensor:
        """(h, L, L): the table's entry for the rows and columns between two tokens."""
        side = self.side
        apart = torch.arange(side, device=table.device)[:, None] - torch.arange(side, device=table.device)
        apart = apart + side - 1
        index = apart[:, None, :, None] * (2 * side - 1) + apart[None, :, None, :]
        return table[:, index.reshape(side**2, side**2)]

    def hidden(self, height: int, width: int, down: int, right: int) -> Tensor:
        """(windows, 1, L, L): -inf between tokens of different pieces of the map, else 0."""
        rows = regions(height, height + down, self.shift)
        columns = regions(width, width + right, self.shift)
        piece = partitioned((3 * rows[:, None] + columns)[None, :, :, None], self.side)[0, ..., 0]
        apart = piece[:, :, None] != piece[:, None, :]
        return torch.zeros(apart.shape).masked_fill(apart, -torch.inf)[:, None]
