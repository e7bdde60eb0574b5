"""Small files of numbers that `app.assets` fetched, checked before and after they are read."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from gbuffer_tools.errors import InputError


def read_fetched(path: Path, wanted: Mapping[str, tuple[int, ...]], *, largest: int, asset: str) -> dict[str, Tensor]:
    """The tensors of a file, by name.

    Args:
        path: a safetensors file.
        wanted: name -> shape; exactly these.
        largest: bytes that the file may have.
        asset: what to fetch where it is another file.

    Raises:
        InputError: it is.
    """
    again = f"fetch it with `python -m app.assets fetch {asset}`"
    try:
        if path.stat().st_size > largest:
            raise InputError(f"{path}: {path.stat().st_size:,} bytes, wanted at most {largest:,}; {again}.")
        found = load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {again}.") from error
    if {name: tuple(value.shape) for name, value in found.items()} != dict(wanted):
        raise InputError(f"{path}: holds {', '.join(found)[:200]}; wanted {', '.join(wanted)[:200]}; {again}.")
    return found
