"""Read weights from other projects' pickles: only tensors with known names and shapes."""

import io
from collections.abc import Mapping, Sequence
from pickle import UnpicklingError

import torch
from torch import Tensor

from gbuffer_tools.errors import InputError


def read_weights(content: bytes, wanted: Mapping[str, Sequence[int]], source: str) -> dict[str, Tensor]:
    """Read the wanted tensors of a file; others in it are ignored.

    Args:
        content: the file.
        wanted: shapes by name.
        source: name of the file, for error messages.

    Returns:
        The tensors by name, float32.

    Raises:
        InputError: not a file of plain tensors, or a tensor is missing or has another shape.
    """
    try:
        stored = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, UnpicklingError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{source}: not a file of plain weights ({reason}).") from error
    state = {}
    for name, shape in wanted.items():
        value = stored.get(name) if isinstance(stored, Mapping) else None
        if not isinstance(value, Tensor) or tuple(value.shape) != tuple(shape):
            raise InputError(f"{source}: has no tensor {name!r} of shape {tuple(shape)}; it is not the published file.")
        state[name] = value.float()
    return state
