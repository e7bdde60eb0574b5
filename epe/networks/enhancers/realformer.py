"""`realformer`: an attention-based enhancer after RealFormer (Denny 2024), without the published defects.

The frame and its G-buffers are joined when patches become tokens, and the G-buffers scale and shift the features of
every block, as RAD does (Richter et al. 2021, sec. 3.2). A reference photograph acts through AdaIN. Encoder and decoder
attend to the whole frame, in time linear in its tokens; window blocks attend to a token's surroundings, and every other
one has shifted windows. The head turns tokens back into pixels, doubling the resolution step by step and reading the
frame at each step.

docs/realformer.md explains which parts follow the published network, which do not, and why. The published sizes are
in epe/networks/enhancers/realformer_v1.py and realformer_v2.py.

Shapes: B images, G G-buffer channels, K classes, p side of a patch, h w sides of the map of tokens (H / p, W / p),
N = h * w tokens, C features, E features of the G-buffers, S length of a style vector.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.distributed.sequence_parallel import ALONE, SequenceParallel
from epe.generator import FrameCrops, GeneratorSpec, StreamChannels, StyledGenerator
from epe.layers.adain import AdaIN, StyleEncoder
from epe.layers.attention import LinearAttention
from epe.layers.classes import soft_masks
from epe.layers.convolutions import conv3
from epe.layers.inplace import modulate, relu
from epe.layers.logit_residual import add_logit_residual, check_inputs, padded
from epe.layers.positions import Positions
from epe.layers.spec import check_heads, check_limits
from epe.layers.windows import WindowAttention
from epe.networks.enhancers.lite import Residual, smooth

LIMITS = {
    "channels": (1, 1024), "classes": (1, 256), "patch": (2, 32), "width": (8, 4096), "heads": (1, 64),
    "encoders": (1, 64), "decoders": (0, 64), "windows": (0, 64), "hidden": (8, 16384), "window": (2, 64),
    "encoded": (8, 1024), "style": (8, 4096), "grid": (1, 256), "finest": (4, 64),
}  # fmt: skip


@dataclass(frozen=True)
class RealFormerSpec(GeneratorSpec):
    """The sizes of a `RealFormer`; the defaults of width, heads, hidden and blocks are the model card's.

    Attributes:
        channels: G.
        classes: K.
        patch: p, a power of 2.
        width: C.
        heads: heads of every attention layer.
        encoders, decoders, windows: number of blocks of each kind.
        hidden: features inside the feed-forward layers.
        window: side of a window in tokens; every other window block is shifted by half of it.
        encoded: E.
        style: S.
        grid: side of the grid of learnt position embeddings.
        finest: features of the head at full resolution; twice as many at half of it, and so on.
    """

    channels: int
    classes: int
    patch: int = 8
    width: int = 768
    heads: int = 16
    encoders: int = 8
    decoders: int = 8
    windows: int = 8
    hidden: int = 3072
    window: int = 8
    encoded: int = 128
    style: int = 768
    grid: int = 64
    finest: int = 16

    def __post_init__(self) -> None:
        check_limits(self, LIMITS)
        if self.patch & (self.patch - 1):
            raise ValueError(f"patch must be a power of 2, got {self.patch}.")
        check_heads(self.width, self.heads)

    @property
    def multiple_of(self) -> int:
        """Heights and widths that are multiples of this need no padding."""
        return self.patch

    @property
    def stages(self) -> list[int]:
        """Scale of each stage of the head: frame pixels per feature pixel, along a side; the last is 1."""
        return [self.patch >> i for i in range(1, int(math.log2(self.patch)) + 1)]

    @classmethod
    def for_data(cls, channels: int, stream_channels: StreamChannels, sizes: Mapping[str, Any]) -> Self:
        return cls(channels, len(stream_channels), **sizes)


PRESETS: dict[str, dict[str, int]] = {
    "realformer": {},
    "realformer-small": {
        "patch": 4, "width": 160, "heads": 5, "encoders": 2, "decoders": 2, "windows": 4, "hidden": 480, "encoded": 48,
        "style": 64, "grid": 32,
    },
    "realformer-tiny": {
        "patch": 4, "width": 16, "heads": 2, "encoders": 1, "decoders": 1, "windows": 2, "hidden": 32, "window": 4,
        "encoded": 8, "style": 8, "grid": 8, "finest": 4,
    },
}  # fmt: skip
"""Sizes by name; channels and classes depend on the data."""


class Known(NamedTuple):
    """The encoded G-buffers of a scene.

    Attributes:
        embedded: (B, C, h, w), the G-buffers' contribution to the tokens.
        features: (B, E, h, w), from which the blocks compute scale and shift.
        joined: the G-buffers' contribution to the features of each stage of the head.
    """

    embedded: Tensor
    features: Tensor
    joined: list[Tensor]


class TokenRAD(nn.Module):
    """RAD for tokens: layer normalisation, then scale and shift computed from the G-buffer features of each token.

    The enhancer normalises groups of channels over the frame; here each token is normalised on its own.
    """

    def __init__(self, width: int, encoded: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.terms = nn.Linear(encoded, 2 * width)
        nn.init.zeros_(self.terms.weight)
        nn.init.zeros_(self.terms.bias)

    def forward(self, x: Tensor, g: Tensor) -> Tensor:
        """Condition tokens (..., C) on G-buffer features (..., E)."""
        scale, shift = self.terms(g).chunk(2, dim=-1)
        return modulate(self.norm(x), 1 + scale, shift)


class FeedForward(nn.Sequential):
    """The feed-forward layer of a transformer block: a two-layer MLP on each token."""

    def __init__(self, width: int, hidden: int, activation: type[nn.Module] = nn.GELU) -> None:
        super().__init__(nn.Linear(width, hidden), activation(), nn.Linear(hidden, width))


class EncoderBlock(nn.Module):
    """Encoder block: linear attention among all tokens, then a feed-forward layer."""

    def __init__(self, spec: RealFormerSpec) -> None:
        super().__init__()
        self.adain = AdaIN(spec.width, spec.style)
        self.attention = LinearAttention(spec.width, spec.heads)
        self.rad = TokenRAD(spec.width, spec.encoded)
        self.feed = FeedForward(spec.width, spec.hidden)

    def forward(self, x: Tensor, g: Tensor, style: Tensor, sequence: SequenceParallel = ALONE) -> Tensor:
        """Apply the block to tokens (B, N, C).

        Args:
            x: the tokens.
            g: (B, N, E), G-buffer features.
            style: (B, S).
            sequence: processes that hold the other tokens.
        """
        x = x + self.attention(self.adain(x, style, sequence), sequence=sequence)
        return x + self.feed(self.rad(x, g))


class DecoderBlock(nn.Module):
    """Decoder block: attention among all tokens and to the encoder's result, with a skip from an encoder block."""

    def __init__(self, spec: RealFormerSpec) -> None:
        super().__init__()
        self.adain1, self.adain2 = (AdaIN(spec.width, spec.style) for _ in range(2))
        self.attention, self.cross = (LinearAttention(spec.width, spec.heads) for _ in range(2))
        self.skip = nn.LayerNorm(spec.width)
        self.rad = TokenRAD(spec.width, spec.encoded)
        self.feed = FeedForward(spec.width, spec.hidden)

    def forward(
        self, x: Tensor, skip: Tensor, memory: Tensor, g: Tensor, style: Tensor, sequence: SequenceParallel = ALONE
    ) -> Tensor:
        """Apply the block to tokens (B, N, C).

        Args:
            x: the tokens.
            skip: (B, N, C), tokens of an encoder block.
            memory: (B, N, C), the encoder's result.
            g: (B, N, E), G-buffer features.
            style: (B, S).
            sequence: processes that hold the other tokens.
        """
        x = x + self.attention(self.adain1(x, style, sequence), sequence=sequence)
        x = x + self.cross(self.adain2(x, style, sequence), memory, sequence=sequence)
        return x + self.feed(self.rad(x, g) + self.skip(skip))


