"""Files that appear whole or not at all.

A writer writes NAME.HOST-PROCESS-NUMBER.partial beside NAME, and renames it when all is on disk. The name is its own:
several may write one file at once, as a cluster does that starts a piece of work again while the first still runs; the
last one to end counts. What a killed writer leaves is never read, and goes when another process of this machine first
writes into the folder. That of another machine, which may still be at it, stays until somebody knows better: `clear`.
"""

import functools
import itertools
import os
import re
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SUFFIX = ".partial"
_HOST = re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())[:40]
_COUNT = itertools.count()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file in one step: a writer that is stopped never leaves half a file under the real name.

    Folders are made as needed.

    Args:
        path: the file that is to be there in the end.

    Yields:
        Where to write. When the block ends, this takes the place of `path`, all of it on disk; when it raises,
        `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent.resolve(), os.getpid())
    partial = path.with_name(f"{path.name}.{_HOST}-{os.getpid()}-{next(_COUNT)}{SUFFIX}")
    try:
        yield partial
        with partial.open("r+b") as file:  # Windows syncs only what is open for writing
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    if os.name == "posix":  # elsewhere folders cannot be opened
        folder = os.open(path.parent, os.O_RDONLY)  # the rename itself has to reach the disk, too
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8) in one step."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def clear(paths: Iterable[Path]) -> None:
    """Remove what killed writers of these files left, wherever they ran. Nobody must be writing them."""
    names: dict[Path, set[str]] = {}
    for path in paths:
        names.setdefault(path.parent, set()).add(path.name)
    for folder, mine in names.items():
        for name in _partials(folder):
            if name.removesuffix(SUFFIX).rpartition(".")[0] in mine:
                _remove(folder / name)


@functools.cache
def _sweep(folder: Path, _process: int) -> None:
    """Remove what dead writers of this machine left; once a process and folder, which may hold very many files."""
    pattern = re.compile(rf".*\.{_HOST}-([0-9]{{1,9}})-[0-9]+{re.escape(SUFFIX)}")
    for name in _partials(folder):
        match = pattern.fullmatch(name)
        if match and not _alive(int(match[1])):
            _remove(folder / name)


def _partials(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.endswith(SUFFIX)]  # noqa: PTH208 - a path a file is slow
    except OSError:  # not there, or not to be looked into
        return []


def _remove(partial: Path) -> None:
    with suppress(OSError):  # gone, or somebody else's: not worth an error
        partial.unlink()


def _alive(process: int) -> bool:
    """Whether a process of this machine runs, or may run. One that ended and that nobody waits for does not."""
    if sys.platform == "win32":  # asking for a process there ends it
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
