"""Attention layers, shared by all transformers of this project.

Shapes: B samples, N tokens, M tokens of a memory, C features, h heads of d = C / h features, H W the sides of a map.
Sources: softmax attention, Vaswani et al., "Attention Is All You Need", 2017; linear, Katharopoulos et al.,
"Transformers are RNNs", 2020, and Shen et al., "Efficient Attention", 2021; channels, El-Nouby et al., "XCiT", 2021.
Windows of maps are in epe/layers/windows.py.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.distributed.sequence_parallel import ALONE, SequenceParallel
from epe.layers.spec import check_heads


def split(x: Tensor, heads: int) -> Tensor:
    """Split features into heads: (..., N, C) -> (..., h, N, d)."""
    return x.unflatten(-1, (heads, -1)).transpose(-2, -3)


def joined(x: Tensor) -> Tensor:
    """Join heads into features: (..., h, N, d) -> (..., N, C)."""
    return x.transpose(-2, -3).flatten(-2)


class Projected(nn.Module):
    """The projections of an attention layer: queries, keys, values and output. Subclasses define the attention.

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
        """Return queries (..., h, N, d) of `x` (..., N, C), keys and values (..., h, M, d) of `memory` (..., M, C)."""
        return (
            split(self.query(x), self.heads),
            split(self.key(memory), self.heads),
            split(self.value(memory), self.heads),
        )


class Attention(Projected):
    """Softmax attention from tokens to themselves or to a memory.

    Args:
        width: C.
        heads: h; divides C.
        bias: whether queries, keys and values have biases.
        scale: factor of the logits, within one process; None: 1 / sqrt(d).
    """

    def __init__(self, width: int, heads: int, bias: bool = True, scale: float | None = None) -> None:
        super().__init__(width, heads, bias)
        self.scale = scale

    def forward(
        self, x: Tensor, memory: Tensor | None = None, bias: Tensor | None = None, sequence: SequenceParallel = ALONE
    ) -> Tensor:
        """Apply the attention.

        Args:
            x: tokens (..., N, C) that give the queries.
            memory: tokens (..., M, C) that give keys and values; None: `x`.
            bias: added to the logits, broadcast to (..., h, N, M); -inf masks a token. Only within one process.
            sequence: processes that hold the other tokens of `x` and of `memory`.

        Returns:
            (..., N, C).

        Raises:
            ValueError: a bias was given, but several processes share the tokens.
        """
        if sequence.size > 1 and bias is not None:
            raise ValueError("attention over several processes takes no bias: its keys come from other processes.")
        q, k, v = self.project(x, x if memory is None else memory)
        if sequence.size > 1:
            return self.out(joined(sequence.softmax(q, k, v)))
        return self.out(joined(F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=self.scale)))


class LocationAttention(Attention):
    """Softmax attention that adds one learnt vector to all tokens before the queries are computed.

    This is RealFormer's "location-based" attention (Denny 2024), which despite its name uses no location. The published
    code also adds the vector before the keys. That adds the same number to all logits of a query, and the softmax
    cancels it.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.location = nn.Parameter(torch.zeros(width))

    def project(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return super().project(x + self.location, memory)


class KeyValueCache:
    """Keys and values of the tokens that causal attention has seen, in memory with room for all later ones.

    Args:
        room: maximum number of tokens. The memory is allocated when the first ones arrive.

    Attributes:
        length: number of tokens seen; set it to 0 to start again in the same memory.
    """

    def __init__(self, room: int) -> None:
        self.room, self.length = room, 0
        self._memory: tuple[Tensor, Tensor] | None = None

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add the keys and values (B, h, N, d) of N tokens; return those of all tokens, as views."""
        if self._memory is None:
            shape = (*keys.shape[:-2], self.room, keys.shape[-1])
            self._memory = keys.new_empty(shape), values.new_empty(shape)
        end = self.length + keys.shape[-2]
        for kept, new in zip(self._memory, (keys, values), strict=True):
            kept[..., self.length : end, :] = new
        self.length = end
        return self._memory[0][..., :end, :], self._memory[1][..., :end, :]


