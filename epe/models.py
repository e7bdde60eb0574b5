"""Model files: a trained network in one safetensors file whose header describes how to use it.

    tensors           the network's state dict
    metadata.model    JSON: version, kind, spec, channels, mean, std, classes, multiple_of, licence, record

Loading runs no code from the file: the kind is looked up in epe/networks/generators.py, and the spec is checked by its
dataclass.
"""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from epe.networks.generators import build_network, kinds

VERSION = 1


class ModelError(ValueError):
    """A model file that cannot be used; the message is one line and names the file."""


@dataclass(frozen=True)
class Model:
    """A network with its weights, and what a caller needs to know to use it.

    Attributes:
        network: the network, in evaluation mode, on the CPU.
        kind: one of `epe.networks.generators.kinds()`.
        spec: the arguments that rebuild the network.
        channels: names of the G-buffer channels, in the order in which the network reads them ("normal.0").
        mean, std: statistics per channel; the network receives (value - mean) / std.
        classes: names of the classes of each class stream ("*": the rest); for a segmenter, the single name of each of
            its classes; empty for other networks.
        multiple_of: height and width of the input must be multiples of this number of pixels.
        licence: licence of the weights.
        record: training record: data, steps, seed, date, digests.
    """

    network: nn.Module
    kind: str
    spec: dict[str, Any] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    classes: tuple[tuple[str, ...], ...] = ()
    multiple_of: int = 1
    licence: str = ""
    record: dict[str, Any] = field(default_factory=dict)


HEADER = ("kind", "spec", "channels", "mean", "std", "classes", "multiple_of", "licence", "record")


def save(model: Model, path: Path | str) -> None:
    """Write a model file, whole or not at all.

    Raises:
        ValueError: the numbers of channels, means and deviations differ, or the kind is unknown.
        OSError: the file cannot be written; the message is the system's, with the file's name.
    """
    if model.kind not in kinds():
        raise ValueError(f"kind {model.kind!r} is not one of {', '.join(kinds())}.")
    if not len(model.channels) == len(model.mean) == len(model.std):
        raise ValueError(
            f"{len(model.channels)} channels, {len(model.mean)} means, {len(model.std)} deviations: must be equal."
        )
    header = {"version": VERSION} | {name: getattr(model, name) for name in HEADER}
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.network.state_dict().items()}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        safetensors.torch.save_file(tensors, partial, metadata={"model": json.dumps(header)})
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        # safetensors creates files that only their owner can read; a model is as readable as the umask allows.
        umask = os.umask(0o077)
        os.umask(umask)
        with suppress(PermissionError):  # a file system without permissions, such as CIFS or FAT
            partial.chmod(0o666 & ~umask)
        partial.replace(path)
    except (safetensors.SafetensorError, OSError) as error:  # such as a full disk; neither error names the file
        number, reason = getattr(error, "errno", None), getattr(error, "strerror", None)
        raise OSError(number, reason or str(error), str(path)) from error
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path | str) -> Model:
    """Read a model file; the network is in evaluation mode, on the CPU.

    Raises:
        ModelError: not a model file, another version, an unknown kind, or weights that do not fit the spec.
    """
    path = Path(path)
    header = read_header(path)
    kind, spec = header["kind"], header["spec"]
    if kind not in kinds():
        raise ModelError(f"{path}: holds a {kind!r}; this version knows {', '.join(kinds())}.")
    try:
        check_shapes(path, outline(kind, spec))
        network = build_with_tensors(kind, spec, safetensors.torch.load_file(path))
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"{path}: its weights or spec do not fit a {kind!r} network ({reason}).") from error
    return Model(
        network=network.eval(),
        kind=kind,
        spec=spec,
        channels=tuple(header["channels"]),
        mean=tuple(header["mean"]),
        std=tuple(header["std"]),
        classes=tuple(tuple(names) for names in header["classes"]),
        multiple_of=header["multiple_of"],
        licence=header["licence"],
        record=header["record"],
    )


