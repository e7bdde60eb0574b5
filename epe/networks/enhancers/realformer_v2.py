"""RealFormer 2 (Denny 2024) with exactly the published number of parameters, but without the published defects.

Depthwise separable convolutions (Howard et al., "MobileNets", 2017) reduce the image to a quarter of the resolution
and enlarge it again, with linear attention in between. It reads no G-buffers.

docs/realformer.md lists the defects of the published code that are not reproduced.

Shapes: B images, S = 4 * base, the features at a quarter of the resolution and the length of a style vector.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import torch.nn.functional as F
from torch import Tensor, nn

from epe.generator import GeneratorSpec, Streams, StyledGenerator
from epe.layers.attention import LinearAttention
from epe.layers.convolutions import ReplicateConv2d
from epe.layers.logit_residual import add_logit_residual, padded
from epe.layers.spec import check_heads, check_limits

LIMITS = {"base": (4, 1024), "blocks": (0, 64), "heads": (1, 64)}


@dataclass(frozen=True)
class RealFormerV2Spec(GeneratorSpec):
    """The sizes of a `RealFormerV2`; the defaults are those of v2_1.

    Attributes:
        base: features at full resolution; twice and four times as many at a half and a quarter of it.
        blocks: number of blocks of attention and convolutions.
        heads: heads of every attention layer.
    """

    base: int = 64
    blocks: int = 6
    heads: int = 4

    def __post_init__(self) -> None:
        check_limits(self, LIMITS)
        check_heads(self.style, self.heads)

    @property
    def multiple_of(self) -> int:
        """Heights and widths that are multiples of this need no padding."""
        return 4

    @property
    def style(self) -> int:
        """The length S of a style vector."""
        return 4 * self.base

    @classmethod
    def for_data(cls, channels: int, streams: Streams, sizes: Mapping[str, Any]) -> Self:
        return cls(**sizes)


PRESETS: dict[str, dict[str, int]] = {"realformer-v2_1": {}, "realformer-v2-tiny": {"base": 8, "blocks": 2}}
"""Sizes by name."""


class Separable(nn.Sequential):
    """A depthwise separable convolution: one per channel, then a 1x1 convolution across channels."""

    def __init__(self, inputs: int, outputs: int, side: int = 3, stride: int = 1) -> None:
        super().__init__(
            ReplicateConv2d(inputs, inputs, side, stride, groups=inputs),
            nn.Conv2d(inputs, outputs, 1),
        )


def normalised(layer: nn.Module, width: int) -> nn.Sequential:
    """Return a layer followed by instance normalisation and ReLU."""
    return nn.Sequential(layer, nn.InstanceNorm2d(width), nn.ReLU())


def enlarged(inputs: int, outputs: int) -> nn.Sequential:
    """Return a transposed convolution that doubles the resolution, followed by normalisation and ReLU."""
    return normalised(nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, output_padding=1), outputs)


class LinearAttentionBlock(nn.Module):
    """A block of linear attention over the whole frame, then convolutions."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = LinearAttention(width, heads, "positions", bias=False)
        self.first = normalised(Separable(width, width), width)
        self.second = nn.Sequential(Separable(width, width), nn.InstanceNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to features (B, S, h, w)."""
        x = x + self.attention(x.flatten(2).mT).mT.unflatten(2, x.shape[-2:])
        return F.relu(x + self.second(self.first(x)))


class Pooled(nn.Module):
    """Encodes a photograph of any size as a style: means of features, unnormalised to keep tone and contrast."""

    def __init__(self, base: int) -> None:
        super().__init__()
        widths = (3, base, 2 * base, 4 * base)
        self.layers = nn.ModuleList(Separable(a, b, stride=2) for a, b in pairwise(widths))
        self.out = nn.Linear(4 * base, 4 * base)

    def forward(self, photo: Tensor) -> Tensor:
        """Encode photographs (B, 3, h, w), sRGB in [0, 1], as styles (B, S)."""
        x = 2 * photo - 1
        for layer in self.layers:
            x = F.relu(layer(x))
        return self.out(x.mean(dim=(2, 3)))


class RealFormerV2(StyledGenerator):
    """Turns a frame and a style into a frame of the same content that looks like a photograph."""

    kind, spec_type, presets = "realformer-v2", RealFormerV2Spec, PRESETS
    checkpointed = (LinearAttentionBlock,)
    # Attention and normalisations use the whole frame, so tiles differ slightly in tone.
    tile, overlap = 1280, 128
    spec: RealFormerV2Spec

    def __init__(self, spec: RealFormerV2Spec) -> None:
        super().__init__(spec, spec.style)
        base = spec.base
        self.encoder = nn.Sequential(
            normalised(Separable(3, base, 7), base),
            normalised(Separable(base, 2 * base, stride=2), 2 * base),
            normalised(Separable(2 * base, 4 * base, stride=2), 4 * base),
        )
        self.blocks = nn.Sequential(*(LinearAttentionBlock(4 * base, spec.heads) for _ in range(spec.blocks)))
        out = Separable(base, 3, 7)
        # Zeros, so that an untrained network returns its input.
        for value in out[-1].parameters():
            nn.init.zeros_(value)
        self.decoder = nn.Sequential(enlarged(4 * base, 2 * base), enlarged(2 * base, base), out)
        self.style = Pooled(base)

    def encode_style(self, photo: Tensor) -> Tensor:
        return self.style(photo)

    def forward(
        self,
        image: Tensor,
        gbuffers: Tensor,
        classes: Tensor,
        crop_box: Tensor | None = None,
        style: Tensor | None = None,
    ) -> Tensor:
        """Enhance frames.

        Args:
            image: (B, 3, H, W), sRGB in [0, 1], of more than 4x4 pixels.
            gbuffers, classes, crop_box: ignored; part of the contract of all generators.
            style: (B, S), from `encode_style`; None: the kept style.

        Returns:
            (B, 3, H, W), sRGB in (0, 1).
        """
        x = self.encoder(2 * padded(image, self.spec.multiple_of) - 1)
        # Added before the blocks, where it shifts the inputs of ReLUs; after them the decoder's norm would cancel it.
        x = self.blocks(x + self.style_or_kept(style, len(image))[..., None, None])
        return add_logit_residual(image, self.decoder(x)[..., : image.shape[-2], : image.shape[-1]])
