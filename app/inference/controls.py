"""Controls that preserve parts of a frame: masked regions, or all of its detail.

Shapes: H W pixels; images are (3, H, W), sRGB in [0, 1].
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gbuffer_tools.errors import InputError
from gbuffer_tools.picture_file.reader import read_picture

# Colour transfer: half the window's side as a fraction of the frame's longer side, and the variance of luma above
# which an edge is kept (a deviation of 0.03).
WINDOW = 1 / 64
EDGE = 1e-3
LUMA = (0.2126, 0.7152, 0.0722)
"""Weights of R, G, B in luma, ITU-R BT.709."""


def read_mask(path: Path, height: int, width: int) -> Tensor:
    """Read a mask (H, W) in [0, 1] from a greyscale picture: black stays unchanged, white is enhanced.

    Greys of fewer than 8 bits, or from a palette, count as viewers show them.

    Raises:
        InputError: the image cannot be read, has colours, more than 8 bits, transparent pixels or another size.
    """
    picture = read_picture(path)
    colours = picture.pixels[..., :-1] if picture.has_alpha else picture.pixels
    grey = colours[..., 0]
    if colours.dtype != np.uint8 or (colours != grey[..., None]).any():
        raise InputError(f"{path}: is {colours.dtype} {colours.shape}; wanted a mask of 8-bit greys.")
    if picture.has_alpha and (picture.pixels[..., -1] < 255).any():
        raise InputError(f"{path}: has transparent pixels; wanted a mask of greys alone. Put it on black or white.")
    if grey.shape != (height, width):
        raise InputError(f"{path}: is {grey.shape[1]}x{grey.shape[0]}; wanted the frame's size, {width}x{height}.")
    return torch.from_numpy(grey.copy()).float() / 255


def mask_path(source: Path, key: str) -> Path:
    """Return the path of a frame's mask: the file itself, or FOLDER/<key>.png.

    Raises:
        InputError: the file does not exist.
    """
    path = source / f"{key}.png" if source.is_dir() else source
    if not path.is_file():
        raise InputError(f"--mask {path}: no such file; wanted an image, or a folder with one per frame.")
    return path


def colour_only(image: Tensor, enhanced: Tensor) -> Tensor:
    """Combine the colours and light of the enhanced image with the frame's own detail.

    The change is replaced by its best local fit, an affine function of the frame's luma (guided filter: He, Sun, Tang,
    "Guided Image Filtering", 2010, eq. 5-8, with the frame as guide), and added to the frame. This removes detail that
    the network added if it is finer than the window and not in the frame.
    """
    radius = max(1, round(WINDOW * max(image.shape[-2:])))

    def mean(x: Tensor) -> Tensor:
        """Average over a window, counting only its part inside the frame; rows first, then columns."""
        for kernel, padding in (((2 * radius + 1, 1), (radius, 0)), ((1, 2 * radius + 1), (0, radius))):
            # torch allows padding of half a window at most, and a window no larger than the padded frame.
            x = F.avg_pool2d(x, kernel, 1, padding, count_include_pad=False)
        return x

    guide = (image * torch.tensor(LUMA).view(3, 1, 1)).sum(0, keepdim=True)[None].double()
    change = (enhanced - image)[None].double()
    centre, middle = mean(guide), mean(change)
    slope = (mean(guide * change) - centre * middle) / (mean(guide * guide) - centre**2 + EDGE)
    fit = mean(slope) * guide + mean(middle - slope * centre)
    return (image + fit[0].float()).clamp(0, 1)
