"""`lite`: an enhancer for a hundredth of the multiply-adds of `hr`.

What `hr` spends, and what is done here instead (figures: benchmarks/results):

* 80 towers read the same four maps of encoded G-buffers: one tower a scale, from which each block reads its scale and
  shift by a 1x1 convolution, as 1 + scale.
* A stream for each class runs on every pixel: one stream, whose features the classes scale and shift.
* The finest features are computed at full resolution: at half of it, where 2x2 pixels are channels (Shi et al.,
  "Real-Time Single Image and Video Super-Resolution", 2016); two convolutions at the end see every pixel again, behind
  a filter that takes the weave which such channels leave (Sugawara et al., "Super-Resolution Using Convolutional Neural
  Networks Without Any Checkerboard Artifacts", 2018).
* Group normalisation needs statistics of the whole frame, so tiles differ, and passes over memory: there is none, and
  residual blocks start as the identity (Zhang et al., "Fixup Initialization", 2019).

Shapes: B images, G G-buffer channels, K classes, H W pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.generator import Generator, GeneratorSpec, Streams
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
        width: features at half the resolution, of the image as of the G-buffers; scale i has width * (1 + i / 2).
        scales: how many, the first at half the resolution.
        blocks: residual blocks a scale, on the way down and again on the way up.
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
            raise ValueError(f"width must divide by 8, got {self.width}.")

    @property
    def multiple_of(self) -> int:
        """Height and width that need no filling up divide by this; starts of tiles, too."""
        return 1 << self.scales

    @property
    def widths(self) -> list[int]:
        """Features per scale."""
        return [self.width * (2 + i) // 2 for i in range(self.scales)]

    @classmethod
    def for_data(cls, channels: int, streams: Streams, sizes: Mapping[str, Any]) -> Self:
        return cls(channels, len(streams), **sizes)


PRESETS: dict[str, dict[str, int]] = {"lite": {}, "lite-small": {"width": 32}, "lite-tiny": {"width": 8, "blocks": 1}}
"""Sizes by name, for a number of channels and classes that the data decide."""


class Residual(nn.Module):
    """x + conv(relu(conv(x))), at first just x."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = conv3(width, width, bias=True), conv3(width, width, bias=True)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return add(self.second(relu(self.first(x))), x)


class Conditioned(Residual):
    """The same on image features, scaled and shifted inside by G-buffer features of that scale."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.modulation = nn.Conv2d(width, 2 * width, 1)
        nn.init.zeros_(self.modulation.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, g: Tensor | None = None) -> Tensor:
        scale, shift = self.modulation(g).chunk(2, dim=1)
        return add(self.second(relu(modulate(self.first(x), 1 + scale, shift))), x)


class GTower(nn.Module):
    """G-buffers and classes -> features per scale."""

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
        """(B, G, H, W) and (B, K, H, W) -> per scale (B, width, H / 2^(i+1), W / 2^(i+1))."""
        scale, shift = self.by_class(F.avg_pool2d(masks, 2)).chunk(2, dim=1)
        x = relu(modulate(self.stem(F.pixel_unshuffle(gbuffers, 2)), 1 + scale, shift))
        maps = []
        for step in self.steps:
            x = step(x)
            maps.append(x)
        return maps


class ImageStream(nn.Module):
    """From the finest scale down to the coarsest and up again, with skips; every block is conditioned."""

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
        # Zero: an untrained network returns its input.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, image: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """(B, 3, H, W) -> the residual of its logits."""
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
    """(B, C, H, W) blurred by (1, 2, 1) / 4 both ways, mirrored at the border.

    The four pixels that a place at half the resolution becomes are four channels, which learn on their own: where they
    drift apart, a weave of two pixels' period lies over the picture. This filter is 0 at just that period. What fine
    detail it takes, the convolutions after it find in the picture itself.
    """
    rows = F.pad(x, (0, 0, 1, 1), mode="reflect")
    x = (rows[:, :, :-2] + rows[:, :, 2:]) / 4 + x / 2
    columns = F.pad(x, (1, 1, 0, 0), mode="reflect")
    return (columns[..., :-2] + columns[..., 2:]) / 4 + x / 2


def run(blocks: nn.Module, x: Tensor, g: Tensor) -> Tensor:
    """Blocks one after the other."""
    for block in blocks.children():
        x = block(x, g)
    return x


class Lite(Generator):
    """Frame and G-buffers -> a frame of the same content that looks like a photograph; called as `Enhancer` is."""

    kind, spec_type, presets = "lite", LiteSpec, PRESETS
    checkpointed = (Residual,)
    # Nothing is normalised: tiles are as good as whole frames where they overlap by what is seen around a pixel.
    tile, overlap = 1024, 128
    exports_to_onnx = True
    spec: LiteSpec

    def __init__(self, spec: LiteSpec) -> None:
        super().__init__(spec)
        self.encoder = GTower(spec)
        self.image = ImageStream(spec)

    def encode(self, gbuffers: Tensor, classes: Tensor) -> list[Tensor]:
        """What `enhance` needs of the G-buffers: the same for every picture of a scene that stands still.

        Args:
            gbuffers: (B, G, H, W), normalised per channel.
            classes: ids (B, H, W) or soft masks (B, K, H, W).
        """
        masks = soft_masks(classes, self.spec.classes).to(gbuffers.dtype)
        return self.encoder(padded(gbuffers, self.spec.multiple_of), padded(masks, self.spec.multiple_of))

    def enhance(self, image: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """(B, 3, H, W), sRGB in [0, 1], and the result of `encode` -> (B, 3, H, W), sRGB in (0, 1)."""
        residual = self.image(padded(image, self.spec.multiple_of), maps)[..., : image.shape[-2], : image.shape[-1]]
        return add_logit_residual(image, residual)

    def forward(self, image: Tensor, gbuffers: Tensor, classes: Tensor, crop_box: Tensor | None = None) -> Tensor:
        """Enhance; arguments as of `encode` and `enhance`. `crop_box` is not read.

        Raises:
            ValueError: another number of G-buffer channels, or sizes that differ.
        """
        check_inputs(image, gbuffers, self.spec.channels)
        return self.enhance(image, self.encode(gbuffers, classes))
