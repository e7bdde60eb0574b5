"""Absolute differences between an enlarged picture and its original that count more at edges.

Craap's transformerSR (github.com/Craap/models, 2023) multiplies differences by the original's edges, and reports this
as its largest gain; the usual loss compares the edges of both. It computes edges with zero padding, which draws a frame
around every crop; here borders are repeated.

Shapes: B pictures, H W pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

FLOOR = 0.05
"""Minimum weight of a pixel, so that flat areas are also learnt; a step from black to white has a weight of 4."""


def sobel_magnitude(image: Tensor) -> Tensor:
    """Return the gradient magnitude by Sobel filters, channel by channel: (B, C, H, W) -> the same."""
    across = image.new_tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
    filters = torch.stack([across, across.T])[:, None]
    channels = F.pad(image, (1, 1, 1, 1), mode="replicate").flatten(0, 1)[:, None]
    gradient = F.conv2d(channels, filters)
    # The square root's gradient is not finite at 0, where pictures are flat.
    return (gradient.square().sum(dim=1) + 1e-12).sqrt().unflatten(0, image.shape[:2])


def edge_weighted_l1(made: Tensor, original: Tensor) -> Tensor:
    """Return the mean absolute difference, weighted by the original's edges.

    Args:
        made, original: (B, 3, H, W), in [0, 1].

    Returns:
        A scalar; a constant difference d gives d, whatever the edges.
    """
    weight = sobel_magnitude(original).detach().clamp(min=FLOOR)
    return ((made - original).abs() * weight).sum() / weight.sum()


def edge_l1(made: Tensor, original: Tensor) -> Tensor:
    """Return the mean absolute difference between two pictures' edges, a scalar; shapes as in `edge_weighted_l1`."""
    return (sobel_magnitude(made) - sobel_magnitude(original)).abs().mean()
