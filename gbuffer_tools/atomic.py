"""Files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)  # the rename itself has to reach the disk, too
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8) in one step."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
