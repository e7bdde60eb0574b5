"""Tiling: run frames that are too large to run whole in overlapping tiles, blended so that no seams show.

A network with a limited receptive field gives the same result inside a tile as on the whole frame, except in a margin
of the receptive field's size; the overlap hides the margin. Normalisation over the whole input (GroupNorm) has other
statistics in every tile, so tiles differ slightly in tone, and only running the frame whole is exact.

Shapes: B images, C channels, H W pixels.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

# Ramps are multiples of 1 / 1024 and products of two ramps multiples of 1 / 2^20, so float32 represents both, and
# their sums, exactly.
STEPS = 1024


def spans(length: int, tile: int, overlap: int, multiple_of: int = 1) -> list[tuple[int, int]]:
    """Divide an axis into the fewest possible overlapping tiles of equal length.

    Args:
        length: length of the axis in pixels, divisible by `multiple_of`.
        tile: maximum length of a tile in pixels.
        overlap: minimum overlap of neighbouring tiles in pixels.
        multiple_of: starts and lengths of tiles are multiples of this.

    Returns:
        Start and stop of every tile; a single tile if the axis is no longer than `tile`.

    Raises:
        ValueError: `length` is not a multiple of `multiple_of`, or `tile` is less than four times the overlap (a pixel
            could lie in three tiles).
    """
    if length % multiple_of:
        raise ValueError(f"the length {length} is not a multiple of {multiple_of}; pad first.")
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


def ramps(parts: Sequence[tuple[int, int]], margin: int = 0) -> list[Tensor]:
    """Return blending weights, which rise over the overlap with the previous tile and fall over that with the next.

    Args:
        parts: start and stop of every tile.
        margin: number of pixels with weight 0 at each tile end that overlaps another; less than half of each overlap.

    Returns:
        One tensor (stop - start,) float32 per tile; at every pixel of the axis the weights add up to exactly 1.
    """
    weights = [torch.ones(stop - start) for start, stop in parts]
    for k in range(len(parts) - 1):
        shared = parts[k][1] - parts[k + 1][0]
        rise = torch.arange(shared) + 0.5 - margin
        rise = torch.round((rise / (shared - 2 * margin)).clamp(0, 1) * STEPS) / STEPS
        weights[k][len(weights[k]) - shared :] = 1 - rise
        weights[k + 1][:shared] = rise
    return weights


def pad(x: Tensor, height: int, width: int) -> Tensor:
    """Pad the last two axes at the right and bottom by reflection, with any dtype and by any amount.

    Reflection continues the image; an axis of one pixel is repeated.
    """
    rows, columns = (_reflected(old, new, x.device) for old, new in zip(x.shape[-2:], (height, width), strict=True))
    return x.index_select(-2, rows).index_select(-1, columns)


def _reflected(old: int, new: int, device: torch.device) -> Tensor:
    """Return `new` indices that reflect an axis of `old` pixels: 0, 1, … old - 1, old - 2, … 1, 0, 1, …"""
    period = max(2 * (old - 1), 1)
    index = torch.arange(new, device=device) % period
    return torch.minimum(index, period - index) if old > 1 else torch.zeros_like(index)


def tile_count(size: tuple[int, int], *, tile: int, overlap: int) -> int:
    """Return how often `run_tiled` and `run_in_bands` call the network for a frame of H x W pixels."""
    return math.prod(len(spans(side, tile, overlap)) for side in size)


def run_tiled(
    network: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    *,
    tile: int,
    overlap: int = 64,
    multiple_of: int = 1,
    crop_boxes: bool = False,
    scale: int = 1,
    margin: int = 0,
) -> Tensor:
    """Run a network over a frame: whole if it fits in a tile, else tile by tile.

    Args:
        network: called with crops of all inputs; returns (B, C, s h, s w) for crops of h x w pixels.
        inputs: tensors of any dtype whose last two axes are H and W.
        tile: longest side in pixels that is run at once.
        overlap: minimum overlap of neighbouring tiles in pixels; choose the network's receptive field around a pixel.
        multiple_of: heights and widths that the network receives are multiples of this; the frame is padded by
            reflection, and the result is cropped.
        crop_boxes: pass the position of each tile in the frame as `crop_box=` (see `epe.generator.Generator`).
        scale: s, the factor by which the network enlarges its inputs.
        margin: pixels at tile borders whose results are not used, because the network sees too little around them; less
            than half of the overlap.

    Returns:
        (B, C, s H, s W), in the network's dtype if the frame is run whole, else float32.

    Raises:
        ValueError: the inputs differ in size, or the tile is too small for the overlap.
    """
    bands = run_in_bands(
        network,
        inputs,
        tile=tile,
        overlap=overlap,
        multiple_of=multiple_of,
        crop_boxes=crop_boxes,
        scale=scale,
        margin=margin,
    )
    whole: Tensor | None = None
    height, top = scale * inputs[0].shape[-2], 0
    for band in bands:
        if band.shape[-2] == height:
            return band
        if whole is None:
            whole = band.new_empty(*band.shape[:-2], height, band.shape[-1])
        whole[..., top : top + band.shape[-2], :] = band
        top += band.shape[-2]
    assert whole is not None  # there is at least one tile
    return whole


def run_in_bands(
    network: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    *,
    tile: int,
    overlap: int = 64,
    multiple_of: int = 1,
    crop_boxes: bool = False,
    scale: int = 1,
    margin: int = 0,
) -> Iterator[Tensor]:
    """Run a network over a frame as `run_tiled` does, and yield the result from top to bottom as parts are finished.

    So at most one row of tiles is in memory, however tall the frame is. Arguments and errors are those of `run_tiled`.

    Yields:
        Bands (B, C, h, s W) whose heights add up to s H, the same to the bit as in the whole result.
    """
    height, width = inputs[0].shape[-2:]
    if any(x.shape[-2:] != (height, width) for x in inputs):
        raise ValueError(f"inputs differ in size: {', '.join(str(tuple(x.shape)) for x in inputs)}.")
    full = [-(-n // multiple_of) * multiple_of for n in (height, width)]
    if full != [height, width]:
        inputs = [pad(x, *full) for x in inputs]
    rows, columns = (spans(n, tile, overlap, multiple_of) for n in full)
    if len(rows) == len(columns) == 1:
        yield network(*inputs)[..., : scale * height, : scale * width]
        return

    downs, acrosses = (
        ramps([(scale * start, scale * stop) for start, stop in parts], scale * margin) for parts in (rows, columns)
    )
    ends = [*(start for start, _ in rows[1:]), full[0]]  # later rows of tiles change nothing above these
    begun: Tensor | None = None
    for (top, bottom), down, end in zip(rows, downs, ends, strict=True):
        band: Tensor | None = None
        for (left, right), across in zip(columns, acrosses, strict=True):
            crops = [x[..., top:bottom, left:right] for x in inputs]
            crop_box = torch.tensor([[top / full[0], left / full[1], bottom / full[0], right / full[1]]])
            part = (network(*crops, crop_box=crop_box) if crop_boxes else network(*crops)).float()
            if band is None:
                band = part.new_zeros(*part.shape[:-1], scale * full[1])
                if begun is not None:
                    band[..., : begun.shape[-2], :] = begun
            band[..., scale * left : scale * right] += part * (down[:, None] * across).to(part.device)
        assert band is not None  # there is at least one tile in a row
        done = scale * (end - top)
        begun = band[..., done:, :].clone()
        yield band[..., : min(done, scale * (height - top)), : scale * width]
