"""Inner products between the features of many crops; each crop goes through the network once.

A flattened relu1_2 vector of a 126 px crop has a million dimensions. The photographs' features and those of one method
at a time are kept strip by strip (`eval.features.strips`), in memory as far as they fit, the rest in a scratch file.
All products are then summed while each strip is read once. If disk and memory together are too small, the strips are
processed in several sweeps, and the features are computed again for each.

Products of feature strips are float32, their sums float64: five times as fast as float64 throughout, and on real crops
the relative change in MMD² is below 2e-8. In float32 throughout, the cubes of the products lose the signal. Strips and
crop blocks do not depend on memory, disk or the number of processes, so neither do the bits of the products.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from epe.distributed.processes import ProcessGroup
from eval.features.scratch import scratch_file, usable_bytes
from eval.features.strips import StripStore, Sweep, cut, sweeps
from eval.features.vgg_features import CropPixels
from gbuffer_tools.errors import InputError

Array = NDArray[np.float64]
Tables = dict[tuple[int, int], Tensor]  # (N, M) float64 by the numbers of two sets

# Dimensions summed in float32: few, so rounding stays small and two crop blocks fit into a cache.
STRIP = 2048
# Crops per side of a matrix product. Products of other shapes may round differently.
BLOCK = 128


class Extract(Protocol):
    """Computes features of crops.

    Attributes:
        batch: crops per forward pass.
        dtype, device: the features' dtype and device.
    """

    @property
    def batch(self) -> int: ...
    @property
    def dtype(self) -> torch.dtype: ...
    @property
    def device(self) -> torch.device: ...
    def widths(self, side: int, layers: Sequence[str]) -> dict[str, int]:
        """Feature dimensions by layer, for crops of `side` pixels."""
        ...

    def __call__(self, crops: CropPixels, layers: Sequence[str]) -> dict[str, Tensor]:
        """Features (N, D) by layer of crops (N, S, S, 3 or 4) uint8."""
        ...


@dataclass(frozen=True)
class InnerProducts:
    """Inner products of one layer's features, divided by their dimension d.

    Attributes:
        real: (M, M) among the real crops.
        fake: per method (N, N) among its crops.
        across: per method (N, M) between its crops and the real ones.
    """

    real: Array
    fake: tuple[Array, ...]
    across: tuple[Array, ...]


def inner_products(x: Tensor, y: Tensor) -> Tensor:
    """x · y / D for all pairs of rows of (N, D) and (M, D): (N, M) float64."""
    total = torch.zeros(len(x), len(y), dtype=torch.float64, device=x.device)
    for start in range(0, x.shape[1], STRIP):
        total += x[:, start : start + STRIP] @ y[:, start : start + STRIP].T
    return total / x.shape[1]


def crop_inner_products(
    extract: Extract,
    real: CropPixels,
    fakes: Sequence[CropPixels],
    *,
    layers: Sequence[str],
    memory: int,
    scratch: Path | None = None,
    progress: bool,
    group: ProcessGroup | None = None,
) -> dict[str, InnerProducts]:
    """All inner products that sKVD needs: within the real crops, within each method's, and between them.

    Args:
        extract: maps crops and layers to features.
        real: (M, S, S, 3) uint8.
        fakes: per method (N, S, S, 3) uint8; one method or more.
        layers: names of layers.
        memory: bytes of features to hold at a time. What does not fit goes to the scratch file.
        scratch: folder of the scratch file; None: the system's folder for temporary files.
        progress: show a bar on stderr.
        group: the processes that share the work; each gets all products. If there are several, they keep all features
            in the scratch file, which all of them must be able to access.

    Raises:
        InputError: neither memory nor the scratch folder has room, or the folder cannot be used.
    """
    group, scratch = group or ProcessGroup(), scratch or Path(tempfile.gettempdir())
    sets = [real, *fakes]
    widths = extract.widths(real.shape[1], layers)
    rows = len(real) + max(map(len, fakes))
    plan = _plan(extract, widths, rows, memory, scratch, group)
    shown = progress and group.first
    if shown and len(plan) > 1:
        line = f"{scratch}: too little space for all features; every crop is computed {len(plan)} times"
        print(line, file=sys.stderr)
    tables = {layer: _empty_tables(sets, extract.device) for layer in layers}
    mine = sum(len(chunk) for crops in sets for _, chunk in _chunks(crops, extract.batch, group))
    with tqdm(total=len(plan) * mine, desc="features", unit="crop", disable=not shown) as bar:
        for sweep in plan:
            with ExitStack() as stack:
                file = stack.enter_context(scratch_file(scratch, group)) if sweep.scratch else None
                store = StripStore(sweep, rows, extract.dtype, extract.device, file)
                _run(extract, sets, store, tables, group, bar)
    return {layer: _collect(table, sets, widths[layer], group) for layer, table in tables.items()}


def _plan(
    extract: Extract, widths: dict[str, int], rows: int, memory: int, scratch: Path, group: ProcessGroup
) -> list[Sweep]:
    """How the strips are divided between memory and disk.

    Raises:
        InputError: not even one strip fits.
    """
    size = extract.dtype.itemsize
    strips = cut(widths, STRIP)
    # A batch's own features and a strip read from the file take part of the memory.
    room = memory - size * (extract.batch * sum(widths.values()) + rows * max(strip.width for strip in strips))
    room = max(0, room) if group.size == 1 else 0  # processes share no memory
    column = rows * size
    whole = column * sum(widths.values())
    disk = 0 if whole <= room else usable_bytes(scratch, group)
    try:
        return sweeps(strips, column=column, memory=room, scratch=disk)
    except ValueError as error:
        raise InputError(
            f"{scratch}: {disk / 2**30:.2f} GiB can be used, wanted {whole / 2**30:.2f} GiB for features of {rows} "
            "crops; free space, name another folder by --scratch, or raise --memory"
        ) from error


def _needed(sets: int) -> list[tuple[int, int]]:
    """Pairs of sets; methods are not compared with each other."""
    return [(0, 0)] + [pair for fake in range(1, sets) for pair in ((fake, 0), (fake, fake))]


def _empty_tables(sets: Sequence[CropPixels], device: torch.device) -> Tables:
    return {
        (a, b): torch.zeros(len(sets[a]), len(sets[b]), dtype=torch.float64, device=device)
        for a, b in _needed(len(sets))
    }


def _run(
    extract: Extract,
    sets: Sequence[CropPixels],
    store: StripStore,
    tables: dict[str, Tables],
    group: ProcessGroup,
    bar: "tqdm[NoReturn]",
) -> None:
    """Add the products in a sweep's strips to the tables; each method's features overwrite the previous method's."""
    base = len(sets[0])

    def fill(crops: CropPixels, row: int) -> None:
        for start, chunk in _chunks(crops, extract.batch, group):
            store.write(row + start, extract(chunk, store.sweep.layers))
            bar.update(len(chunk))

    fill(sets[0], 0)
    for number in range(1, len(sets)):
        fill(sets[number], base)
        bar.set_postfix_str(f"products {number} of {len(sets) - 1}")
        group.wait()  # until all features are stored
        blocks = list(_blocks(sets, number, group))
        for index, strip in enumerate(store.sweep.strips):
            values = store.read(index, base + len(sets[number]))
            if values.dtype == torch.bfloat16:
                values = values.float()
            found = {0: values[:base], number: values[base:]}
            for a, x, b, y in blocks:
                block = tables[strip.layer][a, b][x, y]
                block += found[a][x] @ found[b][y].T
        group.wait()  # until no process reads them any more


