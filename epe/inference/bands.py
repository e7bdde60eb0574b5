"""Run modules over large maps one band of rows at a time: the same values, for a fraction of the working memory.

Shapes: B images, C features, H W pixels.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from epe.layers.rad import Reader


class Band(NamedTuple):
    """Rows `top` to `bottom` of a result, and the rows `start` to `stop` that must be run to compute them."""

    top: int
    bottom: int
    start: int
    stop: int

    @property
    def inside(self) -> slice:
        """The result's rows within those that are run."""
        return slice(self.top - self.start, self.bottom - self.start)


def bands(rows: int, step: int, reach: int) -> Iterator[Band]:
    """Divide `rows` rows into bands of `step` rows, which are run with a margin of `reach` rows on each side."""
    for top in range(0, rows, step):
        bottom = min(top + step, rows)
        yield Band(top, bottom, max(top - reach, 0), min(bottom + reach, rows))


def in_bands(
    module: Callable[..., Tensor], inputs: Sequence[Tensor], pixels: int, reach: int, stride: int = 1
) -> Tensor:
    """Run a module with a limited receptive field in bands, so that its results do not depend on the bands.

    Args:
        module: called with bands of all inputs; returns (B, C, h / stride, w / stride), rounded up.
        inputs: maps of any dtype whose last two axes are H and W.
        pixels: input pixels per band, without the margin that is run with it. A band has at least one row.
        reach: number of result rows that a band's border can change.
        stride: input rows per result row.

    Returns:
        (B, C, H / stride, W / stride), rounded up.
    """
    height, width = inputs[0].shape[-2:]
    rows, step = -(-height // stride), max(pixels // (width * stride), 1)
    whole: Tensor | None = None
    for band in bands(rows, step, reach):
        part = module(*(x[..., band.start * stride : band.stop * stride, :] for x in inputs))[..., band.inside, :]
        if step >= rows:
            return part
        if whole is None:
            shape = (*part.shape[:-2], rows, part.shape[-1])
            whole = torch.empty(shape, dtype=part.dtype, device=part.device, memory_format=torch.channels_last)
        whole[..., band.top : band.bottom, :] = part
    assert whole is not None  # a map has rows
    return whole


class Banded:
    """The map of a large frame: conditioners compute and apply scale and shift one band of rows at a time.

    The towers have more features than anything else (in `hr` 128, the image 16), so they need most of the memory.

    Args:
        encoded: the map, (B, E, H, W).
        pixels: pixels in a band.
    """

    def __init__(self, encoded: Tensor, pixels: int) -> None:
        self.encoded, self.pixels = encoded, pixels

    def modulate(self, x: Tensor, reader: Reader) -> Tensor:
        """Apply a conditioner's scale and shift to features (B, C, H, W), in place."""
        height, width = x.shape[-2:]
        for band in bands(height, max(self.pixels // width, 1), reader.reach):
            scale, shift = reader.terms(self.encoded[..., band.start : band.stop, :])
            own = x[..., band.top : band.bottom, :]
            own.mul_(scale[..., band.inside, :]).add_(shift[..., band.inside, :])
        return x
