"""Window attention, with shifted windows in every other layer: Liu et al., "Swin Transformer", 2021.

Shapes: B samples, H W sides of a map, C features, s side of a window, L = s * s.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.layers.attention import Attention


def partitioned(x: Tensor, side: int) -> Tensor:
    """Partition a map (B, H, W, C), whose sides are multiples of s, into windows (B, windows, L, C)."""
    return x.unflatten(2, (-1, side)).unflatten(1, (-1, side)).transpose(2, 3).flatten(3, 4).flatten(1, 2)


def merged(windows: Tensor, side: int, height: int) -> Tensor:
    """Invert `partitioned` for a map of height H."""
    rows = windows.unflatten(1, (height // side, -1)).unflatten(3, (side, side))
    return rows.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def regions(length: int, padded: int, shift: int) -> Tensor:
    """Return, for each row (or column) after the shift, the index of the region that it belongs to, (padded,).

    Rolling puts rows from the far end next to those at the near end, and padding adds rows that do not exist. Rows may
    attend only to rows of their own region.
    """
    index = torch.arange(padded).roll(-shift)
    number = torch.zeros(padded, dtype=torch.long)
    number[index < shift] = 1
    number[index >= length] = 2
    return number


class WindowAttention(nn.Module):
    """Softmax attention from each token to the tokens of its window.

    Maps can have any size: they are padded to whole windows, and the padding is masked.

    Args:
        width: C.
        heads: number of heads.
        side: s.
        shift: shift of the windows to the right and down; the map is rolled, and attention across the seam is masked.
        located: whether to add a learnt relative position bias.
        scale: scale of the logits, as in `Attention`.

    Raises:
        ValueError: the shift is outside 0 .. s - 1.
    """

    def __init__(
        self, width: int, heads: int, side: int, shift: int = 0, located: bool = True, scale: float | None = None
    ) -> None:
        super().__init__()
        if not 0 <= shift < side:
            raise ValueError(f"windows of {side} cannot be shifted by {shift}; wanted 0 to {side - 1}.")
        self.side, self.shift = side, shift
        self.attention = Attention(width, heads, scale=scale)
        self.table = nn.Parameter(torch.zeros(heads, (2 * side - 1) ** 2)) if located else None

    def forward(self, x: Tensor) -> Tensor:
        """Apply the attention to a map (B, H, W, C)."""
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
        """Return the bias (h, L, L): the table's entries for the distances in rows and columns between tokens."""
        side = self.side
        apart = torch.arange(side, device=table.device)[:, None] - torch.arange(side, device=table.device)
        apart = apart + side - 1
        index = apart[:, None, :, None] * (2 * side - 1) + apart[None, :, None, :]
        return table[:, index.reshape(side**2, side**2)]

    def hidden(self, height: int, width: int, down: int, right: int) -> Tensor:
        """Return the mask (windows, 1, L, L): -inf between tokens of different regions of the map, else 0."""
        rows = regions(height, height + down, self.shift)
        columns = regions(width, width + right, self.shift)
        piece = partitioned((3 * rows[:, None] + columns)[None, :, :, None], self.side)[0, ..., 0]
        apart = piece[:, :, None] != piece[:, None, :]
        return torch.zeros(apart.shape).masked_fill(apart, -torch.inf)[:, None]
