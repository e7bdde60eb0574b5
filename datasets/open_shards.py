"""Frame files that are kept open to be read again, few enough for every system."""

from pathlib import Path

from gbuffer_tools.schema import Shard

LIMIT = 200
"""Files of one set. Many systems let a process have 1,024 open, and commands read up to three sets."""


class OpenShards:
    """Frame files by their paths, opened when they are asked for; those that were not for longest are closed.

    What is sent to another process has none open there, as HDF5's handles cannot be sent.
    """

    def __init__(self) -> None:
        self._open: dict[Path, Shard] = {}  # in the order in which they were last asked for

    def __getitem__(self, path: Path) -> Shard:
        """Return a frame file, to be read before others are asked for.

        Raises:
            InputError: it is no frame file.
        """
        shard = self._open.pop(path) if path in self._open else Shard(path)
        self._open[path] = shard
        if len(self._open) > LIMIT:
            self._open.pop(next(iter(self._open))).close()
        return shard

    def __getstate__(self) -> dict[str, object]:
        return {"_open": {}}
