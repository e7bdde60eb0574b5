"""Texts in HDF5 files of others; that its structure is judged is tested with frame files (test_schema)."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from gbuffer_tools import hdf5
from gbuffer_tools.errors import InputError


@pytest.fixture
def file(tmp_path: Path) -> h5py.File:
    with h5py.File(tmp_path / "x.h5", "w") as new:
        new["good"] = np.bytes_("zwö".encode())
        new["list"] = np.array([b"a", b"b"])
        new["variable"] = "text"
        new["number"] = 5
        new["bytes"] = np.bytes_(b"\xff")
        new.create_group("group")
    with h5py.File(tmp_path / "x.h5") as found:
        yield found


def test_a_text(file: h5py.File) -> None:
    assert hdf5.text_in(file, "good", Path("x.h5"), most=4) == "zwö"


@pytest.mark.parametrize("name", ["list", "variable", "number", "group"])
def test_what_is_no_text_of_fixed_length(file: h5py.File, name: str) -> None:
    with pytest.raises(InputError, match=rf"x\.h5: /{name} is no text of fixed length and at most 99 bytes"):
        hdf5.text_in(file, name, Path("x.h5"), most=99)


def test_longer_than_wanted_and_no_text(file: h5py.File) -> None:
    with pytest.raises(InputError, match="at most 3 bytes"):
        hdf5.text_in(file, "good", Path("x.h5"), most=3)
    with pytest.raises(InputError, match="broken HDF5 at bytes"):
        hdf5.text_in(file, "bytes", Path("x.h5"), most=99)


def test_what_was_wanted_is_said(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"text")
    with pytest.raises(InputError, match="wanted an HDF5 file; is it a container of X"):
        hdf5.open_read(tmp_path / "x", "a container of X")
