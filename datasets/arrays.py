"""Reading .npz files of others: sizes are checked before memory is taken, pickles are refused."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gbuffer_tools.errors import InputError

# Of all arrays together, unpacked: matches of a million pairs take 32 MB.
LARGEST = 2 << 30


def read_npz(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The named arrays of an .npz file.

    Raises:
        InputError: no such file, not an .npz, an array missing, larger than 2 GiB, or made of Python objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > LARGEST:
            raise InputError(f"{path}: unpacks to {size:,} bytes; wanted at most {LARGEST:,}.")
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in names if name not in file.files]
            if missing:
                raise InputError(f"{path}: has no array {missing[0]!r}, only {', '.join(file.files)}; make it again.")
            return {name: file[name] for name in names}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a readable .npz file ({error}); make it again.") from error
