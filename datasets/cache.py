"""Where fetched weights lie on this machine."""

from pathlib import Path

from gbuffer_tools.cache import cache_folder
from gbuffer_tools.errors import InputError


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
