"""VQGAN: an encoder from pictures to a coarse map of codes, and a decoder from codes to pictures.

Esser, Rombach, Ommer, "Taming Transformers for High-Resolution Image Synthesis", CVPR 2021 (section 3.1, appendix A);
sizes and the order of layers are those of their release (docs/vqgan.md). Class maps and G-buffers can also be encoded,
by the same network with other channels (their VQSegmentation).

Shapes: B pictures, C channels, H W pixels, f pixels per code along a side, h w sides of the map of codes, D features
per code.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from epe.layers.attention import Attention
from epe.layers.group_norm import GroupNorm
from epe.layers.spec import Spec, check_limits
from epe.networks.autoencoders.quantiser import Quantised, Quantiser

LIMITS = {
    "channels": (1, 1024), "width": (4, 1024), "blocks": (1, 16), "latent": (1, 4096), "codes": (2, 1 << 20),
    "code_width": (1, 4096),
}  # fmt: skip
MAX_LEVELS, MAX_MULTIPLIER = 8, 64
CONTENTS = ("image", "classes", "buffers")
GROUPS, EPSILON = 32, 1e-6


@dataclass(frozen=True)
class VQGANSpec(Spec):
    """The sizes of a `VQGAN`; the defaults are those of the published network with 1024 codes.

    Attributes:
        channels: C.
        content: what the channels are: an image (sRGB in [0, 1]); classes (one-hot; the decoder returns logits); or
            buffers (normalised per channel).
        width: features at full resolution.
        multipliers: features of each level as multiples of the width; each level halves the sides of the one before.
        blocks: residual blocks per encoder level; a decoder level has one more.
        attention: levels, counted from 0, whose residual blocks are each followed by attention.
        latent: features of the encoder's output.
        codes: number of codes.
        code_width: features per code.
        unit_codes: whether latents and codes have length 1.
    """

    channels: int = 3
    content: Literal["image", "classes", "buffers"] = "image"
    width: int = 128
    multipliers: tuple[int, ...] = (1, 1, 2, 2, 4)
    blocks: int = 2
    attention: tuple[int, ...] = (4,)
    latent: int = 256
    codes: int = 1024
    code_width: int = 256
    unit_codes: bool = False

    def __post_init__(self) -> None:
        check_limits(self, LIMITS)
        for name in ("multipliers", "attention"):  # JSON has no tuples
            object.__setattr__(self, name, tuple(getattr(self, name)))
        levels = len(self.multipliers)
        if not 1 <= levels <= MAX_LEVELS or not all(
            type(m) is int and 1 <= m <= MAX_MULTIPLIER for m in self.multipliers
        ):
            raise ValueError(f"multipliers must be 1 to {MAX_LEVELS} integers in 1 .. {MAX_MULTIPLIER}.")
        if not all(type(level) is int and 0 <= level < levels for level in self.attention):
            raise ValueError(f"attention must be levels in 0 .. {levels - 1}, got {self.attention!r:.60}.")
        if self.content not in CONTENTS:
            raise ValueError(f"content must be one of {', '.join(CONTENTS)}, got {self.content!r:.40}.")
        if type(self.unit_codes) is not bool:
            raise ValueError(f"unit_codes must be true or false, got {self.unit_codes!r:.40}.")
        if self.content == "image" and self.channels != 3:
            raise ValueError(f"channels must be 3 for an image, got {self.channels}.")

    @property
    def multiple_of(self) -> int:
        """f; heights and widths must be multiples of it."""
        return int(2 ** (len(self.multipliers) - 1))


PRESETS: dict[str, Mapping[str, Any]] = {
    "vqgan-f16-1024": {},
    "vqgan-f16-16384": {"codes": 16384},
    "vqseg-183": {"channels": 183, "content": "classes"},
    "vqgan-f8-small": {"width": 32, "multipliers": (1, 2, 2, 4), "blocks": 1, "attention": (), "latent": 64,
                       "codes": 512, "code_width": 32},
    "vqgan-f16-small": {"width": 32, "multipliers": (1, 1, 2, 2, 4), "blocks": 1, "attention": (4,), "latent": 64,
                        "codes": 512, "code_width": 32},
    "vqgan-tiny": {"width": 8, "multipliers": (1, 2), "blocks": 1, "attention": (1,), "latent": 16, "codes": 64,
                   "code_width": 8},
}  # fmt: skip
"""Sizes by name; small ones train on two cores, the tiny one is for tests."""


def norm(features: int) -> GroupNorm:
    """Return group normalisation with 32 groups, or with the largest of 16, 8, 4, 2 and 1 that divides the features."""
    groups = GROUPS if features % GROUPS == 0 else next(n for n in (16, 8, 4, 2, 1) if features % n == 0)
    return GroupNorm(groups, features, eps=EPSILON)


class ResidualBlock(nn.Module):
    """Two normalised, activated convolutions (B, C, H, W) -> (B, C', H, W), and a shortcut around them."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            norm(inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1),
            norm(outputs), nn.SiLU(), nn.Conv2d(outputs, outputs, 3, padding=1),
        )  # fmt: skip
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.body(x)


