"""What generators have in common: the check of their inputs, and the residual that they add to a picture's logits."""

import torch
import torch.nn.functional as F
from torch import Tensor


def check_inputs(image: Tensor, gbuffers: Tensor, channels: int) -> None:
    """Of a generator that reads so many G-buffer channels: image (B, 3, H, W), G-buffers (B, channels, H, W).

    Raises:
        ValueError: another number of channels, or sizes that differ.
    """
    if gbuffers.shape[1] != channels or gbuffers.shape[-2:] != image.shape[-2:]:
        raise ValueError(
            f"wanted {channels} G-buffer channels of {tuple(image.shape[-2:])} pixels, got {tuple(gbuffers.shape)}."
        )


def add_logit_residual(image: Tensor, residual: Tensor) -> Tensor:
    """Add a residual to the logits of a picture: the result stays inside (0, 1) without clipping.

    Args:
        image: (B, 3, H, W), sRGB in [0, 1].
        residual: (B, 3, H, W), any number.

    The picture is clipped to 0.001 .. 0.999 before, as in the authors' release.
    """
    return torch.sigmoid(torch.logit(image.clamp(0.001, 0.999)) + residual.to(image.dtype))


def padded(x: Tensor, multiple_of: int) -> Tensor:
    """(B, C, H, W) enlarged to the right and below, by repeating the border, to sides that divide evenly."""
    down, right = (-side % multiple_of for side in x.shape[-2:])
    return F.pad(x, (0, right, 0, down), mode="replicate") if down or right else x
