"""Where fetched weights lie on this machine."""

import os
from pathlib import Path

from gbuffer_tools.errors import InputError


def cache_folder() -> Path:
    """The folder of fetched files: the environment's PHOTOREAL_CACHE, else the user's cache."""
    named = os.environ.get("PHOTOREAL_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "photorealism-enhancement"


def asset(name: str) -> Path:
    """The file of a fetched asset.

    Raises:
        InputError: it has not been fetched.
    """
    path = cache_folder() / f"{name}.safetensors"
    if not path.is_file():
        raise InputError(
            f"{path}: weights {name!r} are not there; fetch them with `python -m app.assets fetch {name}`."
        )
    return path
