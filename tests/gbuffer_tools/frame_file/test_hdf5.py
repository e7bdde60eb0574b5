"""Texts in HDF5 files of others; that its structure is judged is tested with frame files (test_schema)."""

import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from gbuffer_tools.errors import InputError
from gbuffer_tools.frame_file import hdf5


@pytest.fixture
def file(tmp_path: Path) -> h5py.File:
    with h5py.File(tmp_path / "x.h5", "w") as new:
        new["good"] = np.bytes_("zwö".encode())
        new["list"] = np.array([b"a", b"b"])
        new["variable"] = "text"
        new["number"] = 5
        new["plain"] = np.frombuffer(b"text", np.uint8)
        new["bytes"] = np.bytes_(b"\xff")
        new.create_group("group")
    with h5py.File(tmp_path / "x.h5") as found:
        yield found


def test_a_text(file: h5py.File, tmp_path: Path) -> None:
    assert hdf5.text_in(file, "good", Path("x.h5"), max_bytes=4) == "zwö"
    assert hdf5.text_in(file, "variable", tmp_path / "x.h5", max_bytes=4) == "text"
    assert hdf5.text_in(file, "plain", Path("x.h5"), max_bytes=4) == "text"
    with pytest.raises(InputError, match="at most 3 bytes"):
        hdf5.text_in(file, "variable", tmp_path / "x.h5", max_bytes=3)


def test_both_orders_of_bytes() -> None:
    assert np.dtype(">f4") in hdf5.either_order([np.dtype("f4")])
    swapped = hdf5.native(np.array([1, 2], ">f4"))
    assert swapped.dtype.isnative
    assert swapped.tolist() == [1, 2]


@pytest.mark.parametrize("name", ["list", "number", "group"])
def test_what_is_no_text(file: h5py.File, name: str) -> None:
    with pytest.raises(InputError, match=rf"x\.h5: /{name} is no text of at most 99 bytes"):
        hdf5.text_in(file, name, Path("x.h5"), max_bytes=99)


def test_longer_than_wanted_and_no_text(file: h5py.File) -> None:
    with pytest.raises(InputError, match="at most 3 bytes"):
        hdf5.text_in(file, "good", Path("x.h5"), max_bytes=3)
    with pytest.raises(InputError, match="broken HDF5 at bytes"):
        hdf5.text_in(file, "bytes", Path("x.h5"), max_bytes=99)


def test_what_was_wanted_is_said(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"text")
    with pytest.raises(InputError, match="wanted an HDF5 file; is it a container of X"):
        hdf5.open_read(tmp_path / "x", "a container of X")


def with_chunk(path: Path, side: int, stored: bytes, left_out: int = 0, **filters: object) -> Path:
    """A file with one dataset of one chunk of `side` by `side` bytes, of which `stored` is what lies on the disk."""
    with h5py.File(path, "w") as new:
        data = new.create_dataset("data", (side, side), np.uint8, chunks=(side, side), **filters)
        data.id.write_direct_chunk((0, 0), stored, left_out)
    return path


def data_in(path: Path) -> h5py.Dataset:
    with hdf5.open_read(path) as file, hdf5.broken(path, "/data"):
        return hdf5.dataset_in(file, "data", path, {np.dtype(np.uint8)})


@pytest.mark.parametrize("filters", [{"compression": "gzip"}, {"compression": "gzip", "shuffle": True}])
def test_chunks_that_unpack_to_more_than_their_size(tmp_path: Path, filters: dict[str, object]) -> None:
    small = with_chunk(tmp_path / "small.h5", 16, zlib.compress(bytes(10**6)), **filters)
    with pytest.raises(InputError, match=r"small\.h5: /data has a chunk of 991 bytes, wanted < 320"):
        data_in(small)
    left_out = 1 if "shuffle" in filters else 0  # a mask that leaves out shuffle only must not hide the rest
    large = with_chunk(tmp_path / "large.h5", 1000, zlib.compress(bytes(600 * 10**6)), left_out, **filters)
    with pytest.raises(InputError, match=r"has a chunk at \(0, 0\) that unpacks to more than its size"):
        data_in(large)


def test_large_chunks_that_are_sound(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(1000 * 1000)
    for name, left_out, stored in (("packed", 0, zlib.compress(noise)), ("as it is", 1, noise)):
        assert data_in(with_chunk(tmp_path / name, 1000, stored, left_out, compression="gzip")) is not None
    with pytest.raises(InputError, match=r"has a broken chunk at \(0, 0\)"):
        data_in(with_chunk(tmp_path / "broken", 1000, noise, compression="gzip"))


def test_filters_twice(tmp_path: Path) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((8, 8))
    plist.set_deflate(9)
    plist.set_deflate(9)
    with h5py.File(tmp_path / "x.h5", "w") as new:
        space = h5py.h5s.create_simple((8, 8))
        h5py.h5d.create(new.id, b"data", h5py.h5t.NATIVE_UINT8, space, plist)
    with pytest.raises(InputError, match="uses HDF5 filters gzip, gzip, wanted gzip, shuffle, fletcher32, once"):
        data_in(tmp_path / "x.h5")
