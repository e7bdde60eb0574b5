"""Crop features kept strip by strip: in memory as far as they fit, the rest in a scratch file.

A strip is a few of a layer's dimensions, for all crops. Sums over dimensions read the strips one after the other, each
once, so crops need not be computed again, and the file is read from beginning to end.

Shapes: R crops, D dimensions of a layer, W of a strip.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from eval.features.scratch import ScratchFile


@dataclass(frozen=True)
class Strip:
    """Dimensions `start` to `stop` of a layer."""

    layer: str
    start: int
    stop: int

    @property
    def width(self) -> int:
        """Number of dimensions, W."""
        return self.stop - self.start


@dataclass(frozen=True)
class Sweep:
    """Strips that are kept at the same time, so one forward pass per crop fills all of them.

    Attributes:
        strips: the first `in_memory` of them are in memory, the others in the scratch file.
        scratch: size of the file in bytes.
    """

    strips: tuple[Strip, ...]
    in_memory: int
    scratch: int

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that the strips belong to."""
        return tuple(dict.fromkeys(strip.layer for strip in self.strips))


def cut(widths: Mapping[str, int], width: int) -> list[Strip]:
    """All strips of some layers: `width` dimensions each; a layer's last strip has what is left.

    Args:
        widths: D by layer.
    """
    return [
        Strip(layer, start, min(start + width, whole))
        for layer, whole in widths.items()
        for start in range(0, whole, width)
    ]


def sweeps(strips: Sequence[Strip], *, column: int, memory: int, scratch: int) -> list[Sweep]:
    """The fewest sweeps, in order, that hold all strips: one if memory and disk together suffice.

    Args:
        column: bytes of one dimension for all crops.
        memory, scratch: bytes that strips may take in either.

    Raises:
        ValueError: not even one strip fits.
    """
    found: list[Sweep] = []
    begun, kept, used, spilled = 0, 0, 0, 0
    for index, strip in enumerate(strips):
        size = column * strip.width
        if size > max(memory, scratch):
            raise ValueError(f"a strip takes {size} bytes")
        fits = not spilled and used + size <= memory
        if not fits and spilled + size > scratch:
            found.append(Sweep(tuple(strips[begun:index]), kept, spilled))
            begun, kept, used, spilled = index, 0, 0, 0
            fits = size <= memory
        if fits:
            kept, used = kept + 1, used + size
        else:
            spilled += size
    return [*found, Sweep(tuple(strips[begun:]), kept, spilled)]


class StripStore:
    """The features of some crops in the strips of a sweep.

    Args:
        sweep: the strips, and where they are.
        rows: R.
        dtype, device: the features' dtype and device.
        file: holds the strips that are not in memory; None if all are.
    """

    def __init__(
        self, sweep: Sweep, rows: int, dtype: torch.dtype, device: torch.device, file: ScratchFile | None
    ) -> None:
        self.sweep, self.file = sweep, file
        kept, spilled = sweep.strips[: sweep.in_memory], sweep.strips[sweep.in_memory :]
        self._kept = [torch.empty(rows, strip.width, dtype=dtype, device=device) for strip in kept]
        self._row = [strip.width * dtype.itemsize for strip in sweep.strips]  # bytes
        self._places = [0] * len(kept)
        place = 0
        for row in self._row[len(kept) :]:
            self._places.append(place)
            place += rows * row
        # Strips from the file are read into the same memory each time: the system has to clear fresh memory.
        self._buffer = torch.empty(rows * max((strip.width for strip in spilled), default=0), dtype=dtype)
        self._device = device

    def write(self, row: int, features: Mapping[str, Tensor]) -> None:
        """Store the features (n, D) by layer of the crops starting at `row`."""
        count = len(next(iter(features.values())))
        for index, strip in enumerate(self.sweep.strips):
            values = features[strip.layer][:, strip.start : strip.stop]
            if index < len(self._kept):
                self._kept[index][row : row + count] = values
            else:
                assert self.file is not None
                raw = values.cpu().contiguous().view(torch.uint8).numpy().reshape(-1)
                self.file.write(self._places[index] + row * self._row[index], raw)

    def read(self, index: int, rows: int) -> Tensor:
        """The first crops' features (rows, W) in a strip, valid until the next call."""
        if index < len(self._kept):
            return self._kept[index][:rows]
        assert self.file is not None
        width = self.sweep.strips[index].width
        values = self._buffer[: rows * width]
        self.file.read(self._places[index], values.view(torch.uint8).numpy())
        return values.view(rows, width).to(self._device)
