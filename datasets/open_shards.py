"""Frame files that are kept open to be read again, but few enough for every system."""

from pathlib import Path

from gbuffer_tools.schema import Shard

LIMIT = 200
"""Open files per set. Many systems let a process have 1,024 open, and commands read up to three sets."""


class OpenShards:
    """Frame files by path, opened on access; the least recently used ones are closed.

    A copy sent to another process has no open files there, because HDF5 handles cannot be sent.
    """

    def __init__(self) -> None:
        self._open: dict[Path, Shard] = {}  # least recently used first

    def __getitem__(self, path: Path) -> Shard:
        """Return a frame file, to be read before others are accessed.

        Raises:
            InputError: it is not a frame file.
        """
        shard = self._open.pop(path) if path in self._open else Shard(path)
        self._open[path] = shard
        if len(self._open) > LIMIT:
            self._open.pop(next(iter(self._open))).close()
        return shard

    def __getstate__(self) -> dict[str, object]:
        return {"_open": {}}
