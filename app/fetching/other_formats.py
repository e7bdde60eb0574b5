"""Other projects' weights in files that torch did not write: two ncnn files, or one safetensors file."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from app.fetching.limits import MAX_TENSORS, check_size
from app.fetching.ncnn import read_pair
from epe.models import ModelError, read_header
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.recognise import refusal

FLOATS = ("F64", "F32", "F16", "BF16")
"""Weight types, by their safetensors names. An integer scalar counts a batch norm's batches."""


def read_other_format(paths: Sequence[Path]) -> dict[str, Tensor] | None:
    """Read the tensors of one checkpoint by name; None if the files have another format.

    Args:
        paths: x.param and x.bin in any order, or x.safetensors.

    Raises:
        InputError: a file cannot be read or is a model file already, or a .param is alone or among others.
    """
    by_suffix = {path.suffix.lower(): path for path in paths}
    if ".param" in by_suffix:
        text, numbers = by_suffix[".param"], by_suffix.get(".bin")
        if len(paths) != 2 or numbers is None:
            raise InputError(f"{text}: is half of a network of ncnn; give it and its .bin, nothing else.")
        return {name: torch.from_numpy(value) for name, value in read_pair(text, numbers).items()}
    return read_safetensors(paths[0]) if len(paths) == 1 and ".safetensors" in by_suffix else None


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file by name; its header is checked before any numbers are read.

    Raises:
        InputError: the file is not a safetensors file, is too large, or is a model file; or it holds too many tensors,
            or tensors that are not of floats.
    """
    check_size(path)
    with suppress(ModelError):
        kind = read_header(path)["kind"]
        raise InputError(f"{path}: is a model file already, of a {kind!r}; use it as it is.")
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            if not 0 < len(names) <= MAX_TENSORS:
                raise InputError(f"{path}: holds {len(names):,} tensors; wanted 1 .. {MAX_TENSORS:,}.")
            for name in names:
                tensor = file.get_slice(name)
                if tensor.get_dtype() not in FLOATS and (tensor.get_dtype() != "I64" or tensor.get_shape()):
                    raise InputError(f"{path}: {name[:80]!r} is {tensor.get_dtype()}; wanted a network's weights.")
        return load_file(path)
    except SafetensorError as error:
        raise refusal(path, "not a safetensors file", f" ({error}).") from error
