"""3x3 convolutions with replicate padding, and residual blocks built from them.

`SpectralBlock` is the block of the released G-buffer encoder of `hr`, `ScaledBlock` that of `hr_new` (Richter, AlHaija,
Koltun, "Enhancing Photorealism Enhancement", 2021, and their release).

Shapes: B images, C features, H W pixels.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from epe.layers.inplace import add, relu
from epe.layers.spectral_norm import spectral_norm


def conv3(inputs: int, outputs: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """Return a 3x3 convolution with replicate padding, so that borders resemble their neighbourhood."""
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=bias, padding_mode="replicate")


def spectral_conv(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    """Return a `conv3` with spectral normalisation and a bias."""
    return spectral_norm(conv3(inputs, outputs, stride, bias=True))


class SpectralBlock(nn.Module):
    """Residual block of two spectrally normalised convolutions.

    If width or resolution change, the skip connection is a convolution of the same kind, followed by a ReLU.
    """

    def __init__(self, inputs: int, middle: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = spectral_conv(inputs, middle, stride)
        self.second = spectral_conv(middle, outputs)
        changes = stride != 1 or inputs != outputs
        self.skip: nn.Module = nn.Identity()
        if changes:
            self.skip = nn.Sequential(spectral_conv(inputs, outputs, stride), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        return relu(add(self.second(relu(self.first(x))), self.skip(x)))


class ScaledBlock(nn.Module):
    """Residual block without normalisation, its residual scaled by 0.1, from the authors' second network (`hr_new`).

    If width or resolution change, the skip connection is a 1x1 convolution, followed by a leaky ReLU.
    """

    def __init__(self, inputs: int, middle: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = conv3(inputs, middle, stride)
        self.second = conv3(middle, outputs)
        changes = stride != 1 or inputs != outputs
        skip = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.skip = nn.Sequential(skip, nn.LeakyReLU(0.2)) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.second(F.leaky_relu(self.first(x), 0.2)), 0.2)
        return 0.1 * y + self.skip(x)
