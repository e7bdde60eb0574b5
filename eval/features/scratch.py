"""A file for what does not fit into memory, in a folder that the user names; it is gone however the command ends.

The file is unlinked as soon as all processes have opened it, before anything is written to it. The system frees its
space when the last of them closes it or is killed.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from epe.distributed.processes import ProcessGroup
from gbuffer_tools.errors import InputError, one_line

USABLE = 0.9
"""The fraction of a disk's free space that is used: others write there too."""
MAX_PATH = 4096

Bytes = NDArray[np.uint8]


class ScratchFile:
    """A file that is read and written at offsets of the caller's choice.

    Args:
        file: unbuffered, open for reading and writing.
        folder: where it is, for messages.
    """

    def __init__(self, file: FileIO, folder: Path) -> None:
        self.file, self.folder = file, folder

    def write(self, place: int, values: Bytes) -> None:
        """Write bytes (n,) starting at byte `place`.

        Raises:
            InputError: the disk is full, or fails.
        """
        try:
            self.file.seek(place)
            left = values.data
            while left:
                left = left[self.file.write(left) :]
        except OSError as error:
            raise InputError(
                f"{self.folder}: features cannot be written ({one_line(error.strerror or error)}); free space there, "
                "or name another folder by --scratch"
            ) from error

    def read(self, place: int, values: Bytes) -> None:
        """Fill an array (n,) with the bytes starting at byte `place`, all of which have been written.

        Raises:
            InputError: the disk fails.
        """
        try:
            self.file.seek(place)
            left = values.data
            while left:
                count = self.file.readinto(left)
                if not count:
                    raise OSError("the file ends early")
                left = left[count:]
        except OSError as error:
            raise InputError(f"{self.folder}: features cannot be read back ({one_line(error)})") from error


def usable_bytes(folder: Path, group: ProcessGroup) -> int:
    """Bytes that may be written to a folder, as counted by the first process.

    Raises:
        InputError: it is not a writable folder.
    """
    found = np.zeros(1)
    if group.first:
        check_folder(folder)
        found[0] = USABLE * shutil.disk_usage(folder).free
    group.add([found])
    return int(found[0])


def check_folder(folder: Path) -> None:
    """Refuse anything that is not a writable folder.

    Raises:
        InputError: it is not; the message names it.
    """
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"--scratch {folder}: not a folder that can be written into; name another one")


@contextmanager
def scratch_file(folder: Path, group: ProcessGroup) -> Iterator[ScratchFile]:
    """An empty file that all processes share.

    Args:
        folder: where it is created; all processes must be able to see it.
        group: the processes; all enter and leave together.

    Raises:
        InputError: it cannot be created, or not all processes see it.
    """
    path = _shared_path(folder, group)
    try:
        try:
            file = FileIO(path, "r+")
        except OSError:
            file = None
        seen = np.array([float(file is not None)])
        group.add([seen])
        if file is None or seen[0] < group.size:
            raise InputError(f"{folder}: not seen by all processes; name a folder that they share by --scratch")
        if os.name == "posix":  # elsewhere an open file keeps its name
            path.unlink(missing_ok=True)
        with file:
            yield ScratchFile(file, folder)
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _shared_path(folder: Path, group: ProcessGroup) -> Path:
    """A new file's path, which the first process passes to all others."""
    message = np.zeros(MAX_PATH)
    if group.first:
        try:
            handle, name = tempfile.mkstemp(prefix="features-", dir=folder.absolute())
        except OSError as error:
            raise InputError(
                f"{folder}: no file can be made there ({one_line(error.strerror or error)}); "
                "name another folder by --scratch"
            ) from error
        os.close(handle)
        raw = os.fsencode(name)
        message[: len(raw)] = np.frombuffer(raw, np.uint8)
    group.add([message])
    return Path(os.fsdecode(message.astype(np.uint8).tobytes().rstrip(b"\0")))
