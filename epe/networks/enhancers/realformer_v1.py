"""RealFormer 1 (Denny 2024) with the published numbers of parameters (v1_2: nearly), but without the published defects.

It is a Vision Transformer with an encoder and a decoder, whose tokens are conditioned on a style by AdaIN, followed by
window blocks (Liu et al., "Swin Transformer", 2021). It reads no G-buffers. The residual has only three numbers per
patch, enlarged bilinearly: the published number of parameters does not allow more. Our own `realformer` does
(epe/networks/enhancers/realformer.py).

docs/realformer.md lists the defects of the published code that are not reproduced, and those that `legacy` reproduces.
With `legacy="published"`, the network computes exactly what the published code does, for the published weights
(epe/released/realformer.py).

Shapes: B images, p side of a patch, h w sides of the map of tokens (H / p, W / p), N = h * w tokens, C features, S
length of a style vector: C, or 0 if no block reads one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.generator import GeneratorSpec, StreamChannels, StyledGenerator
from epe.layers.adain import AdaIN
from epe.layers.attention import Attention, LocationAttention
from epe.layers.convolutions import conv3
from epe.layers.logit_residual import add_logit_residual, padded
from epe.layers.positions import Positions
from epe.layers.spec import check_heads, check_limits
from epe.layers.windows import WindowAttention, merged, partitioned
from epe.networks.enhancers.realformer import FeedForward

LIMITS = {
    "patch": (2, 32), "width": (8, 4096), "heads": (1, 64), "encoders": (0, 64), "decoders": (0, 64),
    "windows": (0, 64), "hidden": (8, 16384), "window": (2, 64), "grid": (1, 256),
}  # fmt: skip
CHOICES = ("location", "mlp", "encoder_style", "decoder_style")
# How far the published code rolls windows: along their tokens, and along features.
ROLL = 2


@dataclass(frozen=True)
class RealFormerV1Spec(GeneratorSpec):
    """The sizes of a `RealFormerV1`; the defaults are those of v1_1.

    Attributes:
        patch: p.
        width: C.
        heads: heads of every attention layer.
        encoders, decoders, windows: number of blocks of each kind; at most as many decoders as encoders.
        hidden: features inside the feed-forward layers, except those of window blocks, which have 4 C.
        window: side of a window in tokens; every other window block is shifted by half of it.
        grid: side of the grid of learnt position embeddings.
        location: whether encoder and decoder use `LocationAttention`.
        mlp: whether tokens pass through a feed-forward layer before they become pixels.
        encoder_style, decoder_style: whether these blocks have AdaIN.
        legacy: True: follow the published code. AdaIN acts on the output of a block instead of its input; decoders use
            their own input as memory, and the tokens of encoder blocks from before the feed-forward layer; the output
            is an image after a ReLU instead of a residual, and its convolution pads with zeros. "published": follow it
            exactly. In addition, every window block rolls the tokens of each window, and their features, by `ROLL` and
            never back; the output is an image in [-1, 1], here converted to [0, 1]; and if no style is given, a frame
            is its own style.
    """

    patch: int = 16
    width: int = 768
    heads: int = 16
    encoders: int = 8
    decoders: int = 8
    windows: int = 8
    hidden: int = 3072
    window: int = 8
    grid: int = 32
    location: bool = True
    mlp: bool = True
    encoder_style: bool = True
    decoder_style: bool = True
    legacy: bool | Literal["published"] = False

    def __post_init__(self) -> None:
        check_limits(self, LIMITS)
        for name in CHOICES:
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be true or false, got {getattr(self, name)!r:.40}.")
        if not isinstance(self.legacy, bool) and self.legacy != "published":
            raise ValueError(f"legacy must be true, false or 'published', got {self.legacy!r:.40}.")
        check_heads(self.width, self.heads)
        if self.decoders > self.encoders:
            raise ValueError(f"decoders must be at most encoders ({self.encoders}), got {self.decoders}.")

    @property
    def multiple_of(self) -> int:
        """Heights and widths that are multiples of this need no padding. The published code needs whole windows."""
        return self.patch * self.window if self.published and self.windows else self.patch

    @property
    def published(self) -> bool:
        """Whether the network computes exactly what the published code does."""
        return self.legacy == "published"

    @property
    def style(self) -> int:
        """The length S of a style vector."""
        return self.width if self.encoder_style or self.decoder_style else 0

    @classmethod
    def for_data(cls, channels: int, stream_channels: StreamChannels, sizes: Mapping[str, Any]) -> Self:
        return cls(**sizes)


PRESETS: dict[str, dict[str, Any]] = {
    "realformer-v1_1": {},
    # The closest architecture that we found: 690 bytes less than the published file's 802,116,592. The true one is
    # unknown.
    "realformer-v1_2": {"location": False, "mlp": False, "decoder_style": False},
    "realformer-v1_3": {
        "patch": 8, "heads": 12, "encoders": 0, "decoders": 0, "windows": 12, "grid": 64, "location": False,
        "encoder_style": False, "decoder_style": False,
    },
    "realformer-v1-tiny": {
        "patch": 8, "width": 64, "heads": 4, "encoders": 2, "decoders": 2, "windows": 2, "hidden": 128, "window": 4,
        "grid": 8,
    },
}  # fmt: skip
"""Sizes by name."""


class Unstyled(nn.Module):
    """Replaces AdaIN in versions that have none: returns its input."""

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        return x


def make_adain(width: int, present: bool) -> nn.Module:
    """Return an AdaIN for tokens of `width` features and styles of that length, or its replacement if not `present`."""
    return AdaIN(width, width) if present else Unstyled()


def attention(spec: RealFormerV1Spec) -> Attention:
    """Build an attention layer of encoder or decoder."""
    return (LocationAttention if spec.location else Attention)(spec.width, spec.heads)


TokenFunction = Callable[[Tensor], Tensor]


def add_part(x: Tensor, part: TokenFunction, norm: nn.Module, adain: TokenFunction, legacy: bool) -> Tensor:
    """Add a residual part of a block to tokens (B, N, C).

    `adain` comes before the part and the norm after it (as in Liu et al., "Swin Transformer V2", 2022), so the skip
    connection is never scaled. In the published code (`legacy`), AdaIN comes after the norm and cancels the scale and
    shift that the norm has learnt.
    """
    return adain(norm(x + part(x))) if legacy else x + norm(part(adain(x)))


class EncoderBlock(nn.Module):
    """Encoder block: attention among all tokens, then a feed-forward layer; both share one AdaIN."""

    def __init__(self, spec: RealFormerV1Spec) -> None:
        super().__init__()
        self.legacy = bool(spec.legacy)
        self.attention = attention(spec)
        self.feed = FeedForward(spec.width, spec.hidden, nn.ReLU)
        self.norm1, self.norm2 = (nn.LayerNorm(spec.width) for _ in range(2))
        self.adain = make_adain(spec.width, spec.encoder_style)

    def forward(self, x: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Return the block's tokens and those for a decoder block, both (B, N, C), from (B, N, C) and styles (B, S)."""
        adain = partial(self.adain, style=style)
        seen = add_part(x, self.attention, self.norm1, adain, self.legacy)
        x = add_part(seen, self.feed, self.norm2, adain, self.legacy)
        return x, seen if self.legacy else x


