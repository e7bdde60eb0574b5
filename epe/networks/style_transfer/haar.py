"""The Haar wavelet in place of pooling: four bands at half the resolution, from which the input comes back exactly.

Yoo et al., "Photorealistic Style Transfer via Wavelet Transforms", 2019, sec. 3.1. The 2x2 filters of the bands are
orthonormal, so unpooling is the transpose of pooling and its inverse, and energy is kept.

Shapes: B images, C channels, h w half of H W.
"""

import torch
from torch import Tensor

BANDS = ("LL", "LH", "HL", "HH")
"""First letter: along columns; second: along rows. L: mean, H: difference, the later pixel minus the earlier."""


def filters(like: Tensor) -> Tensor:
    """(4, 2, 2): the filter of each band, of a tensor's type and device."""
    low, high = like.new_tensor([1.0, 1.0]), like.new_tensor([-1.0, 1.0])
    return torch.stack([torch.outer(down, right) for down in (low, high) for right in (low, high)]) / 2


def pool(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, 4, C, h, w), the bands in the order of `BANDS`; H and W even."""
    b, c, height, width = x.shape
    cells = x.reshape(b, c, height // 2, 2, width // 2, 2)
    return torch.einsum("bchpwq,kpq->bkchw", cells, filters(x))


def unpool(bands: Tensor) -> Tensor:
    """(B, 4, C, h, w) -> (B, C, H, W), the inverse of `pool`."""
    return unpooled(bands).sum(1)


def unpooled(bands: Tensor) -> Tensor:
    """(B, 4, C, h, w) -> (B, 4, C, H, W): what each band alone gives; their sum is `unpool`."""
    b, k, c, height, width = bands.shape
    cells = bands[:, :, :, :, None, :, None] * filters(bands)[:, None, None, :, None, :]
    return cells.reshape(b, k, c, 2 * height, 2 * width)
