"""SPADE: synthesis of photographs from label maps alone.

Park, Liu, Wang, Zhu, "Semantic Image Synthesis with Spatially-Adaptive Normalization", CVPR 2019. Sizes and the order
of layers are those of the authors' release without the image encoder: the network starts from the label map at 1/32 of
its resolution. The generator's 3x3 convolutions use replicate padding, as elsewhere in this project; the release pads
with zeros.

Shapes: B images, L labels, C features, H W pixels.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.layers.classes import soft_masks
from epe.layers.convolutions import conv3, spectral_conv
from epe.layers.initial import xavier
from epe.layers.inplace import add
from epe.layers.spade import SPADE
from epe.layers.spec import Spec, check_limits
from epe.layers.spectral_norm import spectral_norm

LIMITS = {"labels": (1, 256), "width": (1, 256), "hidden": (1, 1024)}
# Block features as multiples of the width, from the coarsest to the finest.
STEPS = (16, 16, 16, 16, 8, 4, 2, 1)
# Whether the resolution doubles before each block; it does not double between the two middle blocks.
DOUBLED = (False, True, False, True, True, True, True)


class Block(nn.Module):
    """Residual block of two convolutions, each after a normalisation that the label map modulates.

    Args:
        inputs, outputs: features of input and result.
        labels: L.
        hidden: hidden features of each SPADE.
    """

    def __init__(self, inputs: int, outputs: int, labels: int, hidden: int) -> None:
        super().__init__()
        middle = min(inputs, outputs)
        self.first_norm, self.second_norm = (modulated(width, labels, hidden) for width in (inputs, middle))
        self.first, self.second = spectral_conv(inputs, middle), spectral_conv(middle, outputs)
        self.skip_norm, self.skip = None, None
        if inputs != outputs:
            self.skip_norm = modulated(inputs, labels, hidden)
            self.skip = spectral_norm(nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x: Tensor, masks: Tensor) -> Tensor:
        """Return (B, outputs, H, W) for features (B, inputs, H, W) and label masks (B, L, H, W)."""
        y = self.first(F.leaky_relu(self.first_norm(x, masks), 0.2))
        y = self.second(F.leaky_relu(self.second_norm(y, masks), 0.2))
        if self.skip_norm is not None and self.skip is not None:
            x = self.skip(self.skip_norm(x, masks))
        return add(y, x)


def modulated(features: int, labels: int, hidden: int) -> SPADE:
    """Return a SPADE: batch normalisation, then scale and shift by the label map."""
    return SPADE(features, labels, hidden, nn.BatchNorm2d(features, affine=False))


@dataclass(frozen=True)
class SpadeSpec(Spec):
    """The sizes of a `Synthesis`; the defaults are the paper's.

    Attributes:
        labels: L.
        width: features at full resolution; the coarsest resolution has 16 times as many.
        hidden: hidden features of each SPADE.
    """

    labels: int
    width: int = 64
    hidden: int = 128

    def __post_init__(self) -> None:
        check_limits(self, LIMITS)

    @property
    def multiple_of(self) -> int:
        """Heights and widths that are multiples of this need no padding."""
        return 1 << sum(DOUBLED)


PRESETS: dict[str, dict[str, int]] = {
    "spade": {}, "spade-mini": {"width": 16, "hidden": 32}, "spade-tiny": {"width": 2, "hidden": 4},
}  # fmt: skip
"""Sizes by name; the number of labels depends on the data."""


class Synthesis(nn.Module):
    """The generator: synthesises a photograph with the layout of a label map."""

    kind = "spade"

    def __init__(self, spec: SpadeSpec) -> None:
        super().__init__()
        self.spec = spec
        widths = [spec.width * step for step in STEPS]
        self.start = conv3(spec.labels, widths[0], bias=True)
        self.blocks = nn.ModuleList(Block(*pair, spec.labels, spec.hidden) for pair in pairwise(widths))
        self.out = conv3(widths[-1], 3, bias=True)
        xavier(self)

    def forward(self, labels: Tensor) -> Tensor:
        """Synthesise images (B, 3, H, W), sRGB in [0, 1].

        Args:
            labels: ids (B, H, W), integers below L, or masks (B, L, H, W).
        """
        height, width = labels.shape[-2:]
        # Replicate padding at the right and bottom, to sides that can be halved evenly.
        rows, cols = (
            torch.arange(side + -side % self.spec.multiple_of, device=labels.device).clamp(max=side - 1)
            for side in (height, width)
        )
        padded = labels[..., rows[:, None], cols]
        step = self.spec.multiple_of
        masks = soft_masks(padded[..., ::step, ::step], self.spec.labels, every=True)
        x = self.start(masks)
        for block, doubled in zip(self.blocks, DOUBLED, strict=True):
            if doubled:
                step //= 2
                x = F.interpolate(x, scale_factor=2)
                masks = soft_masks(padded[..., ::step, ::step], self.spec.labels, every=True)
            x = block(x, masks)
        image = (torch.tanh(self.out(F.leaky_relu(x, 0.2))) + 1) / 2
        return image[..., :height, :width]


class PatchCritic(nn.Module):
    """A PatchGAN critic that returns its features along with its scores.

    Args:
        inputs: input channels.
        width: features of the first convolution; the next ones have 2, 4 and 8 times as many.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Sequential(nn.Conv2d(inputs, width, 4, 2, 2), nn.LeakyReLU(0.2))])
        for wide, stride in ((2 * width, 2), (4 * width, 2), (8 * width, 1)):
            conv = spectral_norm(nn.Conv2d(wide // 2, wide, 4, stride, 2, bias=False))
            self.layers.append(nn.Sequential(conv, nn.InstanceNorm2d(wide), nn.LeakyReLU(0.2)))
        self.layers.append(nn.Conv2d(8 * width, 1, 4, padding=2))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the result of every layer for (B, inputs, H, W); the scores (B, 1, h, w) are last."""
        found = []
        for layer in self.layers:
            x = layer(x)
            found.append(x)
        return found


class Critics(nn.Module):
    """Two critics, at full and at half resolution; both read the label map concatenated with the image.

    Args:
        labels: L.
        width: width of each critic (64 in the paper).
    """

    def __init__(self, labels: int, width: int = 64) -> None:
        super().__init__()
        self.labels = labels
        self.critics = nn.ModuleList(PatchCritic(labels + 3, width) for _ in range(2))
        xavier(self)

    def forward(self, image: Tensor, labels: Tensor) -> list[list[Tensor]]:
        """Return each critic's layer results for images (B, 3, H, W), sRGB in [0, 1], and label ids (B, H, W)."""
        x = torch.cat([soft_masks(labels, self.labels, every=True), 2 * image - 1], dim=1)
        results = []
        for critic in self.critics:
            results.append(critic(x))
            x = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
        return results
