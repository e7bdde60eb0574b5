"""Heaps of texts: whole ones pass in every version of the layout, damaged ones are refused before HDF5 hangs."""

from pathlib import Path

import h5py
import pytest

from gbuffer_tools.frame_file.hdf5_heap import HEAP, OBJECT, check_attributes, check_elements

VERSIONS = ["earliest", "v108", "latest"]


def make(path: Path, version: str, *, chunks: bool = False, long: int = 0) -> Path:
    """Texts of variable length as attributes, many enough for further header blocks, and as elements."""
    with h5py.File(path, "w", libver=version) as file:
        file.attrs["number"] = 3.5
        for i in range(5):
            file.attrs[f"text{i}"] = f"{i}" * (i + long)
        file.attrs.create("list", ["a", "", "straße"], dtype=h5py.string_dtype())
        kind = {"chunks": (2,), "maxshape": (None,)} if chunks else {}
        file.create_dataset("names", data=["x", "y", "zzz"], dtype=h5py.string_dtype(), **kind)
    return path


def check(path: Path) -> None:
    with h5py.File(path) as file:
        check_attributes(file, path)
        check_elements(file["names"], path)


def patched(path: Path, at: int, value: bytes) -> Path:
    data = bytearray(path.read_bytes())
    data[at : at + len(value)] = value
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("chunks", [False, True])
@pytest.mark.parametrize("long", [0, 2000])
def test_whole_files_pass(tmp_path, version, chunks, long):
    check(make(tmp_path / "a.h5", version, chunks=chunks, long=long))


@pytest.mark.parametrize("version", VERSIONS)
def test_every_size_in_a_heap_is_judged(tmp_path, version):
    """Each object's size, set so that the walk would miss the end; the library itself would not come back."""
    data = make(tmp_path / "a.h5", version).read_bytes()
    start = data.index(b"GCOL")
    _, _, size = HEAP.unpack_from(data, start)
    inside, objects = HEAP.size, 0
    while inside + OBJECT.size <= size:
        index, _, length = OBJECT.unpack_from(data, start + inside)
        for wrong in ((0,) if index == 0 else ()) + (length + 3000, 2**64 - 8, 2**63):
            path = patched(make(tmp_path / "b.h5", version), start + inside + 8, wrong.to_bytes(8, "little"))
            with pytest.raises(ValueError, match="heap of texts"):
                check(path)
        objects += 1
        inside += length if index == 0 else OBJECT.size + -(-length // 8) * 8
    assert objects > 7


@pytest.mark.parametrize(("at", "value"), [(0, b"X"), (4, b"\2"), (8, b"\xff" * 4)])
def test_what_is_no_heap_is_refused(tmp_path, at, value):
    path = make(tmp_path / "a.h5", "earliest")
    start = path.read_bytes().index(b"GCOL")
    with pytest.raises(ValueError, match="no heap"):
        check(patched(path, start + at, value))


def test_attributes_in_other_places_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        for i in range(20):
            file.attrs[f"text{i}"] = "x"
        file.create_dataset("names", data=["x"], dtype=h5py.string_dtype())
    with pytest.raises(ValueError, match="another place than the header"):
        check(tmp_path / "a.h5")


def test_compressed_elements_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("names", data=["x"], dtype=h5py.string_dtype(), chunks=(1,), compression="gzip")
    with pytest.raises(ValueError, match="compressed"):
        check(tmp_path / "a.h5")
