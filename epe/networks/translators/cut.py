"""CUT: unpaired translation of frames into photographs, without G-buffers; a contrastive loss preserves the content.

Park, Efros, Zhang, Zhu, "Contrastive Learning for Unpaired Image-to-Image Translation", ECCV 2020, with the generator
of Johnson et al. 2016 and the critic of Isola et al. 2017, both anti-aliased (Zhang, "Making Convolutional Networks
Shift-Invariant Again", 2019). Sizes and the order of layers are those of the authors' release.

Shapes: B images, C features, H W pixels, N patches.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.layers.initial import xavier
from epe.layers.inplace import add
from epe.layers.spec import Spec, check_limits

TAPS = (0, 4, 8, 12, 16)
"""Layers of the generator whose patches are compared: the image itself, then deeper and deeper encoder layers."""

LIMITS = {"width": (1, 1024), "blocks": (1, 64)}
# Layers before the first residual block.
ENCODER = 12


def binomial(taps: Sequence[float], channels: int, like: Tensor) -> Tensor:
    """Return a blur kernel (channels, 1, T, T) with sum 1, for a depthwise convolution."""
    line = like.new_tensor(taps)
    line = line / line.sum()
    return (line[:, None] * line).expand(channels, 1, -1, -1)


class BlurDown(nn.Module):
    """Blur by (1, 2, 1) with stride 2: (B, C, H, W) -> (B, C, H / 2, W / 2), rounded up."""

    def forward(self, x: Tensor) -> Tensor:
        kernel = binomial((1, 2, 1), x.shape[1], x)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, stride=2, groups=x.shape[1])


class BlurUp(nn.Module):
    """Upsampling by 2 with the blur (1, 3, 3, 1): (B, C, H, W) -> (B, C, 2H, 2W)."""

    def forward(self, x: Tensor) -> Tensor:
        kernel = 4 * binomial((1, 3, 3, 1), x.shape[1], x)
        larger = F.pad(x, (1, 1, 1, 1), mode="replicate")
        return F.conv_transpose2d(larger, kernel, stride=2, padding=3, groups=x.shape[1])


class ResnetBlock(nn.Module):
    """Residual block of two normalised convolutions with reflection padding."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"), nn.InstanceNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"), nn.InstanceNorm2d(width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return add(self.body(x), x)


@dataclass(frozen=True)
class CutSpec(Spec):
    """The sizes of a `Translator`; the defaults are the paper's.

    Attributes:
        width: features at full resolution; twice and four times as many at a half and a quarter of it.
        blocks: residual blocks, at a quarter of the resolution.
    """

    width: int = 64
    blocks: int = 9

    def __post_init__(self) -> None:
        check_limits(self, LIMITS)

    @property
    def multiple_of(self) -> int:
        """Heights and widths that are multiples of this need no padding."""
        return 4


PRESETS: dict[str, dict[str, int]] = {
    "cut": {}, "cut-mini": {"width": 24, "blocks": 6}, "cut-tiny": {"width": 4, "blocks": 5},
}  # fmt: skip
"""Sizes by name."""


