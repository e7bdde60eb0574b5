"""A small upscaler that relies on its guides: it need not invent what the renderer knows at the large size.

The image is enlarged bicubically. Convolutions at the small size read the image and the folded guides; a few at the
large size read the enlarged image, the guides, and what the guides lose at the small size. They output a factor and an
offset for each pixel of the enlarged image. Textures are mostly albedo times light, so an albedo edge is a factor
(demodulation, as in renderers' denoisers: Bako et al., "Kernel-Predicting Convolutional Networks", 2017).

Shapes: B images, G guide channels, H W pixels of the small image, s the factor.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.layers.spec import check_limits
from epe.upscaler import Upscaler, UpscalerSpec


@dataclass(frozen=True)
class GuidedSpec(UpscalerSpec):
    """The sizes of a `Guided`.

    Attributes:
        width: features at the small size.
        blocks: residual blocks at the small size, of two convolutions each.
        detail: features at the large size.
    """

    guides: int = 9
    width: int = 48
    blocks: int = 4
    detail: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        check_limits(self, {"guides": (1, 256), "width": (4, 256), "blocks": (1, 32), "detail": (4, 128)})


class ResidualBlock(nn.Module):
    """Two convolutions with a residual connection."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(x)))


class Guided(Upscaler):
    """Bicubic enlargement, corrected by factors and offsets that the guides suggest."""

    kind = "guided-upscaler"
    spec_type = GuidedSpec
    presets: ClassVar[dict[str, dict[str, Any]]] = {"guided-x4": {"scale": 4}, "guided-x2": {"scale": 2}}
    tile = 320
    margin = 16
    exports_to_onnx = True
    spec: GuidedSpec

    def __init__(self, spec: GuidedSpec) -> None:
        super().__init__(spec)
        folded = spec.guides * spec.scale**2
        self.squeeze = nn.Conv2d(folded, spec.width, 1)
        self.first = nn.Conv2d(3 + spec.width, spec.width, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlock(spec.width) for _ in range(spec.blocks)))
        self.spread = nn.Conv2d(spec.width, spec.detail * spec.scale**2, 1)
        self.middle = nn.Conv2d(3 + 2 * spec.guides + spec.detail, spec.detail, 3, padding=1)
        self.last = nn.Conv2d(spec.detail, 6, 3, padding=1)
        for parameter in self.last.parameters():  # at first the result is the bicubic enlargement
            nn.init.zeros_(parameter)

    def forward(self, image: Tensor, guides: Tensor | None = None) -> Tensor:
        self.check_guides(image, guides)
        assert guides is not None  # the spec requires at least one
        scale = self.spec.scale
        enlarged = F.interpolate(image, scale_factor=scale, mode="bicubic", align_corners=False)
        lost = guides - F.interpolate(
            F.avg_pool2d(guides, scale), scale_factor=scale, mode="bilinear", align_corners=False
        )
        x = torch.cat([image, F.relu(self.squeeze(F.pixel_unshuffle(guides, scale)))], dim=1)
        x = F.pixel_shuffle(self.spread(self.body(F.relu(self.first(x)))), scale)
        x = F.relu(self.middle(torch.cat([enlarged, guides, lost, x], dim=1)))
        factor, offset = self.last(x).chunk(2, dim=1)
        return enlarged * (1 + factor) + offset
