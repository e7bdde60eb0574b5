"""Scalar products between the features of many crops, in bounded memory.

A flattened relu1_2 vector of a 126 px crop has a million dimensions, so features are made in blocks of crops,
used, and dropped when the room is needed. Products of strips of features are float32, their sums float64: five times
as fast as float64 throughout, and on real crops MMD² moves by less than 2e-8 of itself. In float32 throughout, cubes of
the products lose the signal.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, NoReturn, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from epe.distributed.processes import ProcessGroup
from eval.features.vgg_features import Crops

Array = NDArray[np.float64]
Extract = Callable[[Crops, Sequence[str]], dict[str, Tensor]]
Block = tuple[int, int]  # index of the set, index of its first crop
Value = TypeVar("Value")

# Dimensions that are summed in float32: few, so that rounding stays small, and two blocks of crops fit into a cache.
STRIP = 2048
LARGEST_BLOCK = 128


@dataclass(frozen=True)
class Grams:
    """Scalar products of one layer, divided by its dimension d.

    Attributes:
        real: (M, M) among the real crops.
        fake: per method (N, N) among its crops.
        across: per method (N, M) between its crops and the real ones.
    """

    real: Array
    fake: tuple[Array, ...]
    across: tuple[Array, ...]


def gram(x: Tensor, y: Tensor) -> Tensor:
    """x · y / d for all pairs of (N, D) and (M, D): (N, M) float64."""
    total = torch.zeros(len(x), len(y), dtype=torch.float64, device=x.device)
    for start in range(0, x.shape[1], STRIP):
        total += x[:, start : start + STRIP] @ y[:, start : start + STRIP].T
    return total / x.shape[1]


def grams(
    extract: Extract,
    real: Crops,
    fakes: Sequence[Crops],
    *,
    layers: Sequence[str],
    memory: int,
    progress: bool,
    group: ProcessGroup | None = None,
) -> dict[str, Grams]:
    """All products that the metric needs: within the real crops, within each method's, and between them.

    Args:
        extract: crops and layers to features.
        real: (M, S, S, 3) uint8.
        fakes: per method (N, S, S, 3) uint8.
        layers: names of layers.
        memory: bytes of features to keep at a time. Less than what all crops need costs time, not exactness.
        progress: show a bar on stderr.
        group: the processes that share the work; each gets all of the products.
    """
    group = group or ProcessGroup()
    sets = [real, *fakes]
    tables = {
        layer: {(a, b): np.zeros((len(sets[a]), len(sets[b]))) for a, b in _needed(len(sets))} for layer in layers
    }
    weight = {layer: rows.numel() * rows.element_size() for layer, rows in extract(real[:1], layers).items()}
    resident = len(real) + max(len(crops) for crops in fakes)
    passes = [
        _Pass(names, sets, sum(weight[name] for name in names), memory, group)
        for names in _split(weight, memory // resident)
    ]
    with tqdm(
        total=sum(p.crops() for p in passes), desc="features", unit="crop", disable=not (progress and group.first)
    ) as bar:
        for one in passes:
            one.run(extract, tables, bar)
    group.add(values for table in tables.values() for values in table.values())
    return {layer: _collect(table, len(fakes)) for layer, table in tables.items()}


def _needed(sets: int) -> list[tuple[int, int]]:
    """Pairs of sets; no method is compared with another."""
    return [(0, 0)] + [pair for fake in range(1, sets) for pair in ((fake, 0), (fake, fake))]


def _split(weight: dict[str, int], room: int) -> list[list[str]]:
    """Layers in groups whose vectors of one crop fit into `room` bytes, so that few crops are computed twice."""
    groups: list[list[str]] = []
    for layer, size in weight.items():
        if groups and sum(weight[name] for name in groups[-1]) + size <= room:
            groups[-1].append(layer)
        else:
            groups.append([layer])
    return groups


def _collect(table: dict[tuple[int, int], Array], fakes: int) -> Grams:
    return Grams(
        real=table[0, 0],
        fake=tuple(table[i, i] for i in range(1, fakes + 1)),
        across=tuple(table[i, 0] for i in range(1, fakes + 1)),
    )


class _Pass:
    """One sweep over this process's pairs of blocks for some layers."""

    def __init__(self, layers: list[str], sets: list[Crops], weight: int, memory: int, group: ProcessGroup) -> None:
        self.layers, self.sets, self.group = layers, sets, group
        # Two blocks are in use at a time; a quarter of the memory each leaves room to keep others.
        self.block = max(1, min(LARGEST_BLOCK, memory // (4 * weight)))
        self.kept = max(2 * self.block, memory // weight)

    def pairs(self) -> list[tuple[Block, Block]]:
        """This process's part of all pairs: neighbours, which have blocks in common."""
        every = list(self.every_pair())
        first, last = (rank * len(every) // self.group.size for rank in (self.group.rank, self.group.rank + 1))
        return every[first:last]

    def every_pair(self) -> Iterator[tuple[Block, Block]]:
        """Pairs of blocks; every other row runs backwards, towards the blocks that are still kept."""
        for a, b in _needed(len(self.sets)):
            for turn, i in enumerate(range(0, len(self.sets[a]), self.block)):
                starts = range(0, i + 1 if a == b else len(self.sets[b]), self.block)
                for j in starts if turn % 2 == 0 else reversed(starts):
                    yield (a, i), (b, j)

    def rows(self, block: Block) -> slice:
        return slice(block[1], min(block[1] + self.block, len(self.sets[block[0]])))

    def size(self, block: Block) -> int:
        rows = self.rows(block)
        return rows.stop - rows.start

    def crops(self) -> int:
        """How many crops this pass computes, repeated ones included."""
        loaded: list[int] = []
        blocks = _Recent(lambda block: loaded.append(self.size(block)), self.size, self.kept)
        for x, y in self.pairs():
            blocks.get(x)
            blocks.get(y)
        return sum(loaded)

    def run(self, extract: Extract, tables: dict[str, dict[tuple[int, int], Array]], bar: "tqdm[NoReturn]") -> None:
        """Fill the tables of this pass's layers."""

        def load(block: Block) -> dict[str, Tensor]:
            features = extract(self.sets[block[0]][self.rows(block)], self.layers)
            bar.update(self.size(block))
            return features

        blocks = _Recent(load, self.size, self.kept)
        for x, y in self.pairs():
            features_x, features_y = blocks.get(x), blocks.get(y)
            for layer in self.layers:
                values = gram(features_x[layer], features_y[layer]).cpu().numpy()
                table = tables[layer][x[0], y[0]]
                table[self.rows(x), self.rows(y)] = values
                if x[0] == y[0]:
                    table[self.rows(y), self.rows(x)] = values.T


class _Recent(Generic[Value]):
    """Keeps the values of the blocks that were asked for last, up to a total size."""

    def __init__(self, load: Callable[[Block], Value], size: Callable[[Block], int], room: int) -> None:
        self.load, self.size, self.room = load, size, room
        self.values: OrderedDict[Block, Value] = OrderedDict()

    def get(self, block: Block) -> Value:
        if block not in self.values:
            while self.values and sum(map(self.size, self.values)) + self.size(block) > self.room:
                self.values.popitem(last=False)  # before loading: memory must not overshoot
            self.values[block] = self.load(block)
        self.values.move_to_end(block)
        return self.values[block]
