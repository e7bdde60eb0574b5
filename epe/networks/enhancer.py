"""The enhancer: a high-resolution network whose every block is conditioned on the G-buffers.

Richter, AlHaija, Koltun, "Enhancing Photorealism Enhancement", 2021, sec. 3.1-3.2 and the released configuration
`hr`; HRNet: Wang et al., "Deep High-Resolution Representation Learning for Visual Recognition", 2020, here with a
stem that keeps the full resolution.

Shapes: B images, G G-buffer channels, K classes, E encoded channels, H W pixels; branch i has width 2^i * C
channels at 1 / 2^i of the resolution.
"""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.networks.gbuffer_encoder import GBufferEncoder
from epe.networks.rad import RAD

# Far beyond any sensible network; a spec out of somebody's file is not to keep us building for hours.
LIMITS = {
    "channels": (1, 1024), "width": (8, 1024), "stages": (1, 6), "blocks": (1, 8),
    "encoded": (1, 1024), "stream_width": (1, 1024), "rad_layers": (0, 6),
}  # fmt: skip
MOST_STREAMS = 256


@dataclass(frozen=True)
class EnhancerSpec:
    """The sizes of an enhancer. The defaults are the released `hr`, but for `streams`.

    Attributes:
        channels: G.
        streams: per class, the channels that its stream reads; K is their number.
        width: channels of the finest branch; each coarser one has twice as many.
        stages: stage s works on s branches.
        blocks: residual blocks per branch and stage.
        encoded: E.
        stream_width: channels inside the class streams.
        rad_layers: depth of each RAD's own tower.
    """

    channels: int
    streams: tuple[tuple[int, ...], ...]
    width: int = 16
    stages: int = 4
    blocks: int = 4
    encoded: int = 128
    stream_width: int = 64
    rad_layers: int = 3

    def __post_init__(self) -> None:
        for name, (least, most) in LIMITS.items():
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise ValueError(f"{name} must be an integer in {least} .. {most}, got {value!r:.40}.")
        seen = {channel for stream in self.streams for channel in stream}
        if not all(self.streams) or not seen <= set(range(self.channels)):
            raise ValueError(f"streams must each read some of the {self.channels} channels, got {self.streams!r:.200}.")
        if not 1 <= len(self.streams) <= MOST_STREAMS:
            raise ValueError(f"wanted 1 .. {MOST_STREAMS} class streams, got {len(self.streams)}.")
        if self.width % 8:
            raise ValueError(f"width must divide by the 8 groups of the normalisation, got {self.width}.")

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, spec: dict[str, Any]) -> "EnhancerSpec":
        """From JSON, which knows no tuples."""
        return cls(**{**spec, "streams": tuple(tuple(stream) for stream in spec["streams"])})


def every_channel(channels: int, classes: int) -> tuple[tuple[int, ...], ...]:
    """Streams that each read all channels."""
    return (tuple(range(channels)),) * classes


# Sizes by name, for a number of channels and streams that the data decide. `hr` is the paper's; the others are the
# same code for CPUs: no towers of their own in the RADs (81 % of the parameters of `hr`), fewer stages.
PRESETS: dict[str, dict[str, int]] = {
    "hr": {"width": 16, "stages": 4, "blocks": 4, "encoded": 128, "stream_width": 64, "rad_layers": 3},
    "hr-small": {"width": 24, "stages": 3, "blocks": 1, "encoded": 32, "stream_width": 16, "rad_layers": 0},
    "hr-tiny": {"width": 16, "stages": 2, "blocks": 1, "encoded": 16, "stream_width": 8, "rad_layers": 0},
}


def conv3(inputs: int, outputs: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """3x3 convolution that pads by repeating the border."""
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=bias, padding_mode="replicate")


def resize(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear, to the height and width of `like`: explicit sizes keep odd frames exact."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


class Block(nn.Module):
    """HRNet's basic residual block with RAD in the place of its normalisations."""

    def __init__(self, width: int, encoded: int, rad_layers: int) -> None:
        super().__init__()
        self.conv1 = conv3(width, width)
        self.rad1 = RAD(width, encoded, rad_layers)
        self.conv2 = conv3(width, width)
        self.rad2 = RAD(width, encoded, rad_layers)

    def forward(self, x: Tensor, g: Tensor) -> Tensor:
        y = F.relu(self.rad1(self.conv1(x), g))
        return F.relu(x + self.rad2(self.conv2(y), g))


class Branch(nn.Module):
    """The blocks of one stage at one scale."""

    def __init__(self, width: int, encoded: int, rad_layers: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, encoded, rad_layers) for _ in range(blocks))

    def forward(self, x: Tensor, g: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, g)
        return x


