"""Reading .npz files of others: sizes are checked before memory is taken, pickles are refused."""

import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from gbuffer_tools.errors import InputError

# Of all arrays together, unpacked: matches of a million pairs take 32 MB.
LARGEST = 2 << 30
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_npz(path: Path, wanted: Mapping[str, tuple[str, int]]) -> dict[str, np.ndarray]:
    """The wanted arrays of an .npz file.

    Args:
        path: of the file.
        wanted: per array the kinds of its elements, as in `dtype.kind` ("fi": floats or integers), and how many
            axes it has.

    Raises:
        InputError: no such file, not an .npz, an array missing or of another type, larger than 2 GiB, or made of
            Python objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            if size > LARGEST:
                raise InputError(f"{path}: unpacks to {size:,} bytes; wanted at most {LARGEST:,}.")
            there = {entry.filename.removesuffix(".npy") for entry in archive.infolist()}
            for name, (kinds, axes) in wanted.items():
                if name not in there:
                    raise InputError(
                        f"{path}: has no array {name!r}, only {', '.join(map(repr, sorted(there)))}; make it again."
                    )
                _check(archive, path, name, kinds, axes)
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in wanted}
    # What zipfile and its decompressors raise on damaged archives; NotImplementedError is a RuntimeError.
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: not a readable .npz file ({reason}); make it again.") from error


def _check(archive: zipfile.ZipFile, path: Path, name: str, kinds: str, axes: int) -> None:
    """Compare an array's header with what it takes in the file: numpy takes the memory that the header names."""
    entry = archive.getinfo(f"{name}.npy")
    with archive.open(entry) as file:
        version = npy.read_magic(file)
        if version not in HEADERS:
            raise ValueError(f"{name} is stored in version {version} of .npy")
        shape, _, dtype = HEADERS[version](file)
        left = entry.file_size - file.tell()
    if dtype.kind not in kinds or len(shape) != axes:
        raise InputError(f"{path}: {name} is {dtype} {shape}, wanted {axes} axes of kind {kinds!r}; make it again.")
    if math.prod(shape) * dtype.itemsize != left:
        raise ValueError(f"{name} is to be {dtype} {shape}, its data are {left:,} bytes")