class DecoderBlock(nn.Module):
    """Decoder block: attention among all tokens and to the encoder's result, with a skip from an encoder block."""

    def __init__(self, spec: RealFormerV1Spec) -> None:
        super().__init__()
        self.legacy = bool(spec.legacy)
        self.attention, self.cross = (attention(spec) for _ in range(2))
        self.feed = FeedForward(spec.width, spec.hidden, nn.ReLU)
        self.norm1, self.norm2, self.norm3, self.norm4 = (nn.LayerNorm(spec.width) for _ in range(4))
        self.adain1, self.adain2 = (make_adain(spec.width, spec.decoder_style) for _ in range(2))

    def forward(self, x: Tensor, skip: Tensor, memory: Tensor, style: Tensor) -> Tensor:
        """Apply the block to tokens (B, N, C).

        Args:
            x: the tokens.
            skip: (B, N, C), tokens of an encoder block.
            memory: (B, M, C), the encoder's result.
            style: (B, S).
        """
        cross = partial(self.cross, memory=x if self.legacy else memory)
        x = add_part(x, self.attention, self.norm1, partial(self.adain1, style=style), self.legacy)
        x = add_part(x, cross, self.norm2, partial(self.adain2, style=style), self.legacy)
        return add_part(x, self.feed, self.norm3, nn.Identity(), self.legacy) + self.norm4(skip)


class WindowBlock(nn.Module):
    """Window block: attention within windows, without a position bias, then a feed-forward layer."""

    def __init__(self, spec: RealFormerV1Spec, shift: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(spec.width) for _ in range(2))
        self.rolls = spec.published
        self.attention = WindowAttention(spec.width, spec.heads, spec.window, 0 if self.rolls else shift, located=False)
        self.feed = FeedForward(spec.width, 4 * spec.width)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to tokens (B, h, w, C)."""
        if self.rolls:
            windows = partitioned(x, self.attention.side).roll((-ROLL, -ROLL), dims=(2, 3))
            x = merged(windows, self.attention.side, x.shape[1])
        x = x + self.attention(self.norm1(x))
        return x + self.feed(self.norm2(x))


class Refinement(nn.Module):
    """The output layer: three numbers per token, batch-normalised and enlarged to the size of the image."""

    def __init__(self, spec: RealFormerV1Spec) -> None:
        super().__init__()
        self.patch, self.legacy = spec.patch, bool(spec.legacy)
        self.conv = nn.Conv2d(spec.width, 3, 3, padding=1) if spec.legacy else conv3(spec.width, 3, bias=True)
        self.norm = nn.BatchNorm2d(3)
        if not spec.legacy:
            # Zeros, so that an untrained network returns its input.
            nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 3, H, W) for tokens (B, h, w, C)."""
        # If its weights are frozen (train/loop/fine_tuning.py), its running statistics must be frozen as well.
        self.norm.train(self.training and self.norm.weight.requires_grad)
        x = self.norm(self.conv(x.movedim(-1, 1)))
        return F.interpolate(F.relu(x) if self.legacy else x, scale_factor=self.patch, mode="bilinear")


