"""Style: encode a reference photograph as a vector, and apply that vector to features.

Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization", 2017 (AdaIN). Here a
linear layer computes scale and shift from the style vector. That layer can be trained alone, which adapts a trained
network to another style.

Shapes: B samples, N tokens, C features, S the length of a style vector.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.distributed.sequence_parallel import ALONE, SequenceParallel, moments, precise
from epe.layers.inplace import modulate


class AdaIN(nn.Module):
    """Normalise every feature to mean 0 and variance 1 over an image's tokens, then scale and shift it by the style.

    The scale is 1 plus an output of the layer, which is initialised to 0, so at first features are only normalised.

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
        """Apply styles (B, S) to tokens (B, N, C); the processes of `sequence` hold the other tokens."""
        scale, shift = self.fc(style)[:, None].chunk(2, dim=-1)
        mean, variance = moments(precise(x), sequence)
        return modulate(((x - mean) * (variance + 1e-5).rsqrt()).to(x.dtype), 1 + scale, shift)


class StyleEncoder(nn.Module):
    """Encode a photograph of any size as a vector, from means and deviations of convolutional features at two scales.

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
        """Encode photographs (B, 3, h, w), sRGB in [0, 1], as style vectors (B, S)."""
        fine = F.relu(self.first(2 * photo - 1))
        coarse = F.relu(self.second(fine))
        found = []
        for x in (precise(fine), precise(coarse)):
            mean = x.mean(dim=(2, 3))
            variance = (x - mean[..., None, None]).square().mean(dim=(2, 3))
            # The square root's derivative is infinite at 0, the variance of a feature that is 0 all over a plain image.
            found += [mean, (variance + 1e-5).sqrt()]
        return self.out(torch.cat(found, dim=1))
