"""UNetDiscriminatorSN, the discriminator of Real-ESRGAN: a U-Net that judges every pixel.

Wang et al., "Real-ESRGAN", ICCVW 2021, section 3.4, and its release; convolutions are numbered as in published weights.

Shapes: B images, H W pixels.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from epe.layers.logit_residual import padded
from epe.layers.spec import Spec, check_limits
from epe.layers.spectral_norm import spectral_norm

LEVELS = 3


@dataclass(frozen=True)
class UNetSNSpec(Spec):
    """The sizes of a `UNetSN`.

    Attributes:
        width: features at full resolution.
    """

    width: int = 64

    def __post_init__(self) -> None:
        check_limits(self, {"width": (4, 256)})

    @property
    def multiple_of(self) -> int:
        return int(2**LEVELS)


def down(inputs: int, outputs: int) -> nn.Module:
    """Return a convolution that halves the resolution."""
    return spectral_norm(nn.Conv2d(inputs, outputs, 4, 2, padding=1, bias=False))


def flat(inputs: int, outputs: int) -> nn.Module:
    """Return a convolution that keeps the resolution."""
    return spectral_norm(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False))


class UNetSN(nn.Module):
    """Images -> per-pixel logits of being real."""

    kind: ClassVar[str] = "unet-sn"

    def __init__(self, spec: UNetSNSpec) -> None:
        super().__init__()
        self.spec = spec
        w = spec.width
        self.conv0 = nn.Conv2d(3, w, 3, padding=1)
        self.conv1, self.conv2, self.conv3 = down(w, 2 * w), down(2 * w, 4 * w), down(4 * w, 8 * w)
        self.conv4, self.conv5, self.conv6 = flat(8 * w, 4 * w), flat(4 * w, 2 * w), flat(2 * w, w)
        self.conv7, self.conv8 = flat(w, w), flat(w, w)
        self.conv9 = nn.Conv2d(w, 1, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B, 1, H, W) for images (B, 3, H, W), sRGB in [0, 1]."""
        height, width = image.shape[-2:]
        x = F.leaky_relu(self.conv0(padded(image, self.spec.multiple_of)), 0.2)
        skips = []
        for layer in (self.conv1, self.conv2, self.conv3):
            skips.append(x)
            x = F.leaky_relu(layer(x), 0.2)
        for layer, skip in zip((self.conv4, self.conv5, self.conv6), reversed(skips), strict=True):
            doubled = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = F.leaky_relu(layer(doubled), 0.2) + skip
        for layer in (self.conv7, self.conv8):
            x = F.leaky_relu(layer(x), 0.2)
        judged: Tensor = self.conv9(x)
        return judged[..., :height, :width]
