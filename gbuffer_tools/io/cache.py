"""The folder for files that can be downloaded or made again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder for such files: the environment variable PHOTOREAL_CACHE, else a folder in the user's cache."""
    named = os.environ.get("PHOTOREAL_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "photorealism-enhancement"
