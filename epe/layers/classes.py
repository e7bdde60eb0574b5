"""Convert per-pixel class ids to masks, or to rectangles along a grid that cover each class."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

Rectangle = tuple[int, int, int, int]
"""Top, bottom, left, right, in pixels; bottom and right are exclusive."""


def soft_masks(classes: Tensor, count: int, *, every: bool = False) -> Tensor:
    """Convert class ids (B, H, W) to float masks (B, K, H, W); masks of that shape are passed through.

    Args:
        classes: ids or masks.
        count: K. As an id it means no class: all masks are 0.
        every: whether every pixel must have a class.

    Raises:
        ValueError: the shape is neither, or the number of classes is not `count`.
        RuntimeError: an id is out of range.
    """
    if classes.ndim == 3:
        return F.one_hot(classes.long(), count + (not every))[..., :count].movedim(-1, 1).float()
    if classes.ndim == 4 and classes.shape[1] == count:
        return classes.float()
    raise ValueError(f"wanted class ids (B, H, W) or {count} masks (B, {count}, H, W), got {tuple(classes.shape)}.")


def rectangles(classes: Tensor, count: int, side: int) -> list[list[Rectangle]]:
    """Return, for each class, rectangles that do not overlap and that together contain all its pixels.

    Args:
        classes: ids (H, W), 0 .. count; `count` means no class.
        count: number of classes.
        side: side of the grid's cells in pixels; cells at the right and bottom may be smaller.
    """
    height, width = classes.shape
    rows, columns = -(-height // side), -(-width // side)
    cells = torch.arange(height, device=classes.device).div(side, rounding_mode="floor")[:, None] * columns
    cells = cells + torch.arange(width, device=classes.device).div(side, rounding_mode="floor")
    used = torch.zeros((count + 1) * rows * columns, dtype=torch.bool, device=classes.device)
    used[(classes.long() * (rows * columns) + cells).flatten()] = True
    grid = used.view(count + 1, rows, columns)[:count].tolist()
    return [
        [
            (top * side, min(bottom * side, height), left * side, min(right * side, width))
            for top, bottom, left, right in joined(cells_of_class)
        ]
        for cells_of_class in grid
    ]


def joined(grid: list[list[bool]]) -> Iterator[Rectangle]:
    """Yield the runs of true cells in each row as rectangles, in cells; equal runs in adjacent rows are merged."""
    going: dict[tuple[int, int], int] = {}
    for row, cells in enumerate([*grid, []]):
        now = set(runs(cells))
        for run in [run for run in going if run not in now]:
            yield going.pop(run), row, *run
        for run in now:
            going.setdefault(run, row)


def runs(cells: list[bool]) -> Iterator[tuple[int, int]]:
    """Yield start and stop of each run of true cells."""
    start = None
    for place, cell in enumerate([*cells, False]):
        if cell and start is None:
            start = place
        elif not cell and start is not None:
            yield start, place
            start = None
