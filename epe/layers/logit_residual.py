"""Functions that generators share: checking and padding inputs, and adding a residual to the logits of an image."""

import torch
import torch.nn.functional as F
from torch import Tensor


def check_inputs(image: Tensor, gbuffers: Tensor, channels: int) -> None:
    """Check the inputs of a generator: image (B, 3, H, W) and G-buffers (B, channels, H, W).

    Raises:
        ValueError: the number of channels is wrong, or the sizes differ.
    """
    if gbuffers.shape[1] != channels or gbuffers.shape[-2:] != image.shape[-2:]:
        raise ValueError(
            f"wanted {channels} G-buffer channels of {tuple(image.shape[-2:])} pixels, got {tuple(gbuffers.shape)}."
        )


def add_logit_residual(image: Tensor, residual: Tensor) -> Tensor:
    """Add a residual to the logits of an image, so that the result stays inside (0, 1) without clipping.

    The image is first clipped to 0.001 .. 0.999, as in the authors' release.

    Args:
        image: (B, 3, H, W), sRGB in [0, 1].
        residual: (B, 3, H, W), unbounded.

    Returns:
        (B, 3, H, W), sRGB in (0, 1).
    """
    return torch.sigmoid(torch.logit(image.clamp(0.001, 0.999)) + residual.to(image.dtype))


def padded(x: Tensor, multiple_of: int) -> Tensor:
    """Pad (B, C, H, W) at the right and bottom, by repeating the border, to multiples of `multiple_of` pixels."""
    down, right = (-side % multiple_of for side in x.shape[-2:])
    return F.pad(x, (0, right, 0, down), mode="replicate") if down or right else x