class CausalAttention(Projected):
    """Softmax attention from each token to itself and to the tokens before it."""

    def forward(self, x: Tensor, cache: KeyValueCache | None = None, unmasked: int = 0) -> Tensor:
        """Apply the attention.

        Args:
            x: tokens (B, N, C) that follow those in `cache`, and are added to it.
            cache: cache of the earlier tokens; None: there are none, and these are not kept.
            unmasked: number of first tokens that all tokens see, even those before them; they come in one call.

        Returns:
            (B, N, C).
        """
        q, k, v = self.project(x, x)
        if cache is not None:
            k, v = cache.extend(k, v)
        new, known = q.shape[-2], k.shape[-2]
        seen = None
        if new > 1:  # a single new token attends to all, so it needs no mask
            seen = torch.ones(new, known, dtype=torch.bool, device=x.device).tril(known - new)
            seen[:, :unmasked] = True
        return self.out(joined(F.scaled_dot_product_attention(q, k, v, attn_mask=seen)))


class LinearAttention(Projected):
    """Attention with linear cost in the number of tokens: a product of query and key features replaces the softmax.

    Args:
        width, heads, bias: as in `Projected`.
        rule: "elu" uses the features 1 + elu, with weights that add up to 1 (Katharopoulos et al.). "positions" applies
            a softmax over positions to keys, and a softmax over features to queries (Shen et al.).
    """

    def __init__(self, width: int, heads: int, rule: Literal["elu", "positions"] = "elu", bias: bool = True) -> None:
        super().__init__(width, heads, bias)
        self.rule = rule

    def forward(self, x: Tensor, memory: Tensor | None = None, sequence: SequenceParallel = ALONE) -> Tensor:
        """Apply the attention from `x` (..., N, C) to `memory` (..., M, C), None: `x`; `sequence` as in `Attention`."""
        q, k, v = self.project(x, x if memory is None else memory)
        if self.rule == "elu":
            q, k = one_plus_elu(q), one_plus_elu(k)
            values, keys = state(k, v, sequence)
            return self.out(joined(q @ values / (q @ keys)))
        values, keys = state((k - sequence.max(k.amax(-2, keepdim=True))).exp(), v, sequence)
        return self.out(joined(q.softmax(-1) @ (values / keys)))


def one_plus_elu(x: Tensor) -> Tensor:
    """Return 1 + elu(x), i.e. x + 1 above 0 and exp(x) below, exact in bfloat16 and never less than exp(-20).

    The lower limit matters: without it, a head whose features are all 0 would divide 0 by 0.
    """
    return F.relu(x) + x.clamp(-20, 0).exp()


def state(keys: Tensor, values: Tensor, sequence: SequenceParallel) -> tuple[Tensor, Tensor]:
    """Summarise a memory of any length for linear attention: sums over the tokens of all processes, in one call.

    Args:
        keys: (..., h, M, d), not negative.
        values: (..., h, M, d).

    Returns:
        The sums of keys times values (..., h, d, d), and of keys (..., h, d, 1).
    """
    total = sequence.sum(torch.cat([keys.mT @ values, keys.sum(-2)[..., None]], dim=-1))
    return total[..., :-1], total[..., -1:]


class ChannelAttention(Projected):
    """Attention between features, over all tokens: each head mixes its d features according to their similarity.

    The similarity is the cosine times a learnt factor per head (El-Nouby et al., "XCiT", 2021). DaViT's product of
    features is a sum over tokens instead, so its scale differs between training crops and whole frames.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the attention to tokens (..., N, C)."""
        q, k, v = (found.mT for found in self.project(x, x))
        q, k = self.temperature * F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        return self.out(joined(F.scaled_dot_product_attention(q, k, v, scale=1.0).mT))