def _chunks(crops: CropPixels, batch: int, group: ProcessGroup) -> Iterator[tuple[int, CropPixels]]:
    """This process's batches of crops, each with the index of its first crop."""
    for number, start in enumerate(range(0, len(crops), batch)):
        if number % group.size == group.rank:
            yield start, crops[start : start + batch]


def _blocks(sets: Sequence[CropPixels], number: int, group: ProcessGroup) -> Iterator[tuple[int, slice, int, slice]]:
    """This process's blocks of a method's tables; the first method's come with those of the real crops' own table."""
    pairs = [(number, 0), (number, number)] + [(0, 0)] * (number == 1)
    every = [
        (a, slice(i, min(i + BLOCK, len(sets[a]))), b, slice(j, min(j + BLOCK, len(sets[b]))))
        for a, b in pairs
        for i in range(0, len(sets[a]), BLOCK)
        for j in range(0, i + 1 if a == b else len(sets[b]), BLOCK)  # the other half is the same
    ]
    yield from every[group.rank :: group.size]


def _collect(tables: Tables, sets: Sequence[CropPixels], width: int, group: ProcessGroup) -> InnerProducts:
    """A layer's products from the sums over its D = `width` dimensions."""
    found: dict[tuple[int, int], Array] = {}
    for pair, sums in tables.items():
        table = (sums / width).cpu().numpy()
        group.add([table])
        if pair[0] == pair[1]:
            for i in range(0, len(table), BLOCK):
                part = table[i : i + BLOCK, : i + BLOCK].copy()
                table[: i + BLOCK, i : i + BLOCK] = part.T
        found[pair] = table
    numbers = range(1, len(sets))
    return InnerProducts(found[0, 0], tuple(found[i, i] for i in numbers), tuple(found[i, 0] for i in numbers))
