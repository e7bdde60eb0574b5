"""Attention: tokens take from other tokens, by how well queries fit keys. One kit for all transformers here.

Shapes: B samples, N tokens, M tokens of a memory, C features, h heads of d = C / h features, H W the sides of a map.
Sources: softmax attention, Vaswani et al., "Attention Is All You Need", 2017; linear, Katharopoulos et al.,
"Transformers are RNNs", 2020, and Shen et al., "Efficient Attention", 2021; channels, El-Nouby et al., "XCiT", 2021.
Windows of maps are in epe/layers/windows.py.
"""

import math
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.distributed.sequence_parallel import ALONE, SequenceParallel
from epe.layers.spec import check_heads


def split(x: Tensor, heads: int) -> Tensor:
    """(..., N, C) -> (..., h, N, d)."""
    return x.unflatten(-1, (heads, -1)).transpose(-2, -3)


def joined(x: Tensor) -> Tensor:
    """(..., h, N, d) -> (..., N, C)."""
    return x.transpose(-2, -3).flatten(-2)


class Projected(nn.Module):
    """Queries, keys and values of tokens, and the way back from heads; what lies between is the subclass's.

    Args:
        width: C.
        heads: h; divides C.
        bias: whether queries, keys and values have biases.

    Raises:
        ValueError: heads do not divide C.
    """

    def __init__(self, width: int, heads: int, bias: bool = True) -> None:
        super().__init__()
        check_heads(width, heads)
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width, bias) for _ in range(3))
        self.out = nn.Linear(width, width)

    def project(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(..., N, C) and (..., M, C) -> queries (..., h, N, d), keys and values (..., h, M, d)."""
        return (
            split(self.query(x), self.heads),
            split(self.key(memory), self.heads),
            split(self.value(memory), self.heads),
        )


class Attention(Projected):
    """Softmax attention, of tokens to themselves or to a memory."""

    def forward(
        self, x: Tensor, memory: Tensor | None = None, bias: Tensor | None = None, sequence: SequenceParallel = ALONE
    ) -> Tensor:
        """Of (..., N, C).

        Args:
            x: what asks.
            memory: (..., M, C), what is looked at; None: `x`.
            bias: added to the logits, broadcast to (..., h, N, M); -inf hides. Of tokens in one process only.
            sequence: processes that hold the other tokens, of `x` as of `memory`.

        Returns:
            (..., N, C).

        Raises:
            ValueError: a bias, and tokens in several processes.
        """
        if sequence.size > 1 and bias is not None:
            raise ValueError("attention round a sequence has no bias: its keys come from other processes.")
        q, k, v = self.project(x, x if memory is None else memory)
        if sequence.size > 1:
            return self.out(joined(sequence.softmax(q, k, v)))
        return self.out(joined(F.scaled_dot_product_attention(q, k, v, attn_mask=bias)))


class LocationAttention(Attention):
    """Softmax attention whose queries are made of tokens with one learnt vector more, the same for all: RealFormer's
    "location-based" attention (Denny 2024), which despite its name knows no location.

    The published code adds the vector to what keys are made of, too. That adds one number to all logits of a query, and
    the softmax takes it away again.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.location = nn.Parameter(torch.zeros(width))

    def project(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return super().project(x + self.location, memory)


class Cache(NamedTuple):
    """Keys and values (B, h, P, d) of the P tokens so far."""

    keys: Tensor
    values: Tensor


class CausalAttention(Projected):
    """Softmax attention of each token to itself and to those before it."""

    def forward(self, x: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """(B, N, C), the next tokens after those of `cache` -> (B, N, C), and the cache with them."""
        q, k, v = self.project(x, x)
        if cache is not None:
            k, v = torch.cat([cache.keys, k], dim=-2), torch.cat([cache.values, v], dim=-2)
        new, known = q.shape[-2], k.shape[-2]
        # One token alone sees all that there is.
        seen = None if new == 1 else torch.ones(new, known, dtype=torch.bool, device=x.device).tril(known - new)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        return self.out(joined(out)), Cache(k, v)


class LinearAttention(Projected):
    """Attention in time linear in tokens: the softmax is replaced by a product of features of queries and of keys.

    Args:
        width, heads, bias: as `Projected`.
        rule: "elu": features 1 + elu, weights add up to 1 (Katharopoulos et al.). "positions": keys by a softmax over
            positions, queries by one over features (Shen et al.).
    """

    def __init__(self, width: int, heads: int, rule: Literal["elu", "positions"] = "elu", bias: bool = True) -> None:
        super().__init__(width, heads, bias)
        self.rule = rule

    def forward(self, x: Tensor, memory: Tensor | None = None, sequence: SequenceParallel = ALONE) -> Tensor:
        """(..., N, C), and (..., M, C) or None for `x` -> (..., N, C); `sequence` as of `Attention`."""
        q, k, v = self.project(x, x if memory is None else memory)
        if self.rule == "elu":
            q, k = one_plus_elu(q), one_plus_elu(k)
            values, keys = state(k, v, sequence)
            return self.out(joined(q @ values / (q @ keys)))
        values, keys = state((k - sequence.max(k.amax(-2, keepdim=True))).exp(), v, sequence)
        return self.out(joined(q.softmax(-1) @ (values / keys)))


def one_plus_elu(x: Tensor) -> Tensor:
    """x + 1 above 0, exp(x) below: 1 + elu(x), but exact in bfloat16 and, far below, at least exp(-20), never 0.

    A head whose features are all 0 would divide 0 by 0.
    """
    return F.relu(x) + x.clamp(-20, 0).exp()


def state(keys: Tensor, values: Tensor, sequence: SequenceParallel) -> tuple[Tensor, Tensor]:
    """All that linear attention needs of a memory, however long: sums over the tokens of all processes, in one call.

    Args:
        keys: (..., h, M, d), not negative.
        values: (..., h, M, d).

    Returns:
        Keys times values (..., h, d, d), and keys (..., h, d, 1).
    """
    total = sequence.sum(torch.cat([keys.mT @ values, keys.sum(-2)[..., None]], dim=-1))
    return total[..., :-1], total[..., -1:]


class ChannelAttention(Projected):
    """Attention of features to features, over all tokens: a head mixes its d features, by how alike they are.

    Alike is the cosine, times a learnt factor per head (El-Nouby et al., "XCiT", 2021). A product of features, which
    DaViT takes, is a sum over tokens: it means one thing in crops that are trained on and another in whole frames.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(..., N, C) -> (..., N, C)."""
        q, k, v = (found.mT for found in self.project(x, x))
        q, k = self.temperature * F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        return self.out(joined(F.scaled_dot_product_attention(q, k, v, scale=1.0).mT))


class LocationBias(nn.Module):
    """What attention adds for where tokens lie: a learnt function of rows apart plus one of columns apart, per head.

    Distances are on a logarithmic scale and interpolated, so one table serves maps of all sizes (after the continuous
    biases of Liu et al., "Swin Transformer V2", 2022).

    Args:
        heads: h.
        steps: entries of a table to each side of 0.
        reach: tokens apart at the last entry; farther ones count as so far.
    """

    def __init__(self, heads: int, steps: int = 12, reach: int = 64) -> None:
        super().__init__()
        self.steps, self.reach = steps, reach
        self.rows, self.columns = (nn.Parameter(torch.zeros(heads, 2 * steps + 1)) for _ in range(2))

    def forward(self, size: tuple[int, int], memory: tuple[int, int] | None = None) -> Tensor:
        """Of a map of H x W tokens, row by row, that looks at one of H' x W', None: itself.

        Tokens of a memory of another size lie evenly over the same area.

        Returns:
            (h, HW, H'W').
        """
        parts = zip((self.rows, self.columns), size, size if memory is None else memory, strict=True)
        rows, columns = (self.between(table, to, of) for table, to, of in parts)
        return (rows[:, :, None, :, None] + columns[:, None, :, None, :]).flatten(3).flatten(1, 2)

    def between(self, table: Tensor, to: int, of: int) -> Tensor:
        """(h, to, of): a table at the distances between `to` and `of` places along one axis."""
        here = torch.arange(to, device=table.device) + 0.5
        there = (torch.arange(of, device=table.device) + 0.5) * (to / of)
        apart = there[None] - here[:, None]
        scaled = apart.sign() * torch.log1p(apart.abs()) / math.log1p(self.reach)
        position = (scaled.clamp(-1, 1) + 1) * self.steps
        low = position.floor().clamp(max=2 * self.steps - 1).long()
        fraction = (position - low).to(table.dtype)
        return table[:, low] * (1 - fraction) + table[:, low + 1] * fraction
