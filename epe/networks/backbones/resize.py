"""Exact copies of the two resizing methods used with published networks, because features depend on every detail.

Shapes: B images, H W pixels, S pixels a side of the result.
"""

import torch
from torch import Tensor

BITS = 22
"""Fractional bits of Pillow's fixed-point weights."""
SUPPORT = 2
"""Reach of the cubic filter in pixels, on each side."""


def bilinear(image: Tensor, side: int) -> Tensor:
    """Resize as TensorFlow 1 does with `align_corners=False`: pixel i is sampled at i H / S, without averaging.

    Args:
        image: (B, 3, H, W) float.
        side: S.

    Returns:
        (B, 3, S, S).
    """
    (top, bottom, down), (left, right, along) = (_neighbours(length, side, image) for length in image.shape[2:])

    def row(indices: Tensor) -> Tensor:
        found = image[:, :, indices]
        return found[..., left] + (found[..., right] - found[..., left]) * along

    upper = row(top)
    return upper + (row(bottom) - upper) * down[:, None]


def _neighbours(length: int, side: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return, for each result pixel, the two pixels it lies between, and its fractional position between them (S,)."""
    # float32 whatever the image's dtype, because TensorFlow computes positions that way.
    position = torch.arange(side, device=like.device) * torch.tensor(length / side, dtype=torch.float32)
    low = position.long()
    return low, (low + 1).clamp(max=length - 1), (position - low).to(like.dtype)


def bicubic_square(image: Tensor, side: int) -> Tensor:
    """Resize the central square exactly as Pillow does with `Image.BICUBIC`, which averages when it shrinks.

    Widths are resized first and rounded to 8 bits, then heights, as every Pillow release does for squares. Weights are
    integers, so sums in float64 are exact in any order.

    Args:
        image: (B, 3, H, W) uint8.
        side: S.

    Returns:
        (B, 3, S, S) uint8.
    """
    height, width = image.shape[2:]
    length = min(height, width)
    top, left = (height - length) // 2, (width - length) // 2
    square = image[..., top : top + length, left : left + length]
    weights = _cubic_weights(length, side).to(image.device)
    return _to_bytes(weights @ _to_bytes(square.double() @ weights.T).double())


def _cubic_weights(length: int, side: int) -> Tensor:
    """Return Pillow's fixed-point weights (S, length), integers as float64; each row sums to about 2^22."""
    step = length / side
    scale = max(step, 1.0)
    centre = (torch.arange(side, dtype=torch.float64)[:, None] + 0.5) * step
    position = torch.arange(length, dtype=torch.float64)
    first = (centre - SUPPORT * scale + 0.5).floor()
    last = (centre + SUPPORT * scale + 0.5).floor()
    weight = keys_cubic((position - centre + 0.5).abs() / scale) * ((position >= first) & (position < last))
    fixed = weight / weight.sum(1, keepdim=True) * 2**BITS
    return torch.where(fixed < 0, (fixed - 0.5).ceil(), (fixed + 0.5).floor())


def keys_cubic(x: Tensor) -> Tensor:
    """Evaluate Keys' cubic kernel with a = -1/2 at distances of 0 or more.

    Keys, "Cubic Convolution Interpolation for Digital Image Processing", 1981.
    """
    near, far = (1.5 * x - 2.5) * x * x + 1, ((2.5 - 0.5 * x) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < SUPPORT, far, 0.0))


def _to_bytes(sums: Tensor) -> Tensor:
    return ((sums + 2 ** (BITS - 1)) / 2**BITS).floor().clamp(0, 255).to(torch.uint8)
