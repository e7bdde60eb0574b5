"""A small U-Net that labels each pixel: the encoder halves the resolution, the decoder doubles it, skips connect them.

Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015. Made for
CPUs: the first convolution already halves the resolution, so no layer works at full resolution. As is usual today,
convolutions are padded, strides replace max pooling, upsampling is bilinear, and there are batch norms. At the coarsest
level the mean over the whole picture is added (Liu, Rabinovich, Berg, "ParseNet", 2015).

Shapes: B pictures, K classes, H W pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.layers.spec import Spec, check_limits

LIMITS = {"classes": (2, 1000), "width": (4, 256), "height": (16, 16384)}
FACTORS = (1, 2, 3, 4)
"""Features of a level as multiples of the width; level n has 1 / 2^(n + 1) of the resolution."""


@dataclass(frozen=True)
class UNetSpec(Spec):
    """The sizes of a `UNet`.

    Attributes:
        classes: K.
        width: features at half the resolution.
        height: height in pixels of the training pictures; callers shrink larger pictures to it.
    """

    classes: int
    width: int = 32
    height: int = 360

    def __post_init__(self) -> None:
        check_limits(self, LIMITS)

    @property
    def multiple_of(self) -> int:
        """Heights and widths that are multiples of this need no padding."""
        return int(2 ** len(FACTORS))


def normalised(inputs: int, outputs: int, stride: int = 1) -> Iterator[nn.Module]:
    """Yield a 3 x 3 convolution, a batch norm and a ReLU."""
    yield nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    yield nn.BatchNorm2d(outputs)
    yield nn.ReLU(inplace=True)


class UNet(nn.Module):
    """Pictures -> class scores."""

    kind = "unet"

    def __init__(self, spec: UNetSpec) -> None:
        super().__init__()
        self.spec = spec
        widths = [factor * spec.width for factor in FACTORS]
        self.encoder = nn.ModuleList(
            nn.Sequential(*normalised(before, width, stride=2), *normalised(width, width))
            for before, width in zip([3, *widths], widths, strict=False)
        )
        self.context = nn.Conv2d(widths[-1], widths[-1], 1)
        self.decoder = nn.ModuleList(
            nn.Sequential(*normalised(deeper + width, width))
            for deeper, width in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.head = nn.Conv2d(widths[0], spec.classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        for parameter in self.head.parameters():  # all classes are equally likely at first
            nn.init.zeros_(parameter)

    def forward(self, image: Tensor) -> Tensor:
        """Return class scores (B, K, H, W) for pictures (B, 3, H, W) of any size, sRGB in [0, 1]."""
        x, skips = 4 * image - 2, []
        for level in self.encoder:
            x = level(x)
            skips.append(x)
        x = x + self.context(x.mean((2, 3), keepdim=True))
        for level, skip in zip(self.decoder, skips[-2::-1], strict=True):
            x = level(torch.cat([enlarged(x, skip), skip], dim=1))
        return enlarged(self.head(x), image)


def enlarged(x: Tensor, like: Tensor) -> Tensor:
    """Resize maps (B, C, h, w) bilinearly to the height and width of `like`."""
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)
