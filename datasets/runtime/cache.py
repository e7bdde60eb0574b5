"""Where fetched weights lie on this machine."""

from pathlib import Path

from gbuffer_tools.errors import InputError
from gbuffer_tools.io.cache import cache_folder


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
