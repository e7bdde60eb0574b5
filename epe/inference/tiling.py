"""Frames too large to run whole: overlapping tiles, blended so that no seam shows.

A network that looks at a limited neighbourhood gives the same inside a tile as on the whole frame, but for a margin
of that neighbourhood's size; the overlap hides the margin. Normalisation over the whole input (GroupNorm) sees other
statistics in every tile: tiles then differ a little in tone, and only running whole is exact.

Shapes: B images, C channels, H W pixels.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# Ramps are multiples of 1 / 1024, products of two of 1 / 2^20: float32 holds both, and every sum of them, exactly.
STEPS = 1024


def spans(length: int, tile: int, overlap: int, multiple_of: int = 1) -> list[tuple[int, int]]:
    """Cut an axis into equal tiles that overlap, as few as will do.

    Args:
        length: pixels of the axis, divisible by `multiple_of`.
        tile: largest tile, pixels.
        overlap: pixels that neighbours share at least.
        multiple_of: starts and lengths divide by this.

    Returns:
        Start and stop of every tile; a single one where the axis is no longer than a tile.

    Raises:
        ValueError: a tile is not four times its overlap (a pixel would lie in three tiles), or nothing fits.
    """
    if length % multiple_of:
        raise ValueError(f"the length {length} does not divide by {multiple_of}; pad first.")
    units, limit, shared = length // multiple_of, tile // multiple_of, -(-overlap // multiple_of)
    if units <= limit:
        return [(0, length)]
    if limit < 4 * max(shared, 1):
        raise ValueError(
            f"a tile of {tile} px is too small for an overlap of {overlap} px; wanted {4 * overlap} or more."
        )
    count = -(-(units - shared) // (limit - shared))
    size = -(-(units + (count - 1) * shared) // count)
    starts = [k * (units - size) // (count - 1) for k in range(count)]
    return [(start * multiple_of, (start + size) * multiple_of) for start in starts]


def ramps(parts: Sequence[tuple[int, int]]) -> list[Tensor]:
    """Per tile a weight for each of its pixels, rising over the overlap with the tile before and falling with the next.

    Returns:
        One (stop - start,) float32 per tile; at every pixel of the axis the tiles' weights add up to exactly 1.
    """
    weights = [torch.ones(stop - start) for start, stop in parts]
    for k in range(len(parts) - 1):
        shared = parts[k][1] - parts[k + 1][0]
        rise = torch.round((torch.arange(shared) + 0.5) / shared * STEPS) / STEPS
        weights[k][len(weights[k]) - shared :] = 1 - rise
        weights[k + 1][:shared] = rise
    return weights


def pad(x: Tensor, height: int, width: int) -> Tensor:
    """Enlarge the last two axes to the right and below by reflection; any dtype, any amount.

    Reflected content continues the picture; an axis of one pixel is repeated.
    """
    rows, columns = (_reflected(old, new, x.device) for old, new in zip(x.shape[-2:], (height, width), strict=True))
    return x.index_select(-2, rows).index_select(-1, columns)


def _reflected(old: int, new: int, device: torch.device) -> Tensor:
    """0, 1, … old - 1, old - 2, … 1, 0, 1, …: `new` of them."""
    period = max(2 * (old - 1), 1)
    index = torch.arange(new, device=device) % period
    return torch.minimum(index, period - index) if old > 1 else torch.zeros_like(index)


def run_tiled(
    network: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    *,
    tile: int,
    overlap: int = 64,
    multiple_of: int = 1,
    crop_boxes: bool = False,
) -> Tensor:
    """Run a network over a frame, whole where it fits in a tile, else tile by tile.

    Args:
        network: called with crops of all inputs; gives (B, C, h, w) for crops of h x w pixels.
        inputs: tensors of any type whose last two axes are H and W.
        tile: longest side that is run at once, pixels.
        overlap: pixels that neighbouring tiles share at least; choose what the network sees around a pixel.
        multiple_of: height and width that the network is given divide by this; the frame is padded by reflection
            and the result cut back.
        crop_boxes: tell the network, as `crop_box=` of `epe.generator.Generator`, which part of the frame a tile is.

    Returns:
        (B, C, H, W), of the network's type where the frame is run whole, else float32.

    Raises:
        ValueError: inputs of different sizes, or a tile too small for the overlap.
    """
    height, width = inputs[0].shape[-2:]
    if any(x.shape[-2:] != (height, width) for x in inputs):
        raise ValueError(f"inputs differ in size: {', '.join(str(tuple(x.shape)) for x in inputs)}.")
    full = [-(-n // multiple_of) * multiple_of for n in (height, width)]
    if full != [height, width]:
        inputs = [pad(x, *full) for x in inputs]
    rows, columns = (spans(n, tile, overlap, multiple_of) for n in full)
    if len(rows) == len(columns) == 1:
        return network(*inputs)[..., :height, :width]

    total: Tensor | None = None
    for (top, bottom), down in zip(rows, ramps(rows), strict=True):
        for (left, right), across in zip(columns, ramps(columns), strict=True):
            crops = [x[..., top:bottom, left:right] for x in inputs]
            crop_box = torch.tensor([[top / full[0], left / full[1], bottom / full[0], right / full[1]]])
            part = (network(*crops, crop_box=crop_box) if crop_boxes else network(*crops)).float()
            if total is None:
                total = part.new_zeros(*part.shape[:2], *full)
            total[..., top:bottom, left:right] += part * (down[:, None] * across).to(part.device)
    assert total is not None  # there is at least one tile
    return total[..., :height, :width]
