"""`lite`: an enhancer with a hundredth of the multiply-adds of `hr`.

It saves work compared to `hr` as follows (figures: benchmarks/results):

* In `hr`, 80 towers read the same four maps of encoded G-buffers. Here there is one tower per scale, from which each
  block computes its scale and shift with a 1x1 convolution, as 1 + scale.
* In `hr`, one stream per class runs on every pixel. Here there is one stream, whose features are scaled and shifted
  depending on the class.
* In `hr`, the finest features have full resolution. Here they have half of it, with 2x2 pixels as channels (Shi et al.,
  "Real-Time Single Image and Video Super-Resolution", 2016). Two final convolutions run at full resolution again, after
  a filter that removes the checkerboard pattern of such channels (Sugawara et al., "Super-Resolution Using
  Convolutional Neural Networks Without Any Checkerboard Artifacts", 2018).
* In `hr`, group normalisation needs statistics of the whole frame, so tiles differ, and it takes passes over memory.
  Here there is none; residual blocks start as the identity instead (Zhang et al., "Fixup Initialization", 2019).

Shapes: B images, G G-buffer channels, K classes, H W pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.generator import Generator, GeneratorSpec, StreamChannels
from epe.layers.classes import soft_masks
from epe.layers.convolutions import conv3
from epe.layers.inplace import add, modulate, relu
from epe.layers.logit_residual import add_logit_residual, check_inputs, padded
from epe.layers.spec import check_limits

LIMITS = {
    "channels": (1, 1024), "classes": (1, 256), "width": (8, 512), "scales": (1, 6), "blocks": (1, 16),
    "refined": (4, 64),
}  # fmt: skip


@dataclass(frozen=True)
class LiteSpec(GeneratorSpec):
    """The sizes of a `Lite`.

    Attributes:
        channels: G.
        classes: K.
        width: image features, and G-buffer features, at half the resolution; scale i has width * (1 + i / 2).
        scales: number of scales, the first at half the resolution.
        blocks: residual blocks per scale, on the way down and again on the way up.
        refined: features of the last two convolutions, at full resolution.
    """

    channels: int
    classes: int
    width: int = 64
    scales: int = 3
    blocks: int = 2
    refined: int = 16

    def __post_init__(self) -> None:
        check_limits(self, LIMITS)
        if self.width % 8:
            raise ValueError(f"width must be a multiple of 8, got {self.width}.")

    @property
    def multiple_of(self) -> int:
        """Heights and widths that are multiples of this need no padding; tile starts must also be multiples of it."""
        return 1 << self.scales

    @property
    def widths(self) -> list[int]:
        """Number of features per scale."""
        return [self.width * (2 + i) // 2 for i in range(self.scales)]

    @classmethod
    def for_data(cls, channels: int, stream_channels: StreamChannels, sizes: Mapping[str, Any]) -> Self:
        return cls(channels, len(stream_channels), **sizes)


PRESETS: dict[str, dict[str, int]] = {"lite": {}, "lite-small": {"width": 32}, "lite-tiny": {"width": 8, "blocks": 1}}
"""Sizes by name; channels and classes depend on the data."""


class Residual(nn.Module):
    """Residual block x + conv(relu(conv(x))), initialised as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = conv3(width, width, bias=True), conv3(width, width, bias=True)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return add(self.second(relu(self.first(x))), x)