def exchange(source: int, target: int, widths: Sequence[int]) -> nn.Module:
    """What branch `source` sends to branch `target`: finer to coarser by strides, coarser to finer by 1x1."""
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(nn.Conv2d(widths[source], widths[target], 1, bias=False), nn.GroupNorm(8, widths[target]))
    steps: list[nn.Module] = []
    for _ in range(target - source - 1):
        steps += [conv3(widths[source], widths[source], stride=2), nn.GroupNorm(8, widths[source]), nn.ReLU()]
    steps += [conv3(widths[source], widths[target], stride=2), nn.GroupNorm(8, widths[target])]
    return nn.Sequential(*steps)


class Fusion(nn.Module):
    """Every branch receives the sum of all branches, brought to its scale and width."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        count = range(len(widths))
        self.paths = nn.ModuleList(nn.ModuleList(exchange(j, i, widths) for j in count) for i in count)

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        fused = []
        for own, paths in zip(branches, self.paths, strict=True):
            total = own
            for path, branch in zip(paths, branches, strict=True):  # type: ignore[call-overload]
                if branch is not own:
                    total = total + resize(path(branch), own)
            fused.append(F.relu(total))
        return fused


class Head(nn.Module):
    """From the coarsest branch to the finest, merging one after the other, then to three channels."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.merge = nn.ModuleList(
            nn.Sequential(conv3(fine + coarse, fine, bias=True), nn.GroupNorm(8, fine), nn.LeakyReLU(0.2))
            for fine, coarse in reversed(list(itertools.pairwise(widths)))
        )
        self.out = conv3(widths[0], 3, bias=True)
        # Zero: an untrained enhancer returns its input.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, branches: list[Tensor]) -> Tensor:
        x = branches[-1]
        for merge, finer in zip(self.merge, reversed(branches[:-1]), strict=True):
            x = merge(torch.cat([resize(x, finer), finer], dim=1))
        return self.out(x)


class HRNet(nn.Module):
    """The image stream: stages of parallel branches, each stage adding one at half the resolution."""

    def __init__(self, spec: EnhancerSpec) -> None:
        super().__init__()
        widths = [spec.width * 2**i for i in range(spec.stages)]
        self.stem = nn.Sequential(
            conv3(3, spec.width), nn.GroupNorm(8, spec.width), nn.ReLU(),
            conv3(spec.width, spec.width), nn.GroupNorm(8, spec.width), nn.ReLU(),
        )  # fmt: skip
        self.transitions = nn.ModuleList(
            nn.Sequential(nn.Conv2d(fine, coarse, 3, 2, 1, bias=False), nn.GroupNorm(8, coarse), nn.ReLU())
            for fine, coarse in itertools.pairwise(widths)
        )
        self.stages = nn.ModuleList(
            nn.ModuleList(Branch(w, spec.encoded, spec.rad_layers, spec.blocks) for w in widths[: s + 1])
            for s in range(spec.stages)
        )
        self.fusions = nn.ModuleList(Fusion(widths[: s + 1]) for s in range(1, spec.stages))
        self.head = Head(widths)

    def forward(self, image: Tensor, encoded: list[Tensor]) -> Tensor:
        """(B, 3, H, W) image and E-channel maps of each scale -> (B, 3, H, W), a change of the image's logits."""
        branches = [self.stem(image)]
        for s, stage in enumerate(self.stages):
            if s > 0:
                branches.append(self.transitions[s - 1](branches[-1]))
            branches = [b(x, g) for b, x, g in zip(stage, branches, encoded, strict=False)]  # type: ignore[call-overload]
            if s > 0:
                branches = self.fusions[s - 1](branches)
        return self.head(branches)


class Enhancer(nn.Module):
    """Frame and G-buffers -> a frame of the same content that looks like a photograph."""

    def __init__(self, spec: EnhancerSpec) -> None:
        super().__init__()
        self.spec = spec
        self.encoder = GBufferEncoder(spec.streams, spec.stream_width, spec.encoded, spec.stages)
        self.image = HRNet(spec)

    def forward(self, image: Tensor, gbuffers: Tensor, classes: Tensor) -> Tensor:
        """Enhance.

        Args:
            image: (B, 3, H, W), sRGB in [0, 1].
            gbuffers: (B, G, H, W), normalised per channel.
            classes: ids (B, H, W) or soft masks (B, K, H, W).

        Returns:
            (B, 3, H, W), sRGB in (0, 1).

        Raises:
            ValueError: another number of G-buffer channels, or sizes that differ.
        """
        if gbuffers.shape[1] != self.spec.channels or gbuffers.shape[-2:] != image.shape[-2:]:
            raise ValueError(
                f"wanted {self.spec.channels} G-buffer channels of {tuple(image.shape[-2:])} pixels, "
                f"got {tuple(gbuffers.shape)}."
            )
        change = self.image(image, self.encoder(gbuffers, classes))
        # The residual is added to the logits, so that the output stays inside (0, 1) without clipping.
        return torch.sigmoid(torch.logit(image.clamp(0.001, 0.999)) + change.to(image.dtype))
