"""Run modules over large maps a band of rows at a time: the same values, for a fraction of the working memory.

Shapes: B images, C features, H W pixels.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from epe.layers.rad import Reader


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
    for top in range(0, rows, step):
        bottom = min(top + step, rows)
        start, stop = max(top - reach, 0), min(bottom + reach, rows)
        part = module(*(x[..., start * stride : stop * stride, :] for x in inputs))[
            ..., top - start : bottom - start, :
        ]
        if step >= rows:
            return part
        if whole is None:
            shape = (*part.shape[:-2], rows, part.shape[-1])
            whole = torch.empty(shape, dtype=part.dtype, device=part.device, memory_format=torch.channels_last)
        whole[..., top:bottom, :] = part
    assert whole is not None  # a map has rows
    return whole


class Banded:
    """The map of a large frame: conditioners compute scale and shift a band of rows at a time.

    The towers have more features than all else (`hr`: 128 where the image has 16), so they need most of the memory.

    Args:
        encoded: the map, (B, E, H, W).
        pixels: pixels in a band.
    """

    def __init__(self, encoded: Tensor, pixels: int) -> None:
        self.encoded, self.pixels = encoded, pixels

    def terms(self, reader: Reader) -> tuple[Tensor, Tensor]:
        """Return scale and shift of a conditioner, each (B, C, H, W)."""

        def both(g: Tensor) -> Tensor:
            return torch.cat(reader.terms(g), dim=1)

        scale, shift = in_bands(both, [self.encoded], self.pixels, reader.reach).chunk(2, dim=1)
        return scale, shift
