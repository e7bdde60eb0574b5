"""The enhancer: a high-resolution network in which every block is conditioned on the G-buffers.

Richter, AlHaija, Koltun, "Enhancing Photorealism Enhancement", 2021, sec. 3.1-3.2: the released configurations `hr`
and `hr_new`, and the other ways to use G-buffers that the paper compares with.

Shapes: B images, G G-buffer channels, K classes, E encoded channels, H W pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.generator import Generator, GeneratorSpec, StreamChannels
from epe.inference.bands import Banded
from epe.layers.classes import soft_masks
from epe.layers.convolutions import ScaledBlock, SpectralBlock
from epe.layers.group_norm import Unconditioned
from epe.layers.logit_residual import add_logit_residual, check_inputs
from epe.layers.rad import RAC, RAD, Kept, Map
from epe.layers.spade import SPADE
from epe.layers.spec import check_limits
from epe.networks.enhancers.gbuffer_encoder import GBufferEncoder
from epe.networks.enhancers.hrnet import ConditionedBlock, Conditioner, HRNet, PlainBlock, Variant

# Far beyond any sensible network; these limits keep a spec from an untrusted file from taking hours to build.
LIMITS = {
    "channels": (1, 1024), "width": (8, 1024), "stages": (1, 6), "blocks": (1, 8),
    "encoded": (1, 1024), "stream_width": (1, 1024), "rad_layers": (0, 6),
}  # fmt: skip
MAX_STREAMS = 256
CONDITIONING = ("rad", "rac", "spade", "concat", "none")


@dataclass(frozen=True)
class EnhancerSpec(GeneratorSpec):
    """The sizes of an enhancer. Except for `streams`, the defaults are those of the released `hr`.

    Attributes:
        channels: G.
        streams: channels that each class stream reads; K is the number of streams.
        width: channels of the finest branch; each coarser one has twice as many.
        stages: number of stages; stage s has s branches.
        blocks: residual blocks per branch and stage.
        encoded: E.
        stream_width: channels inside the class streams.
        rad_layers: depth of the tower inside each RAD (or RAC).
        conditioning: how G-buffers and classes act on image features. "rad": encoded, by RAD (`hr`); "rac": encoded,
            by RAC, in a network without normalisation that outputs the image itself instead of a residual (`hr_new`);
            "spade": not encoded, by SPADE with E hidden channels; "concat": concatenated with the image; "none": not
            used.
    """

    channels: int
    streams: tuple[tuple[int, ...], ...]
    width: int = 16
    stages: int = 4
    blocks: int = 4
    encoded: int = 128
    stream_width: int = 64
    rad_layers: int = 3
    conditioning: str = "rad"

    def __post_init__(self) -> None:
        check_limits(self, LIMITS)
        if self.conditioning not in CONDITIONING:
            raise ValueError(f"conditioning must be one of {', '.join(CONDITIONING)}, got {self.conditioning!r:.40}.")
        seen = {channel for stream in self.streams for channel in stream}
        if not all(self.streams) or not seen <= set(range(self.channels)):
            raise ValueError(f"streams must each read some of the {self.channels} channels, got {self.streams!r:.200}.")
        if not 1 <= len(self.streams) <= MAX_STREAMS:
            raise ValueError(f"wanted 1 .. {MAX_STREAMS} class streams, got {len(self.streams)}.")
        if self.width % 8:
            raise ValueError(f"width must be a multiple of 8, the number of groups, got {self.width}.")

    @classmethod
    def from_dict(cls, sizes: dict[str, Any]) -> Self:
        """Build a spec from JSON, whose lists become tuples."""
        return cls(**{**sizes, "streams": tuple(map(tuple, sizes["streams"]))})

    @classmethod
    def for_data(cls, channels: int, stream_channels: StreamChannels, sizes: Mapping[str, Any]) -> Self:
        return cls(channels, tuple(map(tuple, stream_channels)), **sizes)


def every_channel(channels: int, classes: int) -> tuple[tuple[int, ...], ...]:
    """Return the channels of class streams that each read all of them."""
    return (tuple(range(channels)),) * classes


# Sizes by name; channels and streams depend on the data. `hr` is the paper's, `hr_new` the one its authors recommend
# in their release. The small and tiny ones are the same network reduced for CPUs: no towers in the RADs (81 % of the
# parameters of `hr`) and fewer stages. The last three are small versions of the paper's ablations.
SMALL: dict[str, Any] = {"width": 24, "stages": 3, "blocks": 1, "encoded": 32, "stream_width": 16, "rad_layers": 0}
PRESETS: dict[str, dict[str, Any]] = {
    "hr": {"width": 16, "stages": 4, "blocks": 4, "encoded": 128, "stream_width": 64, "rad_layers": 3},
    "hr_new": {
        "width": 16, "stages": 6, "blocks": 3, "encoded": 128, "stream_width": 64, "rad_layers": 3,
        "conditioning": "rac",
    },
    "hr-small": SMALL,
    "hr-tiny": {"width": 16, "stages": 2, "blocks": 1, "encoded": 16, "stream_width": 8, "rad_layers": 0},
    "spade-small": SMALL | {"conditioning": "spade"},
    "concat-small": SMALL | {"conditioning": "concat"},
    "none-small": SMALL | {"conditioning": "none"},
}  # fmt: skip


class Pyramid(nn.Module):
    """G-buffers and class masks without an encoder, averaged to each scale of the image stream."""

    def __init__(self, classes: int, scales: int) -> None:
        super().__init__()
        self.classes, self.scales = classes, scales

    def forward(self, gbuffers: Tensor, classes: Tensor) -> list[Tensor]:
        """Return, per scale, (B, G + K, H / 2^i, W / 2^i), rounded up, for G-buffers (B, G, H, W) and ids or masks."""
        maps = [torch.cat([gbuffers, soft_masks(classes, self.classes).to(gbuffers.dtype)], dim=1)]
        for _ in range(self.scales - 1):
            maps.append(F.avg_pool2d(maps[-1], 2, ceil_mode=True, count_include_pad=False))
        return maps


class Enhancer(Generator):
    """The paper's enhancer: turns a frame and its G-buffers into a photographic frame of the same content."""

    kind, spec_type, presets = "epe", EnhancerSpec, PRESETS
    checkpointed = (ConditionedBlock, PlainBlock, SpectralBlock, ScaledBlock)
    # GroupNorm's statistics differ between tiles, which changes pictures by up to 65 of 255 (tiles of 256).
    tile, overlap = 1280, 64
    uses_whole_frame = runs_in_bands = True
    exports_to_onnx = True
    spec: EnhancerSpec

    def __init__(self, spec: EnhancerSpec) -> None:
        super().__init__(spec)
        joined = spec.channels + len(spec.streams)
        conditioners: dict[str, Conditioner] = {
            "rad": partial(RAD, encoded=spec.encoded, layers=spec.rad_layers),
            "rac": partial(RAC, encoded=spec.encoded, layers=spec.rad_layers),
            "spade": partial(SPADE, inputs=joined, hidden=spec.encoded),
        }
        self.encoder: nn.Module = Pyramid(len(spec.streams), spec.stages)
        if spec.conditioning in ("rad", "rac"):
            block = SpectralBlock if spec.conditioning == "rad" else ScaledBlock
            self.encoder = GBufferEncoder(spec.streams, spec.stream_width, spec.encoded, spec.stages, block)
        self.joins = spec.conditioning == "concat"
        inputs = 3 + joined if self.joins else 3
        variant = Variant(normalised=spec.conditioning != "rac")
        self.image = HRNet(
            inputs, spec.width, spec.stages, spec.blocks, variant, conditioners.get(spec.conditioning, Unconditioned)
        )
        self.residual = spec.conditioning != "rac"
        if self.residual:
            # Zeros, so that an untrained enhancer returns its input.
            nn.init.zeros_(self.image.head.out.weight)
            nn.init.zeros_(self.image.head.out.bias)  # type: ignore[arg-type]

    def encode(self, gbuffers: Tensor, classes: Tensor, *, keep: bool = False) -> Sequence[Map]:
        """Encode the G-buffers for `enhance`; one result serves all images of a static scene.

        Args:
            gbuffers: (B, G, H, W), normalised per channel.
            classes: ids (B, H, W) or soft masks (B, K, H, W).
            keep: also cache what RADs and RACs compute from the G-buffers, at the first `enhance` (see `Kept`).

        Returns:
            One conditioning input per scale.

        Raises:
            ValueError: the number of G-buffer channels is wrong.
        """
        if gbuffers.shape[1] != self.spec.channels:
            raise ValueError(f"wanted {self.spec.channels} G-buffer channels, got {tuple(gbuffers.shape)}.")
        if self.spec.conditioning == "none":
            return [None] * self.spec.stages
        maps: list[Tensor] = self.encoder(gbuffers, classes)
        return [Kept(g) for g in maps] if keep and self.spec.conditioning in ("rad", "rac") else maps

    def enhance(self, image: Tensor, maps: Sequence[Map]) -> Tensor:
        """Enhance images (B, 3, H, W), sRGB in [0, 1], with the result of `encode`; return the same as `forward`.

        Raises:
            ValueError: the maps differ from the images in size.
        """
        first = maps[0]
        finest = first if first is None or isinstance(first, Tensor) else first.encoded
        if finest is not None and finest.shape[-2:] != image.shape[-2:]:
            raise ValueError(f"wanted G-buffers of {tuple(image.shape[-2:])} pixels, got {tuple(finest.shape[-2:])}.")
        joined = torch.cat([image, finest], dim=1) if finest is not None and self.joins else image
        out = self.image(joined, maps)
        return add_logit_residual(image, out) if self.residual else out

    def forward(self, image: Tensor, gbuffers: Tensor, classes: Tensor, crop_box: Tensor | None = None) -> Tensor:
        """Enhance frames.

        Args:
            image: (B, 3, H, W), sRGB in [0, 1].
            gbuffers: (B, G, H, W), normalised per channel.
            classes: ids (B, H, W) or soft masks (B, K, H, W).
            crop_box: ignored.

        Returns:
            (B, 3, H, W), sRGB in (0, 1). As in the release, results of `hr_new` may leave that range and must be
            clipped for display.

        Raises:
            ValueError: the number of G-buffer channels is wrong, or the sizes differ.
        """
        check_inputs(image, gbuffers, self.spec.channels)
        return self.enhance(image, self.encode(gbuffers, classes))

    def in_bands(self, image: Tensor, gbuffers: Tensor, classes: Tensor, pixels: int) -> Tensor:
        check_inputs(image, gbuffers, self.spec.channels)
        if not isinstance(self.encoder, GBufferEncoder):
            return self(image, gbuffers, classes)
        maps = self.encoder.in_bands(gbuffers, classes, pixels)
        return self.enhance(image, [Banded(g, pixels) for g in maps])
