"""Run modules over large maps a band of rows at a time: the same values, for a fraction of the working memory.

Shapes: B images, C features, H W pixels.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from epe.layers.rad import Reader


class Band(NamedTuple):
    """Rows `top` to `bottom` of a result, and rows `start` to `stop` that have to be run for them."""

    top: int
    bottom: int
    start: int
    stop: int

    @property
    def inside(self) -> slice:
        """The rows of the result among those that are run."""
        return slice(self.top - self.start, self.bottom - self.start)


def bands(rows: int, step: int, reach: int) -> Iterator[Band]:
    """Divide a number of rows into bands of `step` rows, run with a margin of `reach` rows on each side."""
    for top in range(0, rows, step):
        bottom = min(top + step, rows)
        yield Band(top, bottom, max(top - reach, 0), min(bottom + reach, rows))


def in_bands(
    module: Callable[..., Tensor], inputs: Sequence[Tensor], pixels: int, reach: int, stride: int = 1
) -> Tensor:
    """Run a module whose receptive field is limited, so that its results do not depend on the bands.

    Args:
        module: called with bands of all inputs; returns (B, C, h / stride, w / stride), rounded up.
        inputs: maps of any dtype whose last two axes are H and W.
        pixels: pixels of the inputs in a band, without the margin that is run with it. A band has a row or more.
        reach: rows of the result that the border of a band can change.
        stride: rows of the inputs for a row of the result.

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
    """The map of a large frame: conditioners compute scale and shift a band of rows at a time, and apply them at once.

    The towers have more features than all else (`hr`: 128 where the image has 16), so they need most of the memory.

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
