"""Weights: paths of fetched assets, and users' model files, with one-line errors if they do not fit."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from epe import models
from epe.networks.backbones.vgg import VGG16, Padding, frozen
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.cache import cache_folder
from gbuffer_tools.io.recognise import refusal


def asset_path(name: str) -> Path:
    """Return the path at which `app.assets` stores an asset, fetched or not."""
    return cache_folder() / f"{name}.safetensors"


def asset(name: str) -> Path:
    """Return the path of a fetched asset.

    Raises:
        InputError: it has not been fetched.
    """
    path = asset_path(name)
    if not path.is_file():
        raise InputError(f"{path}: weights {name!r} are missing; fetch them with `python -m app.assets fetch {name}`.")
    return path


def unusable(path: Path, error: models.ModelError) -> InputError:
    """Return the error for a file that is not a model file; it says what the file is, if that is known."""
    claim, mark, details = str(error).removeprefix(f"{path}: ").partition(" (")
    if zipfile.is_zipfile(path):  # which nobody should unpack
        return InputError(f"{path}: {claim}: a ZIP archive; if torch wrote it, app.convert makes a model file of it.")
    return refusal(path, claim, mark + details)


def load_any_model(path: Path) -> models.Model:
    """Load a model file of any kind, on the CPU, in evaluation mode.

    Raises:
        InputError: not a model file.
    """
    try:
        return models.load(path)
    except models.ModelError as error:
        raise unusable(path, error) from error


def load_model(path: Path, kind: str, source: str) -> models.Model:
    """Load a model file of one kind, on the CPU, in evaluation mode, with frozen weights.

    Args:
        path: path of the model file.
        kind: the wanted kind, as in `epe.models`.
        source: the command that writes such files, for the message.

    Raises:
        InputError: not a model file, one of another kind, or one whose weights are not finite.
    """
    model = load_any_model(path)
    if model.kind != kind:
        raise InputError(f"{path}: is a {model.kind!r}, wanted a {kind!r} ({source}).")
    # Networks that take the nearest or the likeliest of something make pictures even from NaN, without complaint.
    for name, value in model.network.state_dict().items():
        if value.is_floating_point() and not value.isfinite().all():
            raise InputError(f"{path}: {name} has values that are not finite; fetch or train it again ({source}).")
    model.network.requires_grad_(False)
    return model


def load_vgg(path: Path | None, padding: Padding) -> VGG16:
    """Load a frozen VGG16, on the CPU.

    Args:
        path: a model file of kind vgg16; None: the asset `vgg16`.
        padding: how it pads borders, whatever padding it was saved with.

    Raises:
        InputError: the file does not exist or is not a VGG16.
    """
    model = load_model(path or asset("vgg16"), "vgg16", "app.assets fetch vgg16")
    vgg = VGG16(padding)
    vgg.load_state_dict(model.network.state_dict())
    return frozen(vgg)


def load_tensors(path: Path, wanted: Mapping[str, tuple[int, ...]], *, max_bytes: int, asset: str) -> dict[str, Tensor]:
    """Return the tensors of a small file that `app.assets` fetched, by name.

    Args:
        path: a safetensors file.
        wanted: name -> shape; the file has to hold exactly these.
        max_bytes: a larger file is refused before it is read.
        asset: what the user is told to fetch if the file is not the right one.

    Raises:
        InputError: the file cannot be read, is too large, or holds other tensors.
    """
    again = f"fetch it with `python -m app.assets fetch {asset}`"
    try:
        if path.stat().st_size > max_bytes:
            raise InputError(f"{path}: {path.stat().st_size:,} bytes, wanted at most {max_bytes:,}; {again}.")
        found = load_file(path)
    except (SafetensorError, OSError) as error:
        raise refusal(path, "cannot be read", f" ({error}); {again}.") from error
    if {name: tuple(value.shape) for name, value in found.items()} != dict(wanted):
        there = ", ".join(found)[:200] or "nothing"
        raise InputError(f"{path}: holds {there}; wanted {', '.join(wanted)[:200]}; {again}.")
    return found
