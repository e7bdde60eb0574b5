"""Datasets of maps, cut into tiles, so reading a crop reads little more than the crop.

A tile is stored as HDF5's own filters could store it, so every HDF5 reader can read it. But libdeflate packs it, which
searches for the shortest encoding where zlib takes the first good one, and shuffling is left out if that is shorter.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import deflate
import numpy as np

from gbuffer_tools.frame import TILE, Array
from gbuffer_tools.io.late import LateModule

if TYPE_CHECKING:
    import h5py
else:
    h5py = LateModule("h5py")

LEVEL, BYTES_LEVEL, QUICK_LEVEL = 10, 12, 6
"""Levels of libdeflate, whose highest is 12. On floats 12 takes almost three times as long as 10 and gains 0.7 %; on
bytes it is quick."""
SHUFFLE = 1
"""The bit of the dataset's first filter."""


class Tile(NamedTuple):
    """A tile of a map, packed as the file stores it.

    Attributes:
        place: its first index in the map, along every axis.
        left_out: which of HDF5's filters are left out, one bit each.
        stored: its bytes in the file.
    """

    place: tuple[int, ...]
    left_out: int
    stored: bytes


def create(file: h5py.File, path: str, row: Array) -> h5py.Dataset:
    """An empty dataset for maps like `row`, (H,W) or (H,W,C)."""
    tile = (*map(part, row.shape[:2], TILE), *row.shape[2:])
    return file.create_dataset(
        path, (0, *row.shape), row.dtype, maxshape=(None, *row.shape), chunks=(1, *tile),
        compression="gzip", compression_opts=9, shuffle=True,
    )  # fmt: skip


def part(side: int, max_side: int) -> int:
    """A tile's side: the frame's is cut into parts that are as equal as possible, none above `max_side`."""
    return -(-side // -(-side // max_side))


def pack_map(data: h5py.Dataset, row: Array, threads: Executor) -> list[Tile] | Array:
    """A map of a dataset's shape and dtype for `put`: its tiles, or itself if the dataset has other filters."""
    if (data.compression, data.shuffle, data.fletcher32) != ("gzip", True, False) or data.chunks[0] != 1:
        return row  # somebody else's file
    _, *tile = data.chunks
    places = list(corners(row.shape, tile))
    parts = (cut(row, place, tile) for place in places)
    return [Tile(place, *packed) for place, packed in zip(places, threads.map(pack, parts), strict=True)]


def put(data: h5py.Dataset, index: int, packed: list[Tile] | Array) -> None:
    """Store entry `index` of a dataset that is large enough: a map from `pack_map`, or any other array."""
    if not isinstance(packed, list):
        data[index] = packed
        return
    for tile in packed:
        data.id.write_direct_chunk((index, *tile.place), tile.stored, tile.left_out)


def corners(shape: tuple[int, ...], tile: list[int]) -> Iterator[tuple[int, ...]]:
    """First index of each tile of an array, along every axis."""
    return product(*(range(0, side, length) for side, length in zip(shape, tile, strict=True)))


def cut(row: Array, place: tuple[int, ...], tile: list[int]) -> Array:
    """A tile, padded with zeros where it reaches beyond the array."""
    inside = row[tuple(slice(first, first + length) for first, length in zip(place, tile, strict=True))]
    if inside.shape == tuple(tile):
        return np.ascontiguousarray(inside)
    full = np.zeros(tile, row.dtype)
    full[tuple(slice(side) for side in inside.shape)] = inside
    return full


def pack(tile: Array) -> tuple[int, bytes]:
    """Apply HDF5's filters to a tile; returns which of them are left out, one bit each, and the bytes to store.

    Shuffling puts the first bytes of all elements before their second ones. That helps with noise in low bits and hurts
    with recurring values, so the quick level decides whether a tile is shuffled.
    """
    little = tile.astype(tile.dtype.newbyteorder("<"), copy=False)
    plain = little.tobytes()
    if little.itemsize == 1:
        return SHUFFLE, deflated(plain, BYTES_LEVEL)
    shuffled = np.frombuffer(plain, np.uint8).reshape(-1, little.itemsize).T.tobytes()
    if len(deflated(plain, QUICK_LEVEL)) < len(deflated(shuffled, QUICK_LEVEL)):
        return SHUFFLE, deflated(plain, LEVEL)
    return 0, deflated(shuffled, LEVEL)


def deflated(data: bytes, level: int) -> bytes:
    """Deflate data in zlib's format."""
    return bytes(deflate.zlib_compress(data, level))
