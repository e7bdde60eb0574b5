"""A transformer over the codes of pictures: it predicts the next code, given a condition and the previous codes.

Esser, Rombach, Ommer, "Taming Transformers for High-Resolution Image Synthesis", CVPR 2021, sec. 3.2 and table 8. The
layers are those of GPT-2 (Radford et al., 2019): norms come before attention and MLP, positions are learnt.

A map of codes is read row by row, after its condition: one label, or a map of codes of the same size (from a class map
or G-buffers). In the published networks, codes and conditions share one embedding table, so code 7 of a class map and
code 7 of a photograph start as the same vector, and only positions distinguish them. This is kept for their weights
(`condition_codes` 0). This project's networks have a table for each: the numbers are unrelated, conditions may have
more codes than pictures, and the second table costs little.

Shapes: B maps, P tokens of the condition, M codes, V codes in the codebook, C features.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from epe.layers.attention import CausalAttention, KeyValueCache
from epe.layers.spec import Spec, check_heads, check_limits

LIMITS = {
    "codes": (2, 1 << 17), "context": (2, 1 << 13), "layers": (1, 128), "width": (1, 8192), "heads": (1, 128),
    "side": (1, 64), "conditions": (1, 1 << 12), "condition_codes": (0, 1 << 17), "unmasked": (0, 1 << 12),
}  # fmt: skip
START = 0
"""The label of pictures that have none: the only condition of an unconditional transformer."""
DEVIATION = 0.02
"""Standard deviation of the initial weights."""


@dataclass(frozen=True)
class GPTSpec(Spec):
    """The sizes of a `GPT`.

    Attributes:
        codes: V.
        context: maximum number of tokens, for which it has positions.
        layers, width, heads: blocks, C, and attention heads.
        side: rows and columns of the maps it is trained on; for larger maps, of the window.
        conditions: P, 1 for a label or no condition, side * side for a map of codes.
        condition_codes: number of codes or labels of a condition, with embeddings of their own; 0: they share those of
            the pictures' codes.
        unmasked: number of first tokens that see each other; the others see only the tokens before them.
    """

    codes: int
    context: int
    layers: int = 24
    width: int = 1024
    heads: int = 16
    side: int = 16
    conditions: int = 1
    condition_codes: int = 0
    unmasked: int = 0

    def __post_init__(self) -> None:
        check_limits(self, LIMITS)
        check_heads(self.width, self.heads)
        tokens = self.conditions + self.side**2 - 1
        if self.context < tokens:
            raise ValueError(f"context is {self.context}, wanted {tokens} or more: a condition and all codes but one.")
        if self.unmasked > self.conditions:
            raise ValueError(
                f"unmasked is {self.unmasked}, wanted {self.conditions} or less: codes would see later ones."
            )


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "gpt-coco": {"codes": 8192, "context": 512, "layers": 32, "width": 1280, "conditions": 256},
    "gpt-drin": {"codes": 1024, "context": 512, "conditions": 256},
    "gpt-in": {"codes": 1024, "context": 256},
    "gpt-cin": {"codes": 1024, "context": 257},
    "gpt-cin-big": {"codes": 16384, "context": 257, "layers": 48, "width": 1536},
    "gpt-ffhq": {"codes": 1024, "context": 256, "layers": 28},
    "gpt-faces-big": {"codes": 1024, "context": 256, "width": 1664},
    "gpt-coco-scene": {"codes": 8192, "context": 348, "layers": 40, "width": 1408, "conditions": 92},
    "gpt-oi-scene": {"codes": 8192, "context": 348, "layers": 36, "width": 1536, "conditions": 92},
}
"""Published sizes for which the paper's table and the numbers of parameters agree. gpt-drin (depth) is also the size
for S-FLCKR (class maps) and FacesHQ; the scenes' conditions are lists of boxes."""


class Block(nn.Module):
    """Causal attention, then an MLP on each token, each with a residual connection."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = CausalAttention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, cache: KeyValueCache | None, unmasked: int) -> Tensor:
        """Process tokens (B, N, C), which follow those in `cache`, if there is one."""
        x = x + self.dropout(self.attention(self.norm1(x), cache, unmasked))
        return x + self.dropout(self.mlp(self.norm2(x)))


class GPT(nn.Module):
    """A condition and codes -> logits of each next code.

    Args:
        spec: the sizes.
        dropout: share of features set to 0 in training, in embeddings and in what each block adds.
    """

    kind = "gpt"

    def __init__(self, spec: GPTSpec, dropout: float = 0.0) -> None:
        super().__init__()
        self.spec = spec
        self.codes = nn.Embedding(spec.codes, spec.width)
        self.conditions = nn.Embedding(spec.condition_codes, spec.width) if spec.condition_codes else None
        self.positions = nn.Parameter(torch.empty(spec.context, spec.width))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(spec.width, spec.heads, dropout) for _ in range(spec.layers))
        self.norm = nn.LayerNorm(spec.width)
        self.head = nn.Linear(spec.width, spec.codes, bias=False)
        nn.init.normal_(self.positions, std=DEVIATION)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=DEVIATION)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def new_past(self) -> list[KeyValueCache]:
        """Return an empty cache for each block."""
        return [KeyValueCache(self.spec.context) for _ in self.blocks]

    def forward(
        self, codes: Tensor, condition: Tensor | None = None, past: list[KeyValueCache] | None = None
    ) -> Tensor:
        """Compute the logits of the codes that follow.

        Args:
            codes: (B, M) int64, codes of a map or its window, row by row: the first ones, or those that follow `past`.
            condition: (B, P) int64; given only with the first codes.
            past: caches of the condition and the previous codes, to which these codes are added; None: there are none,
                and these codes are not kept.

        Returns:
            The logits of the code after each, (B, M, V); if a condition was given, those of the first code come before
            them, (B, M + 1, V).

        Raises:
            ValueError: the condition is missing or given again, or there are more tokens than positions.
        """
        start = past[0].length if past else 0
        if (condition is None) == (start == 0):
            raise ValueError("wanted a condition with the first codes, and what is past with all others.")
        x = self.codes(codes)
        if condition is not None:
            table = self.codes if self.conditions is None else self.conditions
            x = torch.cat([table(condition), x], dim=1)
        end = start + x.shape[1]
        if end > self.spec.context:
            raise ValueError(f"got {end} tokens, wanted {self.spec.context} or fewer.")
        x = self.dropout(x + self.positions[start:end])
        for number, block in enumerate(self.blocks):
            x = block(x, past[number] if past else None, self.spec.unmasked)
        if condition is not None:  # the condition's last token predicts the first code
            x = x[:, condition.shape[1] - 1 :]
        logits: Tensor = self.head(self.norm(x))
        return logits
