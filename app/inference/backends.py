"""Backends that run an enhancer: torch with a model file, or onnxruntime with a file from `app.export`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datasets.runtime.onnx_session import open_session
from datasets.runtime.weights import unusable
from epe.generator import Generator
from epe.inference.fold import fold, without_copies
from epe.models import ModelError, load, parse_header, read_header
from epe.networks.generators import GENERATORS
from gbuffer_tools.errors import InputError

TILING = ("tile", "overlap")


@dataclass(frozen=True)
class Backend:
    """A network that can be run, with what a caller needs to know to use it.

    Attributes:
        run: returns the enhanced image for the image, the G-buffers and the class ids of one frame, or of a tile with
            its `crop_box` (`epe.inference.tiling.run_tiled`); all on the CPU, with a batch axis.
        channels, mean, std, classes, multiple_of: as in `epe.models.Model`.
        optional: whether the network was trained with missing buffers, so that frames may lack some.
        withheld: names of buffers that the network was trained without, although it has channels for them.
        no_stream, soft: as in `datasets.frames.Reading`.
        tile: default for the longest side in pixels that is run at once.
        overlap: overlap of tiles in pixels.
        keep_style: sets the style of the results to that of a photograph (3, h, w), sRGB in [0, 1]; None: the network
            has no style.
        in_bands: like `run`, but takes a whole large frame and the number of pixels that may be run at once; None:
            large frames have to be run in tiles.
        uses_whole_frame: as in `epe.generator.Generator`.
        styled_by_frame: whether each frame's own style is to be set unless another is requested.
    """

    run: Callable[..., Tensor]
    channels: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[tuple[str, ...], ...]
    multiple_of: int
    optional: bool
    withheld: tuple[str, ...]
    no_stream: tuple[str, ...]
    soft: bool
    tile: int
    overlap: int
    keep_style: Callable[[Tensor], None] | None = None
    in_bands: Callable[..., Tensor] | None = None
    uses_whole_frame: bool = False
    styled_by_frame: bool = False


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
    try:
        model = load(path)
    except ModelError as error:
        raise unusable(path, error) from error
    if not isinstance(model.network, Generator):
        raise InputError(f"{path}: is a {model.kind!r}, which reads no G-buffers; wanted an enhancer (train.epe).")
    wanted = getattr(model.network.spec, "channels", 0)
    if wanted and (len(model.channels) != wanted or not model.classes):
        raise InputError(f"{path}: names {len(model.channels)} of its {wanted} channels; convert or train it again.")
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

    return Backend(
        run,
        model.channels,
        model.mean,
        model.std,
        model.classes,
        model.multiple_of,
        bool(model.record.get("drop_buffers")),
        listed(model.record, "withheld"),
        listed(model.record, "no_stream"),
        bool(model.record.get("soft_classes")),
        network.tile,
        network.overlap,
        (lambda photo: network.keep_style([photo])) if network.style_size else None,
        in_bands if network.runs_in_bands else None,
        network.uses_whole_frame,
        network.styled_by_frame,
    )


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

    return Backend(
        run,
        tuple(header["channels"]),
        tuple(header["mean"]),
        tuple(header["std"]),
        tuple(tuple(names) for names in header["classes"]),
        header["multiple_of"],
        bool(header["record"].get("drop_buffers")),
        listed(header["record"], "withheld"),
        listed(header["record"], "no_stream"),
        False,
        tile,
        overlap,
        uses_whole_frame=any(made.uses_whole_frame for made in GENERATORS if made.kind == header["kind"]),
    )