class WindowBlock(nn.Module):
    """Window block: attention within windows (Liu et al., "Swin Transformer", 2021), then a feed-forward layer."""

    def __init__(self, spec: RealFormerSpec, shift: int) -> None:
        super().__init__()
        self.rad1, self.rad2 = (TokenRAD(spec.width, spec.encoded) for _ in range(2))
        self.attention = WindowAttention(spec.width, spec.heads, spec.window, shift)
        self.feed = FeedForward(spec.width, spec.hidden)

    def forward(self, x: Tensor, g: Tensor) -> Tensor:
        """Apply the block to tokens (B, h, w, C) with G-buffer features (B, h, w, E)."""
        x = x + self.attention(self.rad1(x, g))
        return x + self.feed(self.rad2(x, g))


class GEncoder(nn.Module):
    """Encodes G-buffers and classes for all parts of the network that read them."""

    def __init__(self, spec: RealFormerSpec) -> None:
        super().__init__()
        inputs = spec.channels * spec.patch**2 + spec.classes
        self.patch, self.stages = spec.patch, spec.stages
        self.embed = conv3(inputs, spec.width)
        self.stem = conv3(inputs, spec.encoded, bias=True)
        self.blocks = nn.Sequential(Residual(spec.encoded), Residual(spec.encoded))
        self.join = nn.ModuleList(conv3(spec.channels * stage**2, spec.finest * stage) for stage in spec.stages)

    def forward(self, gbuffers: Tensor, masks: Tensor) -> Known:
        """Encode G-buffers (B, G, H, W) and class masks (B, K, H, W)."""
        patches = torch.cat([F.pixel_unshuffle(gbuffers, self.patch), F.avg_pool2d(masks, self.patch)], dim=1)
        joined = [join(F.pixel_unshuffle(gbuffers, stage)) for join, stage in zip(self.join, self.stages, strict=True)]
        return Known(self.embed(patches), self.blocks(relu(self.stem(patches))), joined)


