"""Haar wavelet pooling into four bands at half the resolution, from which the input can be recovered exactly.

Yoo et al., "Photorealistic Style Transfer via Wavelet Transforms", 2019, sec. 3.1. The 2x2 filters of the bands are
orthonormal, so unpooling is both the transpose and the inverse of pooling, and energy is preserved.

Shapes: B images, C channels, h w half of H W.
"""

import torch
from torch import Tensor

BANDS = ("LL", "LH", "HL", "HH")
"""First letter: along columns; second: along rows. L: mean, H: difference, the later pixel minus the earlier."""


def filters(like: Tensor) -> Tensor:
    """Return the filters of the four bands, (4, 2, 2), with the dtype and device of a tensor."""
    low, high = like.new_tensor([1.0, 1.0]), like.new_tensor([-1.0, 1.0])
    return torch.stack([torch.outer(down, right) for down in (low, high) for right in (low, high)]) / 2


def pool(x: Tensor) -> Tensor:
    """Return the bands (B, 4, C, h, w) of (B, C, H, W), in the order of `BANDS`; H and W must be even."""
    b, c, height, width = x.shape
    cells = x.reshape(b, c, height // 2, 2, width // 2, 2)
    return torch.einsum("bchpwq,kpq->bkchw", cells, filters(x))


def unpool(bands: Tensor) -> Tensor:
    """Invert `pool`: (B, 4, C, h, w) -> (B, C, H, W)."""
    return unpooled(bands).sum(1)


def unpooled(bands: Tensor) -> Tensor:
    """Unpool each band (B, 4, C, h, w) on its own, to (B, 4, C, H, W); their sum is `unpool`."""
    b, k, c, height, width = bands.shape
    cells = bands[:, :, :, :, None, :, None] * filters(bands)[:, None, None, :, None, :]
    return cells.reshape(b, k, c, 2 * height, 2 * width)