class StyleEncoderV1(nn.Module):
    """Encodes a photograph of any size as a style: the means of one convolution's features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, 2, 1)
        self.out = nn.Linear(width, width)

    def forward(self, photo: Tensor) -> Tensor:
        """Encode photographs (B, 3, h, w), sRGB in [0, 1], as styles (B, C)."""
        return self.out(F.relu(self.conv(2 * photo - 1)).mean(dim=(2, 3)))


class RealFormerV1(StyledGenerator):
    """Turns a frame and a style into a frame of the same content that looks like a photograph.

    In training mode the images of a batch are normalised together, and a batch must have at least two tokens.
    """

    kind, spec_type, presets = "realformer-v1", RealFormerV1Spec, PRESETS
    checkpointed = (EncoderBlock, DecoderBlock, WindowBlock)
    # Encoder, decoder and AdaIN use the whole frame, so tiles differ slightly in tone.
    tile, overlap = 1280, 128
    uses_whole_frame = True
    spec: RealFormerV1Spec

    def __init__(self, spec: RealFormerV1Spec) -> None:
        super().__init__(spec, spec.style)
        self.embed = nn.Conv2d(3, spec.width, spec.patch, spec.patch)
        self.positions = Positions(spec.width, spec.grid)
        self.encoder = nn.ModuleList(EncoderBlock(spec) for _ in range(spec.encoders))
        self.decoder = nn.ModuleList(DecoderBlock(spec) for _ in range(spec.decoders))
        self.windows = nn.ModuleList(WindowBlock(spec, i % 2 * (spec.window // 2)) for i in range(spec.windows))
        self.norm = nn.LayerNorm(spec.width)
        self.mlp = FeedForward(spec.width, spec.hidden) if spec.mlp else nn.Identity()
        self.refinement = Refinement(spec)
        self.style = StyleEncoderV1(spec.width) if spec.style else None
        if spec.legacy:
            start_as_published(self)

    @property
    def styled_by_frame(self) -> bool:
        return self.spec.published and self.style is not None

    def encode_style(self, photo: Tensor) -> Tensor:
        return photo.new_zeros(len(photo), 0) if self.style is None else self.style(photo)

    def encode_decode(self, x: Tensor, style: Tensor) -> Tensor:
        """Run encoder and decoder on tokens (B, N, C), with styles (B, S)."""
        halfway = []
        for block in self.encoder:
            x, seen = block(x, style)
            halfway.append(seen)
        memory = x
        for block, skip in zip(self.decoder, reversed(halfway), strict=False):
            x = block(x, skip, memory, style)
        return x

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
            gbuffers, classes: ignored; part of the contract of all generators.
            crop_box: (B, 4), boxes of crops in their frames (epe/layers/positions.py); None: whole frames.
            style: (B, S), from `encode_style`; None: the kept style.

        Returns:
            (B, 3, H, W), sRGB in (0, 1); results of a `legacy` network have no upper bound, and a lower bound of 0, or
            of 0.5 if it is `published`.
        """
        patches = self.embed(2 * padded(image, self.spec.multiple_of) - 1)
        size = patches.shape[-2:]
        x = (patches + self.positions(*size, crop_box)).flatten(2).mT
        x = self.encode_decode(x, self.style_or_kept(style, image)).unflatten(1, size)
        for block in self.windows:
            x = block(x)
        made = self.refinement(self.mlp(self.norm(x)))[..., : image.shape[-2], : image.shape[-1]]
        if self.spec.published:
            made = (made + 1) / 2
        return made.to(image.dtype) if self.spec.legacy else add_logit_residual(image, made)


@torch.no_grad()
def start_as_published(network: nn.Module) -> None:
    """Initialise every AdaIN as published: torch's default weights, and a scale without the added 1."""
    for module in network.modules():
        if isinstance(module, AdaIN):
            module.fc.reset_parameters()
            module.fc.bias.unflatten(0, (2, -1))[0].sub_(1)
