"""Files that appear whole or not at all, and the system's reason if they cannot.

A writer writes NAME.HOST-PROCESS-NUMBER.partial beside NAME, and renames it once everything is on disk. Each writer has
its own name, so several may write one file at once, as happens when a cluster restarts a piece of work while the first
attempt still runs; the last one to finish wins. What a killed writer leaves is never read, and is removed when another
process on this machine first writes into the folder. What a writer on another machine leaves stays, as that writer may
still be running, until somebody who knows that it is not calls `clear`.
"""

import errno
import functools
import itertools
import os
import re
import shutil
import socket
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gbuffer_tools.errors import InputError, system_reason

if sys.platform == "linux":
    import fcntl

SUFFIX = ".partial"
_HOST = re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())[:40]
_COUNT = itertools.count()
_FULL = {errno.ENOSPC, errno.EFBIG, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC)}
_NO_SYNC = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.EACCES, errno.EPERM}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file in one step: an interrupted writer never leaves half a file under the real name.

    Folders are created as needed.

    Args:
        path: the file that should exist in the end.

    Yields:
        Where to write. When the block ends, this file replaces `path`, all of it on disk; if the block raises, `path`
        stays as it was. If `path` is not a plain file (/dev/stdout, a pipe), it is yielded itself.

    Raises:
        OSError: what the system says, with the name of `path`.
    """
    if _is_device(path):  # root could replace it with a file
        with _named(path, path):
            yield path
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent.resolve(), os.getpid())
    partial = _partial_name(path)
    try:
        with _named(path, partial):
            yield partial
            _sync_file(partial)
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _is_device(path: Path) -> bool:
    """Whether a path names a device or a pipe, directly or through one of the system's links to open files."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or path.absolute().parent in (Path("/dev"), Path("/dev/fd"))


@contextmanager
def _named(path: Path, partial: Path) -> Iterator[None]:
    """Name the file in system errors that occur while it is written.

    Python leaves the name out if a disk is full, or names the partial file; libraries raise errors of their own.
    """
    try:
        yield
    except InputError:
        raise
    except OSError as error:
        if (error.filename is None and error.errno in _FULL) or error.filename == str(partial):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    except Exception as error:
        reason = system_reason(error)
        if reason:
            raise OSError(None, reason, str(path)) from error
        raise


class Twin:
    """A second copy of a file, so that the file grows in steps, each of which appears whole or not at all.

    Copying a file for each addition takes time that grows with the square of the number of additions. A twin is a copy
    that lags one addition behind. A step brings the twin up to date, adds to it, and gives it the file's name; the file
    that had the name becomes the twin for the next step. So each addition is made twice, however large the file is.

    The twin is named like a file that is being written, and is cleaned up like one if its writer is killed. A file that
    somebody still reads, or has linked elsewhere as some backups do, is never changed in place: it does not become a
    twin, and the next step copies. Only Linux tells whether somebody is reading; elsewhere, and on file systems without
    hard links, every step copies.

    Args:
        path: the file. It exists whenever a step begins.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._partial: Path | None = None
        self._written: tuple[int, ...] = ()

    def is_current(self) -> bool:
        """Whether a twin exists and the file is as the previous step left it: nobody else has written to it since."""
        return self._partial is not None and _identity(self.path) == self._written

    @contextmanager
    def advanced(self, catch_up: Callable[[Path], None]) -> Iterator[Path]:
        """Context manager in which one step is added to the file.

        Args:
            catch_up: makes the previous step's addition to the twin.

        Yields:
            A copy of the file, to add to. When the block ends, it replaces the file, all of it on disk; if the block
            raises, the file stays as it was.
        """
        reuse = self.is_current() and _nobody_has(self._partial)
        if not reuse:
            self.remove()
        partial, self._partial = self._partial or _partial_name(self.path), None
        before = _partial_name(self.path)
        try:
            with _named(self.path, partial):
                if reuse:
                    catch_up(partial)
                else:
                    _sweep(self.path.parent.resolve(), os.getpid())
                    shutil.copyfile(self.path, partial)
                yield partial
                _sync_file(partial)
                self._written = _identity(partial)
                with suppress(OSError):  # no hard links here
                    os.link(self.path, before)
                partial.replace(self.path)
            # Before the twin is changed: after a power failure the name may still refer to the previous file.
            _sync_folder(self.path.parent)
            self._partial = before if before.exists() else None
        finally:
            partial.unlink(missing_ok=True)
            if self._partial is None:
                before.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the second copy."""
        if self._partial is not None:
            self._partial.unlink(missing_ok=True)
            self._partial = None


def _nobody_has(path: Path | None) -> bool:
    """Whether it is certain that a file has no other name and that no process, including this one, has it open.

    Linux grants a write lease only on a file that nobody else has open.
    """
    if path is None or sys.platform != "linux":
        return False
    try:
        with path.open("r+b") as file:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)  # until it is closed
            return os.fstat(file.fileno()).st_nlink == 1
    except OSError:  # somebody has it open, or the file system has no leases
        return False


def _identity(path: Path) -> tuple[int, ...]:
    """What changes when a file is replaced or written; empty if it does not exist."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _partial_name(path: Path) -> Path:
    return path.with_name(f"{path.name}.{_HOST}-{os.getpid()}-{next(_COUNT)}{SUFFIX}")


def _sync_file(path: Path) -> None:
    with path.open("r+b") as file:  # Windows only syncs files that are open for writing
        _sync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Flush renames within a folder to disk, where that is possible."""
    if os.name != "posix":  # folders cannot be opened there
        return
    try:
        opened = os.open(folder, os.O_RDONLY)
    except PermissionError:  # one may write into it, but not read it
        return
    try:
        _sync(opened)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error
    finally:
        os.close(opened)


def _sync(opened: int) -> None:
    """Flush an open file to disk, if its file system can do that: CIFS and some FUSE ones cannot sync a folder."""
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8) in one step; raises `InputError` if it quotes a name that is not UTF-8."""
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        odd = next(word for word in text.split() if text[error.start] in word)[:200]
        raise InputError(f"{path}: would hold {odd!r}, which is not UTF-8; rename that file or folder") from error
    with replacing(path) as partial:
        partial.write_bytes(content)


def clear(paths: Iterable[Path]) -> None:
    """Remove what killed writers of these files left, wherever they ran. Nobody may be writing them."""
    names: dict[Path, set[str]] = {}
    for path in paths:
        names.setdefault(path.parent, set()).add(path.name)
    for folder, mine in names.items():
        for name in _partials(folder):
            if name.removesuffix(SUFFIX).rpartition(".")[0] in mine:
                _remove(folder / name)


@functools.cache
def _sweep(folder: Path, _process: int) -> None:
    """Remove what dead writers on this machine left; once per process and folder, as folders may hold many files."""
    pattern = re.compile(rf".*\.{_HOST}-([0-9]{{1,9}})-[0-9]+{re.escape(SUFFIX)}")
    for name in _partials(folder):
        match = pattern.fullmatch(name)
        if match and not _alive(int(match[1])):
            _remove(folder / name)


def _partials(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.endswith(SUFFIX)]  # noqa: PTH208 - a path per file is slow
    except OSError:  # missing or unreadable
        return []


def _remove(partial: Path) -> None:
    with suppress(OSError):  # gone, or somebody else's: not worth an error
        partial.unlink()


def _alive(process: int) -> bool:
    """Whether a process on this machine runs, or may run. A zombie does not."""
    if sys.platform == "win32":  # there, asking for a process ends it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        pass
    status = Path(f"/proc/{process}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:  # no such folder on this system
        return True
