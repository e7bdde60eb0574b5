"""Scene-linear images from and to EXR: the network receives them clipped to display range; highlights are restored.

Shapes: H W pixels; images are (3, H, W); s the factor by which a picture is enlarged.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gbuffer_tools.errors import InputError
from gbuffer_tools.exr import reader
from gbuffer_tools.exr.attributes import SPACE_NAMES, to_rec709
from gbuffer_tools.exr.writer import write_exr
from gbuffer_tools.geometry import HALF_MAX, linear_to_srgb, srgb_to_linear
from gbuffer_tools.mapping.apply import odd_numbers
from gbuffer_tools.mapping.channel_names import components, layers, listed, plain_names, split, stack

OWN_TEXTS = frozenset((*SPACE_NAMES, "type", "name", "view"))
"""EXR header texts about how the file is stored, and about colours, which are converted."""


class Light(NamedTuple):
    """A picture in linear light with Rec.709 primaries, as an EXR file holds it.

    Attributes:
        colours: (3, H, W) float32, premultiplied by alpha if the file has it (OpenEXR, "Technical Introduction").
        alpha: (1, H, W) float32, or None.
        half: whether the file holds half floats.
        texts: the header's texts, except those about colours, which are now Rec.709's, and the header's own entries.
        note: what was changed or left out, for the user; empty if nothing was.
    """

    colours: Tensor
    alpha: Tensor | None
    half: bool
    texts: Mapping[str, str]
    note: str


class Cut(NamedTuple):
    """What `shown` cuts off a picture in linear light.

    Attributes:
        above: (3, H, W), 1 or more, the factor by which a channel was brighter than 1.
        below: (3, H, W), 0 or less, the negative values.
    """

    above: Tensor
    below: Tensor

    def enlarged(self, scale: int) -> "Cut":
        """Return the enlarged picture's cut: interpolated linearly, brightness in stops, so nothing rings or glows."""

        def spread(x: Tensor) -> Tensor:
            return F.interpolate(x[None], scale_factor=scale, mode="bilinear", align_corners=False)[0]

        return Cut(spread(self.above.log2()).exp2(), spread(self.below))


def linear_path(source: Path, key: str) -> Path:
    """Return the path of a frame's EXR file: the file itself, FOLDER/<key>.exr, or FOLDER/<frame name>.exr.

    Args:
        source: file or folder.
        key: "<frame file's stem>/<frame name>".

    Raises:
        InputError: no such file exists.
    """
    near = [source / f"{name}.exr" for name in (key, key.partition("/")[2])] if source.is_dir() else [source]
    found = next((path for path in near if path.is_file()), None)
    if found is None:
        raise InputError(f"--linear {near[0]}: no such file; wanted an EXR file per frame, named like the frame.")
    return found


def linear_paths(source: Path, keys: Iterable[str]) -> list[Path]:
    """Return the path of each frame's EXR file.

    Raises:
        InputError: as in `linear_path`; or one file would serve two frames.
    """
    of: dict[Path, str] = {}
    for key in keys:
        path = linear_path(source, key)
        if path in of:
            raise InputError(
                f"--linear {path}: would serve the frames {of[path]} and {key}; wanted an EXR file per frame, in a "
                "folder, or in folders named like the frame files."
            )
        of[path] = key
    return list(of)


def read_linear(path: Path, height: int, width: int) -> tuple[Tensor, str]:
    """Read the colours of an EXR file as `read_light` does, and a note on what was changed.

    Raises:
        InputError: as in `read_light`; or the size differs.
    """
    found = reader.header(path).display.shape
    if found != (height, width):
        raise InputError(f"{path}: is {found[1]}x{found[0]}; wanted the frame's size, {width}x{height}.")
    light = read_light(path, rest=False)
    return light.colours, light.note


def read_light(path: Path, *, rest: bool = True) -> Light:
    """Read the picture in an EXR file.

    If the header names other primaries, colours are converted (gbuffer_tools/exr/attributes.py). NaN becomes 0,
    infinity the largest half, minus infinity 0.

    Args:
        path: the file.
        rest: whether the note also names channels that are not read.

    Raises:
        InputError: the file cannot be read, or has no image or several images.
    """
    header = reader.header(path)
    channels, _ = reader.read(path)
    names = plain_names(channels, header.views, next(iter(header.views), ""))
    named = {plain: channels[name] for plain, name in names.items()}
    wanted = picture_channels(path, names)
    alpha = components(names, split(wanted[0])[0], "A") or ()
    pixels = stack(named, (*wanted, *alpha)).astype(np.float32)
    colours = to_rec709(header.attributes)
    others = [name for name in channels if name not in {names[plain] for plain in (*wanted, *alpha)}]
    notes = [*odd_numbers("image", pixels[..., :3]), colours.note]
    if rest and others:
        notes.append(f"left out, as they are no picture: {listed(others)}")
    pixels = np.nan_to_num(pixels, nan=0, posinf=HALF_MAX, neginf=0)
    if colours.image is not None:
        pixels[..., :3] = pixels[..., :3] @ colours.image.T
    planes = torch.from_numpy(np.ascontiguousarray(np.moveaxis(pixels.clip(-HALF_MAX, HALF_MAX), -1, 0)))
    return Light(
        planes[:3],
        planes[3:] if alpha else None,
        all(named[name].dtype == np.float16 for name in wanted),
        {name: text for name, text in header.attributes.items() if isinstance(text, str) and name not in OWN_TEXTS},
        "; ".join(filter(None, notes)),
    )


def picture_channels(path: Path, channels: Iterable[str]) -> tuple[str, ...]:
    """Return the names of red, green and blue: those without a layer, else Blender's Combined, else the only layer's.

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


def cut_off(linear: Tensor) -> Cut:
    """Return what `shown` cuts off."""
    return Cut(linear.clamp(min=1), linear.clamp(max=0))


def lit(picture: Tensor, cut: Cut | None) -> Tensor:
    """Convert an enhanced or enlarged image to linear light, and restore the highlights that were clipped.

    Channels that were above 1 are multiplied by their original value, and negative values are added back. So an image
    that the network does not change gives the original again.

    Args:
        picture: (3, H, W), sRGB in [0, 1].
        cut: what `shown` cut off, at this size; None if nothing was clipped.
    """
    light = torch.from_numpy(srgb_to_linear(picture.double().numpy()))
    if cut is not None:
        light = light * cut.above + cut.below
    return light.float().clamp(-HALF_MAX, HALF_MAX)


def write_linear(
    path: Path, light: Tensor, alpha: Tensor | None = None, *, half: bool = True, texts: Mapping[str, str] | None = None
) -> None:
    """Write linear light (3, H, W), and alpha (1, H, W), as an EXR file of half floats, or of floats.

    Raises:
        InputError: the package OpenEXR is not installed, or the file cannot be written.
    """
    planes = zip("RGBA", (*light, *(() if alpha is None else alpha)), strict=False)
    kind = np.float16 if half else np.float32
    write_exr(path, {name: plane.numpy().astype(kind, copy=False) for name, plane in planes}, texts or {})
