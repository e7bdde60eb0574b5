"""The perceptual discriminator: small critics on the features of a frozen VGG16, conditioned on robust labels.

Richter, AlHaija, Koltun, "Enhancing Photorealism Enhancement", 2021, sec. 3.3; projection: Miyato & Koyama, "cGANs
with Projection Discriminator", 2018; adaptive updates: Karras et al., "Training Generative Adversarial Networks with
Limited Data", 2020, applied per critic.

Shapes: B images, C features, K classes, H W pixels, h w cells of a critic's scores.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.layers.convolutions import ReplicateConv2d
from epe.layers.spec import check_limits
from epe.networks.backbones.vgg import CHANNELS

LIMITS = {"classes": (1, 65536), "layers": (1, 16), "max_width": (8, 4096)}

LabelReduction = Literal["pooled", "sampled"]

# The ten layers of the release.
RELEASED_TAPS = (
    "relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu3_2", "relu3_3", "relu4_1", "relu4_2", "relu4_3",
)  # fmt: skip


@dataclass(frozen=True)
class DiscriminatorSpec:
    """The sizes of the ensemble of critics; the defaults are the release's.

    Attributes:
        taps: VGG16 layers, one critic each.
        classes: size of the label taxonomy (194: the universal taxonomy of MSeg).
        layers: convolutions per critic before its output.
        max_width: widest convolution of a critic.
        labels: what a cell's embedding represents: "pooled", the mean over all of its pixels; "sampled", as released, a
            bilinear sample of the embedded pixels, which sees four of them (194 px: cells of 13 x 13 see every 16th).
    """

    taps: tuple[str, ...] = RELEASED_TAPS
    classes: int = 194
    layers: int = 4
    max_width: int = 256
    labels: LabelReduction = "pooled"

    def __post_init__(self) -> None:
        unknown = [tap for tap in self.taps if tap not in CHANNELS]
        if unknown or not self.taps or len(set(self.taps)) < len(self.taps):
            raise ValueError(f"taps must be some of {', '.join(CHANNELS)}, each once, got {self.taps!r:.200}.")
        check_limits(self, LIMITS)
        if self.max_width % 8:
            raise ValueError(f"max_width must be a multiple of 8, the number of groups, got {self.max_width}.")


class Critic(nn.Module):
    """Scores cells of about 16 px: an unconditional score plus a projection on the embedded class of the cell.

    Args:
        tap: VGG16 layer that it reads; its block determines how often the resolution is halved.
        classes: K.
        layers: convolutions before the output.
        max_width: widest convolution.
        labels: as in `DiscriminatorSpec`.
    """

    def __init__(self, tap: str, classes: int, layers: int, max_width: int, labels: LabelReduction = "pooled") -> None:
        super().__init__()
        self.labels = labels
        halvings = max(0, 5 - int(tap[4]))  # relu1 is at 1/1, relu4 at 1/8; the scores are at about 1/16
        width = CHANNELS[tap]
        base = width
        modules: list[nn.Module] = []
        for i in range(layers):
            wider = min(max_width, base * 2**i)
            stride = 2 if i < halvings else 1
            modules += [
                ReplicateConv2d(width, wider, stride=stride, bias=False),
                nn.GroupNorm(8, wider),
                nn.LeakyReLU(0.2),
            ]
            width = wider
        self.body = nn.Sequential(*modules)
        self.out = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(width, 1, 1))
        self.embedding = nn.Embedding(classes, width)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=0.2)
        nn.init.normal_(self.embedding.weight, std=0.01)

    def forward(self, features: Tensor, masks: Tensor) -> Tensor:
        """Return scores (B, 1, h, w) for features (B, C, H, W) of the tap and label masks (B, K, H', W')."""
        x = self.body(features)
        # Both steps are linear, so resizing masks before mixing the embeddings gives the same sum as embedding every
        # pixel, with a hundredth of the memory.
        size = (x.shape[-2], x.shape[-1])
        if self.labels == "pooled":
            cells = F.adaptive_avg_pool2d(masks, size).to(x.dtype)
        else:
            cells = F.interpolate(masks, size, mode="bilinear", align_corners=True).to(x.dtype)
        embedded = torch.einsum("bkhw,kc->bchw", cells, self.embedding.weight.to(x.dtype))
        return self.out(x) + (embedded * x).sum(dim=1, keepdim=True)


class PerceptualDiscriminator(nn.Module):
    """An ensemble of critics, one per tap."""

    def __init__(self, spec: DiscriminatorSpec) -> None:
        super().__init__()
        self.spec = spec
        self.critics = nn.ModuleDict(
            {tap: Critic(tap, spec.classes, spec.layers, spec.max_width, spec.labels) for tap in spec.taps}
        )

    def forward(self, features: Mapping[str, Tensor], labels: Tensor) -> dict[str, Tensor]:
        """Score a batch of images.

        Args:
            features: features of the images by tap; missing taps are left out of the result, which is how adaptive
                updates skip critics.
            labels: class ids (B, H, W), below `spec.classes`.

        Returns:
            Scores by tap, (B, 1, h, w); 1 means a photograph, 0 a rendering.

        Raises:
            ValueError: an id is outside the taxonomy.
        """
        if int(labels.max()) >= self.spec.classes or int(labels.min()) < 0:
            raise ValueError(
                f"label ids must be in 0 .. {self.spec.classes - 1}, got {int(labels.min())} .. {int(labels.max())}."
            )
        # One-hot masks are written in place, because F.one_hot would first allocate int64 for every class and pixel.
        masks = torch.zeros(len(labels), self.spec.classes, *labels.shape[1:], device=labels.device)
        masks.scatter_(1, labels.long()[:, None], 1.0)
        return {tap: self.critics[tap](features[tap], masks) for tap in self.spec.taps if tap in features}
