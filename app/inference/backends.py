"""Backends that run an enhancer: torch with a model file, or onnxruntime with a file from `app.export`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datasets.channels import model_features
from datasets.frames import Reading
from datasets.runtime.onnx_session import open_session
from datasets.runtime.weights import load_any_model, unusable
from epe.generator import Generator
from epe.inference.fold import fold, without_copies
from epe.models import ModelError, parse_header, read_header
from epe.networks.generators import GENERATORS
from gbuffer_tools.errors import InputError

TILING = ("tile", "overlap")


@dataclass(frozen=True)
class Tiling:
    """How a network runs frames that are too large to be run at once.

    Attributes:
        tile: the longest side in pixels that is run at once.
        overlap: overlap of tiles in pixels.
        multiple_of: height and width of a tile divide by this.
        uses_whole_frame: as in `epe.generator.Generator`: whether tiles differ from the whole frame.
        in_bands: like `Backend.run`, but takes a whole large frame and the number of pixels that may be run at once;
            None: large frames have to be run in tiles.
    """

    tile: int
    overlap: int
    multiple_of: int
    uses_whole_frame: bool = False
    in_bands: Callable[..., Tensor] | None = None


@dataclass(frozen=True)
class StyleSetting:
    """How a network's style is set.

    Attributes:
        keep: sets the style of the results to that of a photograph (3, h, w), sRGB in [0, 1].
        by_frame: whether each frame's own style is to be set unless another is requested.
    """

    keep: Callable[[Tensor], None]
    by_frame: bool


@dataclass(frozen=True)
class Backend:
    """A network that can be run, with what a caller needs to know to use it.

    Attributes:
        run: returns the enhanced image for the image, the G-buffers and the class ids of one frame, or of a tile with
            its `crop_box` (`epe.inference.tiling.run_tiled`); all on the CPU, with a batch axis.
        reading: how frames are read for it.
        tiling: how large frames are run.
        style: how its style is set; None: it has no style.
    """

    run: Callable[..., Tensor]
    reading: Reading
    tiling: Tiling
    style: StyleSetting | None = None


def model_reading(
    path: Path,
    channels: tuple[str, ...],
    streams: tuple[tuple[str, ...], ...],
    statistics: tuple[tuple[float, ...], tuple[float, ...]],
    record: dict[str, Any],
) -> Reading:
    """Return how frames are read for a model, by what its file says.

    Args:
        path: the model's file, for messages.
        channels: names of its channels.
        streams: class names of its class streams.
        statistics: mean and standard deviation of each channel.
        record: how it was trained.

    Raises:
        InputError: it reads something that is not a channel of frames.
    """
    return Reading(
        model_features(path, channels),
        streams,
        *statistics,
        optional=bool(record.get("drop_buffers")),
        withheld=listed(record, "withheld"),
        no_stream=listed(record, "no_stream"),
        soft=bool(record.get("soft_classes")),
    )


def listed(record: dict[str, Any], key: str) -> tuple[str, ...]:
    """Return the names that a model's record lists under a key: buffers under "withheld", classes under "no_stream"."""
    names = record.get(key, [])
    return tuple(str(name) for name in names) if isinstance(names, list) else ()


def header_of(path: Path) -> dict[str, Any]:
    """Read the header of a model file.

    Raises:
        InputError: not a model file.
    """
    try:
        return read_header(path)
    except ModelError as error:
        raise unusable(path, error) from error


def torch_backend(path: Path, device: torch.device, *, bf16: bool) -> Backend:
    """Load a model file and fold its network, to run with torch.

    Args:
        path: path of the model file.
        device: device to run on.
        bf16: whether to run in bfloat16.

    Raises:
        InputError: not a model file, or not an enhancer.
    """
    model = load_any_model(path)
    if not isinstance(model.network, Generator):
        raise InputError(f"{path}: is a {model.kind!r}, which reads no G-buffers; wanted an enhancer (train.epe).")
    wanted = getattr(model.network.spec, "channels", 0)
    if wanted and (len(model.channels) != wanted or not model.classes):
        raise InputError(f"{path}: names {len(model.channels)} of its {wanted} channels; convert or train it again.")
    reading = model_reading(path, model.channels, model.classes, (model.mean, model.std), model.record)
    network = fold(model.network).to(device)
    if device.type == "cpu":  # elsewhere the copies cost less than the small convolutions that replace them
        without_copies(network)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(image: Tensor, gbuffers: Tensor, classes: Tensor, crop_box: Tensor | None = None) -> Tensor:
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            inputs = (
                image.to(device, memory_format=torch.channels_last),
                gbuffers.to(device, memory_format=torch.channels_last),
                classes.to(device),
            )
            out: Tensor = network(*inputs, crop_box).float().cpu()
        return out

    def in_bands(image: Tensor, gbuffers: Tensor, classes: Tensor, pixels: int) -> Tensor:
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            image = image.to(device, memory_format=torch.channels_last)
            return network.in_bands(image, gbuffers.to(device), classes.to(device), pixels).float().cpu()

    tiling = Tiling(
        network.tile,
        network.overlap,
        model.multiple_of,
        network.uses_whole_frame,
        in_bands if network.runs_in_bands else None,
    )
    style = StyleSetting(lambda photo: network.keep_style([photo]), network.styled_by_frame)
    return Backend(run, reading, tiling, style if network.style_size else None)


def onnx_backend(path: Path) -> Backend:
    """Load an exported network, to run with onnxruntime on the CPU.

    Raises:
        InputError: onnxruntime is not installed, or the file is not an enhancer from `app.export`.
    """
    session = open_session(path)
    metadata = session.get_modelmeta().custom_metadata_map
    try:
        header = parse_header(metadata.get("model", ""), path)
    except ModelError as error:
        raise InputError(str(error)) from error
    tile, overlap = (int(metadata.get(name, "")) if metadata.get(name, "").isdecimal() else 0 for name in TILING)
    names = {node.name for node in session.get_inputs()}
    made = {node.name for node in session.get_outputs()}
    # The export of a network that reads no G-buffers keeps only the input `image`.
    fits = "image" in names and names <= {"image", "gbuffers", "classes"} and made == {"enhanced"}
    if not fits or not 0 < 4 * overlap <= tile:
        inputs, outputs = (", ".join(sorted(found))[:80] or "nothing" for found in (names, made))
        raise InputError(
            f"{path}: is a {header['kind'][:40]!r}, which makes {outputs} of {inputs}; wanted an enhancer (train.epe) "
            "that app.export wrote."
        )

    def run(image: Tensor, gbuffers: Tensor, classes: Tensor, crop_box: Tensor | None = None) -> Tensor:
        feed: dict[str, Any] = {
            "image": image.contiguous().numpy(),
            "gbuffers": gbuffers.contiguous().numpy(),
            "classes": classes.contiguous().numpy(),
        }
        wanted = {name: values for name, values in feed.items() if name in names}
        return torch.from_numpy(session.run(["enhanced"], wanted)[0])

    reading = model_reading(
        path,
        tuple(header["channels"]),
        tuple(tuple(names) for names in header["classes"]),
        (tuple(header["mean"]), tuple(header["std"])),
        header["record"],
    )
    whole = any(made.uses_whole_frame for made in GENERATORS if made.kind == header["kind"])
    # Exported networks take class ids.
    return Backend(run, replace(reading, soft=False), Tiling(tile, overlap, header["multiple_of"], whole))