class Translator(nn.Module):
    """Translates a frame into a photograph of the same content; `layers` are numbered as in the authors' release.

    Frames must have at least `smallest` pixels a side, because of reflection padding.
    """

    kind = "cut"
    smallest = 8

    def __init__(self, spec: CutSpec) -> None:
        super().__init__()
        self.spec = spec
        width = spec.width
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), *normalised(3, width, 7, padding=0)]
        for wide in (2 * width, 4 * width):
            layers += [*normalised(wide // 2, wide, 3, padding=1), BlurDown()]
        layers += [ResnetBlock(4 * width) for _ in range(spec.blocks)]
        for wide in (4 * width, 2 * width):
            layers += [BlurUp(), *normalised(wide, wide // 2, 3, padding=1)]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        xavier(self)

    def widths(self, taps: Sequence[int]) -> list[int]:
        """Return the number of features at each of `taps`.

        Raises:
            ValueError: `taps` are not ascending numbers of the input, the encoder and the residual blocks.
        """
        last = ENCODER + self.spec.blocks - 1
        if not taps or list(taps) != sorted(set(taps)) or taps[0] < 0 or taps[-1] > last:
            raise ValueError(f"taps must be some of the layers 0 .. {last}, ascending, got {tuple(taps)!r:.80}.")
        # The image, then up to three convolutions, each followed by layers that keep its width.
        width = self.spec.width
        return [3 if tap < 1 else width if tap < 4 else 2 * width if tap < 8 else 4 * width for tap in taps]

    def encode(self, image: Tensor, taps: Sequence[int]) -> list[Tensor]:
        """Return the features (B, C, h, w) of images (B, 3, H, W), sRGB in [0, 1], at the ascending layers `taps`.

        Layers after the last tap are not run.
        """
        x, found = 2 * image - 1, []
        for number in range(taps[-1] + 1):
            x = self.layers[number](x)
            if number in taps:
                found.append(x)
        return found

    def finish(self, x: Tensor, after: int) -> Tensor:
        """Return the translated image, in [0, 1], given the result `x` of layer `after`."""
        return (self.layers[after + 1 :](x) + 1) / 2

    def forward(self, image: Tensor) -> Tensor:
        """Translate images (B, 3, H, W), sRGB in [0, 1]; the result has the same shape and range.

        Raises:
            ValueError: a side has fewer than `smallest` pixels.
        """
        height, width = image.shape[-2:]
        if min(height, width) < self.smallest:
            raise ValueError(f"wanted {self.smallest} pixels a side or more, got {width}x{height}.")
        down, right = (-side % self.spec.multiple_of for side in (height, width))
        padded = F.pad(image, (0, right, 0, down), mode="reflect")
        return self.finish(2 * padded - 1, -1)[..., :height, :width]


def normalised(inputs: int, outputs: int, kernel: int, *, padding: int) -> list[nn.Module]:
    """Return a convolution, instance normalisation and ReLU."""
    return [nn.Conv2d(inputs, outputs, kernel, padding=padding), nn.InstanceNorm2d(outputs), nn.ReLU()]


class Projections(nn.Module):
    """A two-layer MLP per tap that projects patches to unit vectors, which the contrastive loss compares.

    Args:
        widths: features of each tap.
        outputs: D, dimensions of the unit vectors (256 in the paper).
    """

    def __init__(self, widths: Sequence[int], outputs: int = 256) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(width, outputs), nn.ReLU(), nn.Linear(outputs, outputs)) for width in widths
        )
        xavier(self)

    def forward(self, features: Sequence[Tensor], indices: Sequence[Tensor]) -> list[Tensor]:
        """Project each tap's features (B, C, h, w) at positions (N,), counted row by row, to unit vectors (B, N, D)."""
        return [
            F.normalize(head(x.flatten(2)[..., chosen].movedim(1, -1)), dim=-1, eps=1e-7)
            for head, x, chosen in zip(self.heads, features, indices, strict=True)
        ]


def draw_patch_indices(features: Sequence[Tensor], count: int) -> list[Tensor]:
    """Draw at most `count` distinct positions (N,) per tap, the same for all images, with torch's global generator."""
    return [torch.randperm(x.shape[-2] * x.shape[-1], device=x.device)[:count] for x in features]


class PatchCritic(nn.Module):
    """A PatchGAN critic, which scores patches of about 70 pixels a side as photograph or not.

    Args:
        width: features of the first convolution; the next ones have 2, 4 and 8 times as many.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, padding=1), nn.LeakyReLU(0.2), BlurDown()]
        for wide in (2 * width, 4 * width, 8 * width):
            layers += [nn.Conv2d(wide // 2, wide, 4, padding=1), nn.InstanceNorm2d(wide), nn.LeakyReLU(0.2), BlurDown()]
        layers[-1] = nn.Conv2d(8 * width, 1, 4, padding=1)  # no downsampling before the scores
        self.layers = nn.Sequential(*layers)
        xavier(self)

    def forward(self, image: Tensor) -> Tensor:
        """Return scores (B, 1, h, w) of images (B, 3, H, W), sRGB in [0, 1]."""
        return self.layers(2 * image - 1)