class Stage(nn.Module):
    """A stage of the head: doubles the resolution by pixel shuffling, without checkerboards, and reads the frame."""

    def __init__(self, inputs: int, width: int, stage: int) -> None:
        super().__init__()
        self.stage = stage
        self.expand = nn.Conv2d(inputs, 4 * width, 1)
        self.join = conv3(width + 3 * stage**2, width, bias=True)
        self.block = Residual(width)

    def forward(self, x: Tensor, image: Tensor, g: Tensor) -> Tensor:
        larger = smooth(F.pixel_shuffle(self.expand(x), 2))
        return self.block(relu(self.join(torch.cat([larger, F.pixel_unshuffle(image, self.stage)], dim=1)) + g))


class Head(nn.Module):
    """Turns tokens into the residual of the frame's logits."""

    def __init__(self, spec: RealFormerSpec) -> None:
        super().__init__()
        widths = [spec.width, *(spec.finest * stage for stage in spec.stages)]
        self.norm = nn.LayerNorm(spec.width)
        self.stages = nn.ModuleList(map(Stage, widths, widths[1:], spec.stages))
        self.out = conv3(spec.finest, 3, bias=True)
        # Zeros, so that an untrained network returns its input.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, image: Tensor, joined: list[Tensor]) -> Tensor:
        """Return the residual (B, 3, H, W) for tokens (B, h, w, C) and the frame."""
        x = self.norm(x).movedim(-1, 1)
        for stage, g in zip(self.stages, joined, strict=True):
            x = stage(x, image, g)
        return self.out(x)


