"""3x3 convolutions that repeat the border, and the residual blocks made of them.

`SpectralBlock` is the block of the released G-buffer encoder of `hr`, `ScaledBlock` that of `hr_new` (Richter, AlHaija,
Koltun, "Enhancing Photorealism Enhancement", 2021, and their release).

Shapes: B images, C features, H W pixels.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from epe.layers.inplace import add, relu
from epe.layers.spectral_norm import spectral_norm


def conv3(inputs: int, outputs: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """3x3 convolution that pads by repeating the border, so that borders look like their neighbours."""
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=bias, padding_mode="replicate")


def spectral_conv(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    """`conv3` of spectral norm 1."""
    return spectral_norm(conv3(inputs, outputs, stride, bias=True))


class SpectralBlock(nn.Module):
    """Residual block of two spectrally normalised convolutions.

    Where width or resolution change, the skip is a convolution of the same kind, rectified.
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
    """Residual block without normalisation, its change scaled down: the authors' second network (`hr_new`).

    Where width or resolution change, the skip is a 1x1 convolution, rectified.
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
