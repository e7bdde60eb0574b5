"""Tiles: any reader of HDF5 gives back what was stored."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gbuffer_tools.frame import TILE
from gbuffer_tools.frame_file import chunks

DTYPES = ("uint8", "uint16", "uint32", "float16", "float32")


def stored(rows: list[np.ndarray]) -> np.ndarray:
    """Rows as h5py reads them back."""
    with h5py.File("rows", "w", driver="core", backing_store=False) as file, ThreadPoolExecutor(2) as threads:
        data = chunks.create(file, "data", rows[0])
        data.resize(len(rows), axis=0)
        for index, row in enumerate(rows):
            chunks.put(data, index, chunks.pack_map(data, row, threads))
        return np.asarray(data[:])


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from(DTYPES), st.sampled_from([None, 1, 2, 3]))
def test_rows_read_back_bit_by_bit(data: st.DataObject, dtype: str, channels: int | None) -> None:
    height, width = (data.draw(st.sampled_from([1, 2, side - 1, side, side + 1, 2 * side + 5])) for side in TILE)
    shape = (height, width, *([channels] if channels else []))
    rows = [data.draw(arrays.arrays(dtype, shape, fill=arrays.from_dtype(np.dtype(dtype)))) for _ in range(2)]
    for row, read in zip(rows, stored(rows), strict=True):
        assert row.tobytes() == read.tobytes()


def test_rows_that_are_views() -> None:
    row = np.random.default_rng(0).integers(0, 2**16, (150, 130, 3), np.uint16)[::-1, ::2]
    np.testing.assert_array_equal(stored([row])[0], row)


def test_number_of_threads_does_not_matter() -> None:
    row = np.random.default_rng(0).normal(size=(200, 300)).astype(np.float16)
    bits = []
    for count in (1, 4):
        with h5py.File("rows", "w", driver="core", backing_store=False) as file, ThreadPoolExecutor(count) as threads:
            data = chunks.create(file, "data", row)
            data.resize(1, axis=0)
            chunks.put(data, 0, chunks.pack_map(data, row, threads))
            bits.append([data.id.read_direct_chunk(data.id.get_chunk_info(i).chunk_offset) for i in range(8)])
    assert bits[0] == bits[1]


@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "gzip"}, {"compression": "gzip", "shuffle": True, "fletcher32": True}, {"compression": "lzf"}],
)
def test_files_with_other_filters_keep_them(tmp_path: Path, options: dict[str, object]) -> None:
    row = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)
    with h5py.File(tmp_path / "x.h5", "w") as file, ThreadPoolExecutor(1) as threads:
        data = file.create_dataset("data", (1, 20, 30), np.float32, chunks=(1, 16, 16), **options)
        chunks.put(data, 0, chunks.pack_map(data, row, threads))
        np.testing.assert_array_equal(data[0], row)
