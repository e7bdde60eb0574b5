"""RRDBNet, the generator of ESRGAN and Real-ESRGAN: residual blocks of densely connected convolutions.

Wang et al., "ESRGAN", ECCVW 2018; Wang et al., "Real-ESRGAN", ICCVW 2021. Modules are named as in published weights.

Shapes: B images, C features, H W pixels.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.layers.logit_residual import padded
from epe.layers.spec import check_limits
from epe.networks.upscalers.guides import GuideLayer
from epe.upscaler import Upscaler, UpscalerSpec

CONVOLUTIONS, DENSE_BLOCKS = 5, 3
RESIDUAL = 0.2
"""Factor applied to residuals, in dense blocks and around three of them."""
INITIAL = 0.1
"""Factor applied to the initial weights of dense blocks (ESRGAN, section 3.1: smaller initialisation)."""
SMALL = 6
"""Number of blocks in the smaller published network."""
UPSAMPLED = 4
"""The factor between features and result: two doublings. Smaller scales fold pixels of the input into channels."""


@dataclass(frozen=True)
class RRDBSpec(UpscalerSpec):
    """The sizes of an `RRDBNet`.

    Attributes:
        blocks: number of residual-in-residual blocks.
        width: C.
        growth: features that each convolution of a dense block adds.
    """

    blocks: int = 23
    width: int = 64
    growth: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        check_limits(self, {"blocks": (1, 64), "width": (4, 256), "growth": (4, 256)})
        if self.scale not in (1, 2, 4):
            raise ValueError(f"scale must be 1, 2 or 4, got {self.scale}.")

    @property
    def folded(self) -> int:
        """Side of the square of input pixels that becomes the channels of one pixel."""
        return UPSAMPLED // self.scale

    @property
    def multiple_of(self) -> int:
        return self.folded


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a 3x3 convolution with zero padding, as published."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class DenseBlock(nn.Module):
    """Five convolutions, each of which reads the results of all previous ones."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        for index in range(CONVOLUTIONS):
            last = index == CONVOLUTIONS - 1
            layer = conv(width + index * growth, width if last else growth)
            nn.init.kaiming_normal_(layer.weight)
            layer.weight.data *= INITIAL
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # it has one
            self.add_module(f"conv{index + 1}", layer)

    def forward(self, x: Tensor) -> Tensor:
        *layers, last = self.children()
        seen = [x]
        for layer in layers:
            seen.append(F.leaky_relu(layer(torch.cat(seen, dim=1)), 0.2))
        return x + RESIDUAL * last(torch.cat(seen, dim=1))


class ResidualBlock(nn.Module):
    """Three dense blocks with a residual connection around them."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        for index in range(DENSE_BLOCKS):
            self.add_module(f"rdb{index + 1}", DenseBlock(width, growth))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for block in self.children():
            y = block(y)
        return x + RESIDUAL * y


class RRDBNet(Upscaler):
    """The generator of Real-ESRGAN, with guides if the spec has some."""

    kind = "rrdb"
    spec_type = RRDBSpec
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "rrdb-x4": {"scale": 4, "blocks": 23},
        "rrdb-x4-6b": {"scale": 4, "blocks": 6},
        "rrdb-x2": {"scale": 2, "blocks": 23},
        "rrdb-x4-tiny": {"scale": 4, "blocks": 1, "width": 16, "growth": 8},
    }
    exports_to_onnx = True
    spec: RRDBSpec

    def __init__(self, spec: RRDBSpec) -> None:
        super().__init__(spec)
        width = spec.width
        self.conv_first = conv(3 * spec.folded**2, width)
        self.body = nn.Sequential(*(ResidualBlock(width, spec.growth) for _ in range(spec.blocks)))
        self.conv_body, self.conv_up1, self.conv_up2, self.conv_hr = (conv(width, width) for _ in range(4))
        self.conv_last = conv(width, 3)
        if spec.guides:
            self.guide_small = GuideLayer(spec.guides, width, UPSAMPLED)
            self.guide_large = GuideLayer(spec.guides, width, 1)

    @property
    def margin(self) -> int:  # type: ignore[override]
        """Unused pixels at tile borders, as measured on photographs with the published networks of 6 and 23 blocks."""
        return 56 if self.spec.blocks <= SMALL else 96

    @property
    def tile(self) -> int:  # type: ignore[override]
        """The smallest possible, four overlaps."""
        return 4 * self.overlap

    def forward(self, image: Tensor, guides: Tensor | None = None) -> Tensor:
        self.check_guides(image, guides)
        folded, scale = self.spec.folded, self.spec.scale
        height, width = (side * scale for side in image.shape[-2:])
        seen = None if guides is None else padded(guides, UPSAMPLED)
        first = self.conv_first(F.pixel_unshuffle(padded(image, folded), folded))
        if seen is not None:
            first = first + self.guide_small(seen)
        x = first + self.conv_body(self.body(first))
        for layer in (self.conv_up1, self.conv_up2):
            x = F.leaky_relu(layer(F.interpolate(x, scale_factor=2, mode="nearest")), 0.2)
        if seen is not None:
            x = x + self.guide_large(seen)
        made: Tensor = self.conv_last(F.leaky_relu(self.conv_hr(x), 0.2))
        return made[..., :height, :width]
