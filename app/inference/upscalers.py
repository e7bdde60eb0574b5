"""Opening upscalers by file or by name, with the frames that guide them, ready to run."""

from collections.abc import Mapping
from pathlib import Path

import torch

from app.fetching.realesrgan import NETWORKS
from app.inference.enlarging import Enlarger
from datasets.channels import model_features
from datasets.frames import Frames, Reading
from datasets.runtime.weights import asset, load_any_model
from epe.models import Model
from epe.upscaler import Upscaler
from gbuffer_tools.errors import InputError

DEFAULT = "realesrgan-x4plus"
"""The network used if none is named: one for photographs, which enhanced frames are meant to look like."""
Sizes = Mapping[str, tuple[int, int]]
"""(H, W) by key."""


def open_upscaler(name: str) -> tuple[Upscaler, Model]:
    """Load an upscaler by the path of its model file, or by the name of a fetched asset.

    Raises:
        InputError: the file does not exist, or holds another network.
    """
    path = asset(name) if name in NETWORKS else Path(name)
    model = load_any_model(path)
    if not isinstance(model.network, Upscaler):
        raise InputError(f"{path}: is a {model.kind!r}, which enlarges nothing; wanted an upscaler (train.upscaler).")
    return model.network, model


def open_guides(folder: Path | None, model: Model, name: str) -> Frames | None:
    """Open the frame files that guide a model, to be read as in its training; None for a model without guides.

    Raises:
        InputError: guides are missing, a file lacks a buffer, or the model reads what is not a channel of frames.
    """
    if not model.channels:
        return None
    if folder is None:
        raise InputError(f"{name}: is guided by {', '.join(model.channels)}; give the large frame files as --guides.")
    return Frames(folder, Reading(model_features(Path(name), model.channels), (("*",),), model.mean, model.std))


def open_enlarger(
    name: str,
    device: torch.device,
    *,
    bf16: bool = False,
    guides: Path | None = None,
    factor: int | None = None,
    tile: int | None = None,
    circular: bool = False,
) -> Enlarger:
    """Make an upscaler ready to run.

    Args:
        name: path of a model file, or name of an asset.
        device: device to run on.
        bf16: whether to compute in bfloat16.
        guides: folder of large frame files, for networks that are guided; others ignore it.
        factor: factor by which to enlarge pictures; None: the network's.
        tile: longest side of the picture that is run at once; None: the network's.
        circular: as in `Enlarger`.

    Raises:
        InputError: as in `open_upscaler` and `open_guides`, or options that do not fit the network.
    """
    network, model = open_upscaler(name)
    scale = network.spec.scale
    frames = open_guides(guides, model, name)
    factor = factor or scale
    if scale % factor or (frames is not None and factor != scale):
        raise InputError(f"{name}: enlarges {scale} times; wanted a network that does so {factor} times.")
    tile = tile if tile is not None else network.tile
    if tile < 4 * network.overlap:
        raise InputError(f"--tile {tile}: wanted {4 * network.overlap} or more, so that tiles can overlap.")
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # an eighth to a third faster
    return Enlarger(network, tile, factor, frames, circular, bf16)


def check_large(option: str, large: Frames, small: Sizes, factor: int) -> None:
    """Compare large frames with small ones: the same names, and sides that are `factor` times as long.

    Args:
        option: the option that named the large frames, for the message.
        large: the frames.
        small: sizes of the small ones, or of pictures, by the same keys.
        factor: the factor.

    Raises:
        InputError: a frame is missing or has another size.
    """
    sizes = dict(zip(large.keys, large.sizes, strict=True))
    for key, (height, width) in small.items():
        if key not in sizes:
            raise InputError(f"{option} {large.folder}: has no frame {key!r}; wanted one for each picture.")
        found, wanted = sizes[key], (factor * height, factor * width)
        if found != wanted:
            raise InputError(
                f"{option} {large.folder}: frame {key!r} is {found[1]}x{found[0]}, wanted {wanted[1]}x{wanted[0]}, "
                f"{factor} x the picture."
            )
