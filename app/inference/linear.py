"""Scene-linear images from and to EXR: the network receives them clipped to display range; highlights are restored.

Shapes: H W pixels; images are (3, H, W).
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gbuffer_tools.errors import InputError
from gbuffer_tools.exr import reader
from gbuffer_tools.exr.attributes import to_rec709
from gbuffer_tools.exr.writer import write_exr
from gbuffer_tools.geometry import HALF_MAX, linear_to_srgb, srgb_to_linear
from gbuffer_tools.mapping.apply import odd_numbers
from gbuffer_tools.mapping.channel_names import components, layers, listed, plain_names, stack


def linear_path(source: Path, key: str) -> Path:
    """Return the path of a frame's EXR file: the file itself, FOLDER/<key>.exr, or FOLDER/<frame name>.exr.

    Args:
        source: file or folder.
        key: "<frame file's stem>/<frame name>".

    Raises:
        InputError: there is none.
    """
    near = [source / f"{name}.exr" for name in (key, key.partition("/")[2])] if source.is_dir() else [source]
    found = next((path for path in near if path.is_file()), None)
    if found is None:
        raise InputError(f"--linear {near[0]}: no such file; wanted an EXR file per frame, named like the frame.")
    return found


def read_linear(path: Path, height: int, width: int) -> tuple[Tensor, str]:
    """Read an EXR image (3, H, W) float32 in linear light of Rec.709's primaries, and a note on what was changed.

    Colours of other primaries, by the header, are converted (gbuffer_tools/exr/attributes.py). NaN becomes 0, an
    infinity the largest half. The note is empty where nothing was changed.

    Raises:
        InputError: the file cannot be read, has another size, or has no image or several.
    """
    header = reader.header(path)
    found = header.display.shape
    if found != (height, width):
        raise InputError(f"{path}: is {found[1]}x{found[0]}; wanted the frame's size, {width}x{height}.")
    channels, _ = reader.read(path)
    names = plain_names(channels, header.views, next(iter(header.views), ""))
    named = {plain: channels[name] for plain, name in names.items()}
    pixels = stack(named, picture_channels(path, names)).astype(np.float32)
    colours = to_rec709(header.attributes)
    notes = filter(None, [*odd_numbers("image", pixels), colours.note])
    pixels = np.nan_to_num(pixels, nan=0, posinf=HALF_MAX, neginf=0)
    if colours.image is not None:
        pixels = (pixels @ colours.image.T).astype(np.float32)
    pixels = pixels.clip(-HALF_MAX, HALF_MAX)
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(pixels, -1, 0))), "; ".join(notes)


def picture_channels(path: Path, channels: Iterable[str]) -> tuple[str, ...]:
    """Return the names of red, green and blue: without a layer, else of Blender's Combined, else of the only layer.

    Raises:
        InputError: no layer, or several layers, have these channels.
    """
    coloured = {layer: names for layer in layers(channels) if (names := components(channels, layer, "RGB"))}
    for wanted in ([""], [layer for layer in coloured if layer.lower().endswith("combined")], list(coloured)):
        if len(wanted) == 1 and wanted[0] in coloured:
            return coloured[wanted[0]]
    raise InputError(f"{path}: has {len(coloured)} layers of R, G, B, wanted one; its channels are {listed(channels)}.")


def shown(linear: Tensor) -> Tensor:
    """Convert linear light to sRGB in [0, 1], clipped above 1, without exposure or tone curve."""
    return torch.from_numpy(linear_to_srgb(linear.double().clamp(0, 1).numpy())).float().clamp(0, 1)


def lit(picture: Tensor, linear: Tensor | None) -> Tensor:
    """Convert an enhanced image to linear light, and restore the highlights that were clipped.

    Channels that were above 1 are multiplied by their original value, and negative values are added again. So an image
    that the network does not change gives `linear` again.

    Args:
        picture: (3, H, W), sRGB in [0, 1].
        linear: the original in linear light, before `shown`; None if nothing was clipped.
    """
    light = torch.from_numpy(srgb_to_linear(picture.double().numpy()))
    if linear is not None:
        light = light * linear.clamp(min=1) + linear.clamp(max=0)
    return light.float().clamp(-HALF_MAX, HALF_MAX)


def write_linear(path: Path, light: Tensor) -> None:
    """Write linear light (3, H, W) as an EXR file of half floats.

    Raises:
        InputError: the package OpenEXR is not installed, or the file cannot be written.
    """
    write_exr(path, {name: plane.numpy().astype(np.float16) for name, plane in zip("RGB", light, strict=True)}, {})
