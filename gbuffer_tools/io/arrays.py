"""Reads other people's .npz and .npy files: sizes are checked before memory is allocated, pickles are refused."""

import math
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np
from numpy.lib import format as npy

from gbuffer_tools.errors import InputError, one_line, system_reason
from gbuffer_tools.io.recognise import refusal

# For all arrays together, unpacked: matches of a million pairs take 32 MB.
MAX_BYTES = 2 << 30
MAX_ARRAYS = 64
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
# What zipfile, its decompressors, numpy and numpy's header tokenizer raise on damaged files; NotImplementedError is a
# RuntimeError.
DAMAGE = (
    OSError, ValueError, KeyError, EOFError, RuntimeError, SyntaxError, TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def read_npz(path: Path, wanted: Mapping[str, tuple[str, int]]) -> dict[str, np.ndarray]:
    """The wanted arrays of an .npz file.

    Args:
        path: of the file.
        wanted: for each array, the kinds of its elements, as in `dtype.kind` ("fi": floats or integers), and its
            number of axes.

    Raises:
        InputError: no such file, not an .npz, an array is missing or has another type, larger than 2 GiB, or made of
            Python objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            if size > MAX_BYTES:
                raise InputError(f"{path}: unpacks to {size:,} bytes; wanted at most {MAX_BYTES:,}.")
            there = {entry.filename.removesuffix(".npy") for entry in archive.infolist()}
            for name, (kinds, axes) in wanted.items():
                if name not in there:
                    others = ", ".join(map(repr, sorted(there))) or "an empty archive"
                    raise InputError(f"{path}: has no array {name!r}, only {others}; make it again.")
                _check(archive, path, name, kinds, axes)
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in wanted}
    except DAMAGE as error:
        raise _unreadable(path, error, ".npz") from error


def npz_headers(path: Path) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
    """Type and shape of each array in an .npz file, as their headers state them; no array is read.

    Raises:
        InputError: not an .npz, or an array in it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = {}
            for entry in archive.infolist()[:MAX_ARRAYS]:
                with archive.open(entry) as file:
                    dtype, shape, _ = _header(file)
                found[entry.filename.removesuffix(".npy")] = dtype, shape
            return found
    except DAMAGE as error:
        raise _unreadable(path, error, ".npz") from error


def read_npy(path: Path, kinds: str, axes: Collection[int]) -> np.ndarray:
    """The array of an .npy file.

    Args:
        path: of the file.
        kinds: of its elements, as in `dtype.kind`.
        axes: the numbers of axes that it may have.

    Raises:
        InputError: no such file, not an .npy, another type of array, larger than 2 GiB, or made of Python objects.
    """
    try:
        with path.open("rb") as file:
            dtype, shape, columns = _header(file)
            size = path.stat().st_size - file.tell()
            _agree(path, "the array", (dtype, shape), (kinds, axes), size)
            values = np.frombuffer(file.read(size), dtype).reshape(shape, order="F" if columns else "C")
            return values.copy()  # in its own memory: writable, and free of the file's alignment
    except DAMAGE as error:
        raise _unreadable(path, error, ".npy") from error


def not_numbers(arrays: Mapping[str, np.ndarray]) -> str:
    """For the line about a frame: how many elements of its files' arrays are nan, by name; "" if none are."""
    counts = {name: int(np.isnan(array).sum()) for name, array in arrays.items() if array.dtype.kind == "f"}
    found = ", ".join(f"{count:,} in {name}" for name, count in counts.items() if count)
    return f"not a number: {found}" if found else ""


def _unreadable(path: Path, error: BaseException, kind: str) -> InputError:
    if reason := system_reason(error):
        return InputError(f"{path}: not a readable {kind} file ({reason}).")
    return refusal(path, f"not a readable {kind} file", f" ({one_line(error)}); make it again.", ("ZIP", ".npy"))


def _header(file: IO[bytes]) -> tuple[np.dtype, tuple[int, ...], bool]:
    """Type, shape, and whether the order is column-major."""
    version = npy.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"stored in version {version} of .npy")
    shape, columns, dtype = HEADERS[version](file)
    return dtype, shape, columns


def _check(archive: zipfile.ZipFile, path: Path, name: str, kinds: str, axes: int) -> None:
    """Compare an array's header with its size in the file, as numpy allocates whatever memory the header names."""
    entry = archive.getinfo(f"{name}.npy")
    with archive.open(entry) as file:
        dtype, shape, _ = _header(file)
        left = entry.file_size - file.tell()
    _agree(path, name, (dtype, shape), (kinds, (axes,)), left)


def _agree(
    path: Path, name: str, got: tuple[np.dtype, tuple[int, ...]], wanted: tuple[str, Collection[int]], size: int
) -> None:
    """Refuse an array whose type is wrong, or whose header does not promise the `size` bytes that exist."""
    (dtype, shape), (kinds, axes) = got, wanted
    count = " or ".join(map(str, axes))
    if dtype.kind not in kinds or len(shape) not in axes:
        raise InputError(f"{path}: {name} is {dtype} {shape}, wanted {count} axes of kind {kinds!r}; make it again.")
    if size > MAX_BYTES:
        raise InputError(f"{path}: unpacks to {size:,} bytes; wanted at most {MAX_BYTES:,}.")
    if math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"{name} is to be {dtype} {shape}, its data are {size:,} bytes")