class RealFormer(StyledGenerator):
    """Turns a frame, its G-buffers and a style into a frame of the same content that looks like a photograph."""

    kind, spec_type, presets = "realformer", RealFormerSpec, PRESETS
    checkpointed = (EncoderBlock, DecoderBlock, WindowBlock, Residual)
    # Encoder, decoder and AdaIN use the whole frame, so tiles differ slightly in tone.
    tile, overlap = 1280, 128
    uses_whole_frame = True
    shares_tokens = True
    spec: RealFormerSpec

    def __init__(self, spec: RealFormerSpec) -> None:
        super().__init__(spec, spec.style)
        self.encoder_of_gbuffers = GEncoder(spec)
        self.embed = conv3(3 * spec.patch**2, spec.width, bias=True)
        self.positions = Positions(spec.width, spec.grid)
        self.encoder = nn.ModuleList(EncoderBlock(spec) for _ in range(spec.encoders))
        self.memory = nn.LayerNorm(spec.width)
        self.decoder = nn.ModuleList(DecoderBlock(spec) for _ in range(spec.decoders))
        self.windows = nn.ModuleList(WindowBlock(spec, i % 2 * (spec.window // 2)) for i in range(spec.windows))
        self.head = Head(spec)
        self.style = StyleEncoder(spec.style)

    def encode_style(self, photo: Tensor) -> Tensor:
        return self.style(photo)

    def enhance_like(self, photo: Tensor, crops: FrameCrops, sequence: SequenceParallel = ALONE) -> Tensor:
        return self(*crops, self.encode_style(photo), sequence)

    def encode(self, gbuffers: Tensor, classes: Tensor) -> Known:
        """Encode the G-buffers for `enhance`; one result serves all images of a static scene.

        Args:
            gbuffers: (B, G, H, W), normalised per channel.
            classes: ids (B, H, W) or soft masks (B, K, H, W).
        """
        masks = soft_masks(classes, self.spec.classes).to(gbuffers.dtype)
        return self.encoder_of_gbuffers(padded(gbuffers, self.spec.patch), padded(masks, self.spec.patch))

    def enhance(
        self,
        image: Tensor,
        known: Known,
        crop_box: Tensor | None = None,
        style: Tensor | None = None,
        sequence: SequenceParallel = ALONE,
    ) -> Tensor:
        """Enhance frames with encoded G-buffers.

        Args:
            image: (B, 3, H, W), sRGB in [0, 1].
            known: the result of `encode`.
            crop_box: (B, 4), boxes of crops in their frames (epe/layers/positions.py); None: whole frames.
            style: (B, S), from `encode_style`; None: the kept style.
            sequence: processes that enhance the same frames, and share the work of encoder and decoder.

        Returns:
            (B, 3, H, W), sRGB in (0, 1).
        """
        whole = padded(image, self.spec.patch)
        patches = self.embed(F.pixel_unshuffle(2 * whole - 1, self.spec.patch)) + known.embedded
        size = patches.shape[-2:]
        x = (patches + self.positions(*size, crop_box)).flatten(2).mT
        features = known.features.flatten(2).mT
        x = self.encode_decode(x, features, self.style_or_kept(style, image), sequence)
        x, features = x.unflatten(1, size), features.unflatten(1, size)
        for block in self.windows:
            x = block(x, features)
        residual = self.head(x, whole, known.joined)[..., : image.shape[-2], : image.shape[-1]]
        return add_logit_residual(image, residual)

    def encode_decode(self, x: Tensor, features: Tensor, style: Tensor, sequence: SequenceParallel) -> Tensor:
        """Run encoder and decoder on tokens (B, N, C), with G-buffer features (B, N, E) and styles (B, S)."""
        x, features, halfway = sequence.shard(x), sequence.shard(features), []
        for block in self.encoder:
            x = block(x, features, style, sequence)
            halfway.append(x)
        memory = self.memory(x)
        for i, block in enumerate(self.decoder):
            # If there are more decoder than encoder blocks, the last ones all read the first encoder block's tokens.
            x = block(x, halfway[max(len(halfway) - 1 - i, 0)], memory, features, style, sequence)
        return sequence.all_gather(x)

    def forward(
        self,
        image: Tensor,
        gbuffers: Tensor,
        classes: Tensor,
        crop_box: Tensor | None = None,
        style: Tensor | None = None,
        sequence: SequenceParallel = ALONE,
    ) -> Tensor:
        """Enhance frames; arguments as in `encode` and `enhance`.

        Raises:
            ValueError: the number of G-buffer channels is wrong, or the sizes differ.
        """
        check_inputs(image, gbuffers, self.spec.channels)
        return self.enhance(image, self.encode(gbuffers, classes), crop_box, style, sequence)
