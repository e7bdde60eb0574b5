"""Where what can be fetched or made again lies on this machine."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder of fetched files: the environment's PHOTOREAL_CACHE, else the user's cache."""
    named = os.environ.get("PHOTOREAL_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "photorealism-enhancement"