class Conditioned(Residual):
    """Residual block on image features, scaled and shifted inside by G-buffer features of the same scale."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.modulation = nn.Conv2d(width, 2 * width, 1)
        nn.init.zeros_(self.modulation.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, g: Tensor | None = None) -> Tensor:
        scale, shift = self.modulation(g).chunk(2, dim=1)
        return add(self.second(relu(modulate(self.first(x), 1 + scale, shift))), x)


class GTower(nn.Module):
    """Encodes G-buffers and classes as features for each scale."""

    def __init__(self, spec: LiteSpec) -> None:
        super().__init__()
        widths = spec.widths
        self.stem = conv3(4 * spec.channels, widths[0], bias=True)
        self.by_class = nn.Conv2d(spec.classes, 2 * widths[0], 1, bias=False)
        reduce = [nn.Identity(), *(conv3(*pair, 2, bias=True) for pair in pairwise(widths))]
        self.steps = nn.ModuleList(
            nn.Sequential(first, Residual(width), Residual(width)) for first, width in zip(reduce, widths, strict=True)
        )

    def forward(self, gbuffers: Tensor, masks: Tensor) -> list[Tensor]:
        """Return features (B, width, H / 2^(i+1), W / 2^(i+1)) per scale for (B, G, H, W) and masks (B, K, H, W)."""
        scale, shift = self.by_class(F.avg_pool2d(masks, 2)).chunk(2, dim=1)
        x = relu(modulate(self.stem(F.pixel_unshuffle(gbuffers, 2)), 1 + scale, shift))
        maps = []
        for step in self.steps:
            x = step(x)
            maps.append(x)
        return maps


class ImageStream(nn.Module):
    """A U-Net from the finest scale to the coarsest and back, with skip connections; every block is conditioned."""

    def __init__(self, spec: LiteSpec) -> None:
        super().__init__()
        widths = spec.widths

        def blocks(width: int) -> nn.ModuleList:
            return nn.ModuleList(Conditioned(width) for _ in range(spec.blocks))

        self.stem = conv3(12, widths[0], bias=True)
        self.down = nn.ModuleList(blocks(width) for width in widths)
        self.reduce = nn.ModuleList(conv3(*pair, 2, bias=True) for pair in pairwise(widths))
        self.expand = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(widths))
        self.up = nn.ModuleList(blocks(width) for width in widths[:-1])
        self.refine = conv3(widths[0] // 4 + 3, spec.refined, bias=True)
        self.out = conv3(spec.refined, 3, bias=True)
        # Zeros, so that an untrained network returns its input.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, image: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Return the residual of the logits, (B, 3, H, W), for an image (B, 3, H, W) and the features of each scale."""
        x = self.stem(F.pixel_unshuffle(image, 2))
        skips = []
        for i, blocks in enumerate(self.down):
            x = run(blocks, self.reduce[i - 1](x) if i else x, maps[i])
            skips.append(x)
        for i in reversed(range(len(skips) - 1)):
            larger = F.interpolate(self.expand[i](x), scale_factor=2, mode="bilinear", align_corners=False)
            x = run(self.up[i], larger + skips[i], maps[i])
        return self.out(relu(self.refine(torch.cat([smooth(F.pixel_shuffle(x, 2)), image], dim=1))))


def smooth(x: Tensor) -> Tensor:
    """Blur (B, C, H, W) by (1, 2, 1) / 4 along both axes, with reflection padding.

    After pixel shuffling, the four pixels of each 2x2 cell come from four independent channels. If these drift apart,
    a checkerboard with a period of two pixels appears. The filter's response is 0 at exactly that period. The
    convolutions after it recover fine detail from the image itself.
    """
    rows = F.pad(x, (0, 0, 1, 1), mode="reflect")
    x = (rows[:, :, :-2] + rows[:, :, 2:]) / 4 + x / 2
    columns = F.pad(x, (1, 1, 0, 0), mode="reflect")
    return (columns[..., :-2] + columns[..., 2:]) / 4 + x / 2


def run(blocks: nn.Module, x: Tensor, g: Tensor) -> Tensor:
    """Run blocks in sequence."""
    for block in blocks.children():
        x = block(x, g)
    return x


class Lite(Generator):
    """A fast enhancer: turns a frame and its G-buffers into a photographic frame of the same content."""

    kind, spec_type, presets = "lite", LiteSpec, PRESETS
    checkpointed = (Residual,)
    # Without normalisation, tiles are as good as whole frames if they overlap by the receptive field.
    tile, overlap = 1024, 128
    exports_to_onnx = True
    spec: LiteSpec

    def __init__(self, spec: LiteSpec) -> None:
        super().__init__(spec)
        self.encoder = GTower(spec)
        self.image = ImageStream(spec)

    def encode(self, gbuffers: Tensor, classes: Tensor) -> list[Tensor]:
        """Encode the G-buffers for `enhance`; one result serves all images of a static scene.

        Args:
            gbuffers: (B, G, H, W), normalised per channel.
            classes: ids (B, H, W) or soft masks (B, K, H, W).
        """
        masks = soft_masks(classes, self.spec.classes).to(gbuffers.dtype)
        return self.encoder(padded(gbuffers, self.spec.multiple_of), padded(masks, self.spec.multiple_of))

    def enhance(self, image: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Enhance images (B, 3, H, W), sRGB in [0, 1], with the result of `encode`; return (B, 3, H, W) in (0, 1)."""
        residual = self.image(padded(image, self.spec.multiple_of), maps)[..., : image.shape[-2], : image.shape[-1]]
        return add_logit_residual(image, residual)

    def forward(self, image: Tensor, gbuffers: Tensor, classes: Tensor, crop_box: Tensor | None = None) -> Tensor:
        """Enhance frames; arguments as in `encode` and `enhance`. `crop_box` is ignored.

        Raises:
            ValueError: the number of G-buffer channels is wrong, or the sizes differ.
        """
        check_inputs(image, gbuffers, self.spec.channels)
        return self.enhance(image, self.encode(gbuffers, classes))
