"""A disk that is full, for this process and those that it starts."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SAYS = "File too large"
"""What Linux says of a file that passes a process's limit; of a full disk it says another sentence the same way."""


@contextmanager
def full_disk(after: int = 0) -> Iterator[None]:
    """No file grows beyond `after` bytes, whichever library writes it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (after, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def files_in(folder: Path) -> list[Path]:
    """All files in a folder and below it; none where there is no folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