class AttentionBlock(nn.Module):
    """Single-head attention from each position of a map (B, C, H, W) to all positions, added to the map."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.norm, self.attention = norm(features), Attention(features, heads=1)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.attention(self.norm(x).flatten(2).mT)
        return x + tokens.mT.unflatten(2, x.shape[2:])


class Down(nn.Conv2d):
    """Halve the sides of a map, which is padded only at the right and bottom, as published."""

    def __init__(self, features: int) -> None:
        super().__init__(features, features, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (0, 1, 0, 1)))


class Up(nn.Conv2d):
    """Double the sides of a map by repeating each pixel, then apply a convolution."""

    def __init__(self, features: int) -> None:
        super().__init__(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.interpolate(x, scale_factor=2, mode="nearest"))


def middle(features: int) -> Iterator[nn.Module]:
    """Yield the layers at the coarsest level, where attention sees the whole picture."""
    yield ResidualBlock(features, features)
    yield AttentionBlock(features)
    yield ResidualBlock(features, features)


def level(inputs: int, outputs: int, blocks: int, *, attention: bool) -> Iterator[nn.Module]:
    """Yield the residual blocks of one level, each followed by attention if wanted."""
    for number in range(blocks):
        yield ResidualBlock(outputs if number else inputs, outputs)
        if attention:
            yield AttentionBlock(outputs)


def head(features: int, outputs: int) -> Iterator[nn.Module]:
    """Yield the normalised convolution at the end of encoder and decoder."""
    yield norm(features)
    yield nn.SiLU()
    yield nn.Conv2d(features, outputs, 3, padding=1)


def encoder_layers(spec: VQGANSpec) -> Iterator[nn.Module]:
    """Yield the layers of the encoder, from C channels to `latent` features."""
    widths = [spec.width, *(spec.width * multiplier for multiplier in spec.multipliers)]
    yield nn.Conv2d(spec.channels, spec.width, 3, padding=1)
    for number, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        if number:
            yield Down(inputs)
        yield from level(inputs, outputs, spec.blocks, attention=number in spec.attention)
    yield from middle(widths[-1])
    yield from head(widths[-1], spec.latent)


def decoder_layers(spec: VQGANSpec) -> Iterator[nn.Module]:
    """Yield the layers of the decoder, from `latent` features to C channels."""
    widths = [spec.width * multiplier for multiplier in spec.multipliers]
    yield nn.Conv2d(spec.latent, widths[-1], 3, padding=1)
    yield from middle(widths[-1])
    inputs = widths[-1]
    for number in reversed(range(len(widths))):
        yield from level(inputs, widths[number], spec.blocks + 1, attention=number in spec.attention)
        inputs = widths[number]
        if number:
            yield Up(inputs)
    yield from head(inputs, spec.channels)


class VQGAN(nn.Module):
    """Pictures -> codes -> pictures.

    Attributes:
        kind: key in model files.
        spec: the sizes.
        factor: f.
        last_weight: the weight of the decoder's last convolution, where the adversarial loss is balanced.
    """

    kind = "vqgan"

    def __init__(self, spec: VQGANSpec) -> None:
        super().__init__()
        self.spec, self.factor = spec, spec.multiple_of
        self.encoder = nn.Sequential(*encoder_layers(spec))
        self.to_code = nn.Conv2d(spec.latent, spec.code_width, 1)
        self.quantiser = Quantiser(spec.codes, spec.code_width, unit=spec.unit_codes)
        self.from_code = nn.Conv2d(spec.code_width, spec.latent, 1)
        self.decoder = nn.Sequential(*decoder_layers(spec))

    @property
    def last_weight(self) -> Tensor:
        last = self.decoder[-1]
        assert isinstance(last, nn.Conv2d)
        return last.weight

    def latents(self, picture: Tensor) -> Tensor:
        """Return the latents (B, D, h, w) of pictures (B, C, H, W), not yet replaced by codes.

        Raises:
            ValueError: a side is not a multiple of f.
        """
        height, width = picture.shape[-2:]
        if height % self.factor or width % self.factor:
            raise ValueError(f"{width}x{height} pixels: wanted multiples of {self.factor}.")
        latents: Tensor = self.to_code(self.encoder(2 * picture - 1 if self.spec.content == "image" else picture))
        return latents

    def reconstruct(self, values: Tensor) -> Tensor:
        """Decode code values (B, D, h, w) to pictures (B, C, H, W), as `decode` returns them."""
        made: Tensor = self.decoder(self.from_code(values))
        return (made + 1) / 2 if self.spec.content == "image" else made

    def encode(self, picture: Tensor) -> Tensor:
        """Encode pictures (B, C, H, W) as code ids (B, h, w) int64, in 0 .. codes - 1.

        Raises:
            ValueError: a side is not a multiple of f.
        """
        return self.quantiser(self.latents(picture)).ids

    def decode(self, ids: Tensor) -> Tensor:
        """Decode ids (B, h, w) int64 to (B, C, H, W): images in about [0, 1], not clamped; classes as logits."""
        return self.reconstruct(self.quantiser.lookup(ids))

    def forward(self, picture: Tensor) -> tuple[Tensor, Quantised]:
        """Encode and decode pictures (B, C, H, W).

        Returns:
            The reconstruction, as `decode` returns it, and the quantiser's result.

        Raises:
            ValueError: a side is not a multiple of f.
        """
        found = self.quantiser(self.latents(picture))
        return self.reconstruct(found.values), found


def build_vqgan(name: str, **sizes: Any) -> VQGAN:
    """Build an untrained network from a preset; `sizes` replace fields of its spec.

    Raises:
        KeyError: the preset does not exist.
        TypeError, ValueError: a size is unknown or invalid.
    """
    return VQGAN(VQGANSpec.from_dict({**PRESETS[name], **sizes}))
