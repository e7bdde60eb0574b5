"""SRVGGNetCompact, the small upscaler of Real-ESRGAN for video: a stack of convolutions at the input's resolution.

Wang et al., "Real-ESRGAN", ICCVW 2021, and its release (realesr-animevideov3: 16 convolutions, realesr-general-x4v3:
32). Modules are numbered as in published weights.

Shapes: B images, C features, H W pixels, s the factor.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from epe.layers.spec import check_limits
from epe.networks.upscalers.guides import GuideLayer
from epe.upscaler import Upscaler, UpscalerSpec


@dataclass(frozen=True)
class SRVGGSpec(UpscalerSpec):
    """The sizes of an `SRVGG`.

    Attributes:
        convolutions: number of convolutions between the first and the last.
        width: C.
    """

    convolutions: int = 16
    width: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        check_limits(self, {"convolutions": (1, 128), "width": (4, 256)})


class SRVGG(Upscaler):
    """Convolutions with PReLUs and a pixel shuffle, added to the image enlarged by nearest neighbours."""

    kind = "srvgg"
    spec_type = SRVGGSpec
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "srvgg-16": {"scale": 4, "convolutions": 16},
        "srvgg-32": {"scale": 4, "convolutions": 32},
    }
    tile = 512
    margin = 32
    exports_to_onnx = True
    spec: SRVGGSpec

    def __init__(self, spec: SRVGGSpec) -> None:
        super().__init__(spec)
        width = spec.width
        self.body = nn.ModuleList([nn.Conv2d(3, width, 3, padding=1), nn.PReLU(width)])
        for _ in range(spec.convolutions):
            self.body.extend([nn.Conv2d(width, width, 3, padding=1), nn.PReLU(width)])
        self.body.append(nn.Conv2d(width, 3 * spec.scale**2, 3, padding=1))
        if spec.guides:
            self.guide = GuideLayer(spec.guides, width, spec.scale)

    def forward(self, image: Tensor, guides: Tensor | None = None) -> Tensor:
        self.check_guides(image, guides)
        first, *layers = self.body
        x = first(image)
        if guides is not None:
            x = x + self.guide(guides)
        for layer in layers:
            x = layer(x)
        enlarged = F.interpolate(image, scale_factor=self.spec.scale, mode="nearest")
        return enlarged + F.pixel_shuffle(x, self.spec.scale)
