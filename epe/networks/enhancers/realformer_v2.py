"""RealFormer 2 (Denny 2024) with exactly the published number of parameters, but without the published defects.

Depthwise separable convolutions (Howard et al., "MobileNets", 2017) reduce the image to a quarter of the resolution
and enlarge it again, with linear attention in between. It reads no G-buffers.

docs/realformer.md lists the defects of the published code that are not reproduced. With `legacy="published"` they are:
the network computes exactly what the published code does, for the published weights (epe/released/realformer.py).

Shapes: B images, S = 4 * base, the number of features at a quarter of the resolution and the length of a style vector.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.generator import GeneratorSpec, StreamChannels, StyledGenerator
from epe.layers.attention import LinearAttention
from epe.layers.convolutions import ReplicateConv2d
from epe.layers.group_norm import InstanceNorm
from epe.layers.logit_residual import add_logit_residual, padded
from epe.layers.spec import check_heads, check_limits

LIMITS = {"base": (4, 1024), "blocks": (0, 64), "heads": (1, 64)}
# Features per head in the published code, whatever the width.
HEAD = 64


@dataclass(frozen=True)
class RealFormerV2Spec(GeneratorSpec):
    """The sizes of a `RealFormerV2`; the defaults are those of v2_1.

    Attributes:
        base: features at full resolution; twice and four times as many at a half and a quarter of it.
        blocks: number of blocks, each with attention and convolutions.
        heads: heads of every attention layer.
        legacy: "published": exactly the published code. Convolutions pad with zeros; attention replaces its input
            instead of being added to it; the style is encoded with instance norms and added after every block; the
            output is an image, not a residual; and if no style is given, a frame is its own style.
    """

    base: int = 64
    blocks: int = 6
    heads: int = 4
    legacy: Literal[False, "published"] = False

    def __post_init__(self) -> None:
        check_limits(self, LIMITS)
        if self.legacy is not False and self.legacy != "published":
            raise ValueError(f"legacy must be false or 'published', got {self.legacy!r:.40}.")
        if not self.published:
            check_heads(self.style, self.heads)

    @property
    def published(self) -> bool:
        """Whether the network computes exactly what the published code does."""
        return self.legacy == "published"

    @property
    def multiple_of(self) -> int:
        """Heights and widths that are multiples of this need no padding."""
        return 4

    @property
    def style(self) -> int:
        """The length S of a style vector."""
        return 4 * self.base

    @classmethod
    def for_data(cls, channels: int, stream_channels: StreamChannels, sizes: Mapping[str, Any]) -> Self:
        return cls(**sizes)


PRESETS: dict[str, dict[str, Any]] = {"realformer-v2_1": {}, "realformer-v2-tiny": {"base": 8, "blocks": 2}}
"""Sizes by name."""


class Separable(nn.Sequential):
    """A depthwise separable convolution: one per channel, then a 1x1 convolution across channels.

    It repeats borders, or pads with `zeros`, as the published code does.
    """

    def __init__(self, inputs: int, outputs: int, side: int = 3, stride: int = 1, *, zeros: bool) -> None:
        depthwise = (
            nn.Conv2d(inputs, inputs, side, stride, side // 2, groups=inputs)
            if zeros
            else ReplicateConv2d(inputs, inputs, side, stride, groups=inputs)
        )
        super().__init__(depthwise, nn.Conv2d(inputs, outputs, 1))


def normalised(layer: nn.Module, width: int) -> nn.Sequential:
    """Return a layer followed by instance normalisation and ReLU."""
    return nn.Sequential(layer, InstanceNorm(width), nn.ReLU())


def enlarged(inputs: int, outputs: int) -> nn.Sequential:
    """Return a transposed convolution that doubles the resolution, followed by normalisation and ReLU."""
    return normalised(nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, output_padding=1), outputs)


class PublishedAttention(nn.Module):
    """Linear attention as published: heads of `HEAD` features, queries that are only scaled."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.projections = nn.Conv2d(width, 3 * HEAD * heads, 1, bias=False)
        self.out = nn.Conv2d(HEAD * heads, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the attention to features (B, S, h, w)."""
        q, k, v = self.projections(x).flatten(2).unflatten(1, (3, self.heads, HEAD)).unbind(1)
        context = k.softmax(dim=-1) @ v.mT
        return self.out((context.mT @ (q * HEAD**-0.5)).flatten(1, 2).unflatten(2, x.shape[-2:]))


class LinearAttentionBlock(nn.Module):
    """A block of linear attention over the whole frame, then convolutions."""

    def __init__(self, spec: RealFormerV2Spec) -> None:
        super().__init__()
        width, zeros = spec.style, spec.published
        self.published = spec.published
        self.attention = (
            PublishedAttention(width, spec.heads)
            if spec.published
            else LinearAttention(width, spec.heads, "positions", bias=False)
        )
        self.first = normalised(Separable(width, width, zeros=zeros), width)
        self.second = nn.Sequential(Separable(width, width, zeros=zeros), InstanceNorm(width))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to features (B, S, h, w)."""
        tokens, size = x.flatten(2).mT, x.shape[-2:]
        x = self.attention(x) if self.published else x + self.attention(tokens).mT.unflatten(2, size)
        return F.relu(x + self.second(self.first(x)))


class StyleEncoderV2(nn.Module):
    """Encodes a photograph of any size as a style: means of features, unnormalised to keep tone and contrast.

    As published, the first two layers are normalised, and no ReLU follows the third.
    """

    def __init__(self, spec: RealFormerV2Spec) -> None:
        super().__init__()
        self.published = spec.published
        widths = (3, spec.base, 2 * spec.base, 4 * spec.base)
        self.layers = nn.ModuleList(Separable(a, b, stride=2, zeros=spec.published) for a, b in pairwise(widths))
        self.out = nn.Linear(spec.style, spec.style)

    def forward(self, photo: Tensor) -> Tensor:
        """Encode photographs (B, 3, h, w), sRGB in [0, 1], as styles (B, S)."""
        x = 2 * photo - 1
        for layer in self.layers[:-1]:
            x = layer(x)
            x = F.relu(InstanceNorm(x.shape[1])(x) if self.published else x)
        x = self.layers[-1](x)
        return self.out((x if self.published else F.relu(x)).mean(dim=(2, 3)))


class RealFormerV2(StyledGenerator):
    """Turns a frame and a style into a frame of the same content that looks like a photograph."""

    kind, spec_type, presets = "realformer-v2", RealFormerV2Spec, PRESETS
    checkpointed = (LinearAttentionBlock,)
    # Attention and normalisations use the whole frame, so tiles differ slightly in tone.
    tile, overlap = 1280, 128
    uses_whole_frame = True
    spec: RealFormerV2Spec

    def __init__(self, spec: RealFormerV2Spec) -> None:
        super().__init__(spec, spec.style)
        base, zeros = spec.base, spec.published
        self.encoder = nn.Sequential(
            normalised(Separable(3, base, 7, zeros=zeros), base),
            normalised(Separable(base, 2 * base, stride=2, zeros=zeros), 2 * base),
            normalised(Separable(2 * base, 4 * base, stride=2, zeros=zeros), 4 * base),
        )
        self.blocks = nn.Sequential(*(LinearAttentionBlock(spec) for _ in range(spec.blocks)))
        out = Separable(base, 3, 7, zeros=zeros)
        if not spec.published:
            # Zeros, so that an untrained network returns its input.
            for value in out[-1].parameters():
                nn.init.zeros_(value)
        self.decoder = nn.Sequential(enlarged(4 * base, 2 * base), enlarged(2 * base, base), out)
        self.style = StyleEncoderV2(spec)

    @property
    def styled_by_frame(self) -> bool:
        return self.spec.published

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
            image: (B, 3, H, W), sRGB in [0, 1].
            gbuffers, classes, crop_box: ignored; part of the contract of all generators.
            style: (B, S), from `encode_style`; None: the kept style.

        Returns:
            (B, 3, H, W), sRGB in (0, 1).
        """
        x = self.encoder(2 * padded(image, self.spec.multiple_of) - 1)
        added = self.style_or_kept(style, image)[..., None, None]
        if self.spec.published:
            for block in self.blocks:
                x = block(x) + added
        else:
            # Added before the blocks, where it shifts the inputs of ReLUs; after them, the decoder's norm cancels it.
            x = self.blocks(x + added)
        made = self.decoder(x)[..., : image.shape[-2], : image.shape[-1]]
        return (1 + torch.tanh(made).to(image.dtype)) / 2 if self.spec.published else add_logit_residual(image, made)
