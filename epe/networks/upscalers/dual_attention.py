"""A transformer that enlarges images four times by alternating attention within windows and between features.

After Craap, "transformerSR" (github.com/Craap/models, 2023), whose blocks follow Ding et al., "DaViT", ECCV 2022.

`legacy` is the published network. It divides logits by d^2 within windows and by N^2 between features (d features per
head, N pixels of the image) instead of the usual square roots. So attention is nearly uniform at the start, and between
features it changes with the image size. Its windows do not overlap and have no positions, so only the first and the
last layer mix neighbours across their borders. Without `legacy`, the logits between features are cosines times a learnt
factor, every other window layer is shifted, windows have a relative position bias, and the network's output is added to
the bicubic enlargement (it is 0 at first), while the published network outputs the whole picture.

Shapes: B images, C features, h heads, H W pixels, N = H W, s the factor.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from epe.layers.attention import ChannelAttention, Projected, joined
from epe.layers.spec import check_heads, check_limits
from epe.layers.windows import WindowAttention
from epe.networks.upscalers.guides import GuideLayer
from epe.upscaler import Upscaler, UpscalerSpec

EXPANSION = 4
"""Features inside an MLP, as a multiple of C."""


@dataclass(frozen=True)
class DualAttentionSpec(UpscalerSpec):
    """The sizes of a `DualAttention`.

    Attributes:
        pairs: number of pairs of blocks, one of each kind of attention.
        width: C.
        heads: h.
        window: pixels a side of a window.
        legacy: whether to build the published network.
    """

    pairs: int = 8
    width: int = 256
    heads: int = 16
    window: int = 4
    legacy: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_limits(self, {"pairs": (1, 64), "width": (4, 1024), "heads": (1, 64), "window": (2, 64)})
        check_heads(self.width, self.heads)
        if type(self.legacy) is not bool:
            raise ValueError(f"legacy must be true or false, got {self.legacy!r:.40}.")

    @property
    def multiple_of(self) -> int:
        return self.window


class SumChannelAttention(Projected):
    """Attention between features as published: logits are sums over all pixels, divided by N^2."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the attention to tokens (..., N, C)."""
        count = x.shape[-2]
        q, k, v = (found.mT for found in self.project(x, x))
        # Each factor is divided by N, because the sums over all pixels would overflow half floats.
        return self.out(joined(F.scaled_dot_product_attention(q / count, k / count, v, scale=1.0).mT))


class Block(nn.Module):
    """Attention and an MLP, each after a layer norm and with a residual connection."""

    def __init__(self, attention: nn.Module, width: int) -> None:
        super().__init__()
        self.norm1, self.attention, self.norm2 = nn.LayerNorm(width), attention, nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, EXPANSION * width), nn.GELU(), nn.Linear(EXPANSION * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Transform a map (B, H, W, C)."""
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class OverPixels(nn.Module):
    """Attention between features, for maps (B, H, W, C) instead of tokens."""

    def __init__(self, tokens: nn.Module) -> None:
        super().__init__()
        self.tokens = tokens

    def forward(self, x: Tensor) -> Tensor:
        return self.tokens(x.flatten(1, 2)).unflatten(1, x.shape[1:3])


def window_attention(spec: DualAttentionSpec, index: int) -> WindowAttention:
    """Return the window attention of a pair of blocks."""
    if spec.legacy:
        scale = (spec.width // spec.heads) ** -2.0
        return WindowAttention(spec.width, spec.heads, spec.window, located=False, scale=scale)
    return WindowAttention(spec.width, spec.heads, spec.window, shift=index % 2 * (spec.window // 2))


class DualAttention(Upscaler):
    """Alternating window and channel attention, then a pixel shuffle."""

    kind = "dual-attention"
    spec_type = DualAttentionSpec
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "dual-attention-x4": {"scale": 4},
        "dual-attention-x4-legacy": {"scale": 4, "legacy": True},
        "dual-attention-x4-small": {"scale": 4, "pairs": 4, "width": 96, "heads": 6},
    }
    tile = 128
    margin = 8  # channels are mixed according to the tile's content, which no margin can fix
    spec: DualAttentionSpec

    def __init__(self, spec: DualAttentionSpec) -> None:
        super().__init__(spec)
        width, between = spec.width, SumChannelAttention if spec.legacy else ChannelAttention
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.body = nn.Sequential()
        for index in range(spec.pairs):
            self.body.append(Block(window_attention(spec, index), width))
            self.body.append(Block(OverPixels(between(width, spec.heads)), width))
        self.last = nn.Conv2d(width, 3 * spec.scale**2, 3, padding=1)
        if not spec.legacy:
            for parameter in self.last.parameters():  # at first the result is the bicubic enlargement
                nn.init.zeros_(parameter)
        if spec.guides:
            self.guide = GuideLayer(spec.guides, width, spec.scale)

    def forward(self, image: Tensor, guides: Tensor | None = None) -> Tensor:
        self.check_guides(image, guides)
        x = self.first(image - 0.5)
        if guides is not None:
            x = x + self.guide(guides)
        x = F.pixel_shuffle(self.last(self.body(x.movedim(1, -1)).movedim(-1, 1)), self.spec.scale)
        if self.spec.legacy:
            return x + 0.5
        return x + F.interpolate(image, scale_factor=self.spec.scale, mode="bicubic", align_corners=False)
