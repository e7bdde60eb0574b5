"""Scene-linear pictures, EXR in and out: the network sees what a display can show of them, and lights stay as bright.

Shapes: H W pixels; pictures are (3, H, W).
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gbuffer_tools.errors import InputError
from gbuffer_tools.exr import reader
from gbuffer_tools.exr.writer import write_exr
from gbuffer_tools.geometry import linear_to_srgb, srgb_to_linear
from gbuffer_tools.mapping.channel_names import Channels, components, layers, listed, stack

HALF_MAX = 65504.0
"""What a half goes up to."""


def linear_path(source: Path, key: str) -> Path:
    """The EXR file of a frame: the file itself, FOLDER/<key>.exr, or FOLDER/<frame name>.exr.

    Args:
        source: file or folder.
        key: "<frame file's stem>/<frame name>".

    Raises:
        InputError: there is none.
    """
    near = [source / f"{name}.exr" for name in (key, key.partition("/")[2])] if source.is_dir() else [source]
    found = next((path for path in near if path.is_file()), None)
    if found is None:
        raise InputError(f"--linear {near[0]}: no such file; wanted an EXR file per frame, named as the frame.")
    return found


def read_linear(path: Path, height: int, width: int) -> Tensor:
    """(3, H, W) float32, linear light; what is not finite is 0 or the largest half.

    Raises:
        InputError: cannot be read, has another size, or no picture, or several.
    """
    found = reader.header(path).display.shape
    if found != (height, width):
        raise InputError(f"{path}: is {found[1]}x{found[0]}; wanted the frame's size, {width}x{height}.")
    channels, _ = reader.read(path)
    pixels = stack(channels, picture_channels(path, channels)).astype(np.float32)
    pixels = np.nan_to_num(pixels, nan=0, posinf=HALF_MAX, neginf=0).clip(-HALF_MAX, HALF_MAX)
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(pixels, -1, 0)))


def picture_channels(path: Path, channels: Channels) -> tuple[str, ...]:
    """Names of red, green and blue: those of no layer, else of Blender's Combined, else of the only such layer.

    Raises:
        InputError: none, or several layers with these channels.
    """
    coloured = {layer: names for layer in layers(channels) if (names := components(channels, layer, "RGB"))}
    for wanted in ([""], [layer for layer in coloured if layer.lower().endswith("combined")], list(coloured)):
        if len(wanted) == 1 and wanted[0] in coloured:
            return coloured[wanted[0]]
    raise InputError(f"{path}: has {len(coloured)} layers of R, G, B, wanted one picture; it has {listed(channels)}.")


def shown(linear: Tensor) -> Tensor:
    """What a display shows of linear light: sRGB in [0, 1], all above 1 white. No exposure, no tone curve."""
    return torch.from_numpy(linear_to_srgb(linear.double().clamp(0, 1).numpy())).float().clamp(0, 1)


def lit(picture: Tensor, linear: Tensor | None) -> Tensor:
    """An enhanced picture as linear light, in which highlights keep how much brighter than white they were.

    A channel that was clipped for the network is multiplied by what was clipped, one below 0 is put back: a picture
    that the network leaves as it is gives `linear` again.

    Args:
        picture: sRGB in [0, 1].
        linear: what it was made of, before `shown`; None: there was nothing above 1.
    """
    light = torch.from_numpy(srgb_to_linear(picture.double().numpy()))
    if linear is not None:
        light = light * linear.clamp(min=1) + linear.clamp(max=0)
    return light.float().clamp(-HALF_MAX, HALF_MAX)


def write_linear(path: Path, light: Tensor) -> None:
    """Write an EXR file of halves.

    Raises:
        InputError: the package OpenEXR is absent, or cannot write there.
    """
    write_exr(path, {name: plane.numpy().astype(np.float16) for name, plane in zip("RGB", light, strict=True)}, {})