def outline(kind: str, spec: dict[str, Any]) -> nn.Module:
    """Build a network on the meta device, which takes no memory and draws no weights only to replace them."""
    with torch.device("meta"):
        return build_network(kind, spec)


def build_with_tensors(kind: str, spec: dict[str, Any], tensors: dict[str, torch.Tensor]) -> nn.Module:
    """Build a network with the given tensors, which must match its state dict exactly.

    Raises:
        RuntimeError: a tensor is missing, unexpected, or of another shape.
    """
    network = outline(kind, spec)
    if network.state_dict().keys() >= {name for name, _ in network.named_buffers()}:
        network.to_empty(device="cpu")
    else:  # some buffers are constants that the state dict does not hold
        network = build_network(kind, spec)
    # The tensors are copied, not adopted: convolutions sum in another order if memory is not aligned.
    network.load_state_dict(tensors)
    return network


def check_shapes(path: Path, network: nn.Module) -> None:
    """Compare the shapes of a file's tensors with those of a network outline, before any memory is allocated.

    Raises:
        ValueError: a tensor is missing, unexpected, or of another shape.
    """
    wanted = {name: list(value.shape) for name, value in network.state_dict().items()}
    with safetensors.safe_open(path, framework="pt") as file:
        found = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise ValueError(f"{name} is {found.get(name)}, wanted {wanted.get(name)}")


def read_header(path: Path) -> dict[str, Any]:
    """Read only the header of a model file; this is cheap.

    Raises:
        ModelError: as in `load`.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file; wanted a model file (.safetensors).")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (safetensors.SafetensorError, OSError) as error:
        raise ModelError(f"{path}: not a safetensors file ({error}).") from error
    return parse_header(metadata.get("model", ""), path)


def parse_header(text: str, path: Path) -> dict[str, Any]:
    """Parse and check the header of a model file, or of a file derived from one.

    Args:
        text: the header as JSON.
        path: path of the file, for error messages.

    Raises:
        ModelError: as in `load`.
    """
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise ModelError(
            f"{path}: has no model header; wanted a file from train.epe, app.convert, app.export or app.assets."
        ) from None
    if not isinstance(header, dict) or header.get("version") != VERSION:
        found = header.get("version") if isinstance(header, dict) else type(header).__name__
        raise ModelError(f"{path}: header version {str(found)[:40]!r}, wanted {VERSION}; use a matching release.")
    missing = [name for name in HEADER if name not in header]
    if missing:
        raise ModelError(f"{path}: header lacks {missing[0]!r}; the file is damaged, fetch or train it again.")
    wrong = [name for name in HEADER if not well_formed(name, header[name])]
    if wrong:
        raise ModelError(f"{path}: header has a malformed {wrong[0]!r}; the file is damaged, fetch or train it again.")
    if not len(header["channels"]) == len(header["mean"]) == len(header["std"]):
        raise ModelError(
            f"{path}: header has different numbers of channels, means and deviations; fetch or train it again."
        )
    return header


def well_formed(name: str, value: object) -> bool:
    """Return whether a header entry has the type and range that `Model` documents."""
    if name in ("kind", "licence"):
        return isinstance(value, str)
    if name in ("spec", "record"):
        return isinstance(value, dict)
    if name == "multiple_of":
        return type(value) is int and value >= 1
    if not isinstance(value, list):
        return False
    if name == "channels":
        return all(isinstance(item, str) for item in value)
    if name == "classes":
        return all(isinstance(names, list) and all(isinstance(n, str) for n in names) for names in value)
    # mean and std: finite, and std above 0, because values are divided by it.
    numbers = all(type(item) in (int, float) and abs(item) < float("inf") for item in value)
    return numbers and (name == "mean" or all(item > 0 for item in value))


def digest(path: Path | str) -> str:
    """Return the SHA-256 of a file, in hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
