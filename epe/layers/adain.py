"""Style: what a reference photograph says about how a picture is to look, and how features take it on.

Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization", 2017 (AdaIN). Here the
scale and shift are read off a vector by a linear layer, which can be trained alone: that is what fits a trained network
to another look.

Shapes: B samples, N tokens, C features, S the length of a style vector.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.distributed.sequence_parallel import ALONE, SequenceParallel, moments, precise
from epe.layers.inplace import modulate


class AdaIN(nn.Module):
    """Every feature gets mean 0 and variance 1 over the tokens of an image, then scale and shift of the style.

    Scale is 1 + what is read off the style: at first features are only normalised.

    Args:
        width: C.
        style: S.
    """

    def __init__(self, width: int, style: int) -> None:
        super().__init__()
        self.fc = nn.Linear(style, 2 * width)
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor, style: Tensor, sequence: SequenceParallel = ALONE) -> Tensor:
        """(B, N, C) and (B, S) -> (B, N, C); `sequence`: processes that hold the other tokens."""
        scale, shift = self.fc(style)[:, None].chunk(2, dim=-1)
        mean, variance = moments(precise(x), sequence)
        return modulate(((x - mean) * (variance + 1e-5).rsqrt()).to(x.dtype), 1 + scale, shift)


class StyleEncoder(nn.Module):
    """A photograph of any size -> a vector: means and deviations of convolutions' features at two scales.

    Args:
        style: S.
        width: features of the first convolution; the second has twice as many.
    """

    def __init__(self, style: int, width: int = 64) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, 2, 1)
        self.second = nn.Conv2d(width, 2 * width, 3, 2, 1)
        self.out = nn.Linear(6 * width, style)

    def forward(self, photo: Tensor) -> Tensor:
        """(B, 3, h, w), sRGB in [0, 1] -> (B, S)."""
        fine = F.relu(self.first(2 * photo - 1))
        coarse = F.relu(self.second(fine))
        found = []
        for x in (precise(fine), precise(coarse)):
            mean = x.mean(dim=(2, 3))
            variance = (x - mean[..., None, None]).square().mean(dim=(2, 3))
            # The root's slope is not finite at 0, where a feature is off all over a plain picture.
            found += [mean, (variance + 1e-5).sqrt()]
        return self.out(torch.cat(found, dim=1))
