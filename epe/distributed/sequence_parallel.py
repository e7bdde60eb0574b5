"""Tokens of one image on several processes, each with a part of them: what attention and statistics need of the others.

Weights are the same in every process, a loss is the sum of what each makes of its own tokens, so gradients of weights
are to be summed over these processes too. Queries never travel. What does, per layer and sample:

* linear attention: one sum of h * d * (d + 1) numbers there and one back, whatever the number of tokens (Sun et al.,
  "Linear Attention Sequence Parallelism", 2024);
* softmax attention: keys and values go once round the ring of processes, and back with their gradients (Liu et al.,
"Ring Attention
  with Blockwise Transformers", 2023), added up by running maxima and sums (Milakov and Gimelshein, 2018);
* means and variances over tokens: their sums; softmaxes over positions: their maxima;
* once, behind what is shared: all tokens, to go on with in every process, and their gradients back
(`SequenceParallel.all_gather`). This
  is the one part that grows with an image: N * C numbers, against the memory and the work that N tokens take.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


@dataclass(frozen=True)
class SequenceParallel:
    """The processes that share the tokens of an image; by default one process has them all.

    Attributes:
        group: of torch.distributed, such as one dimension of a device mesh; None: this process has all tokens.
    """

    group: dist.ProcessGroup | None = None

    @property
    def size(self) -> int:
        """Number of processes."""
        return dist.get_world_size(self.group) if self.group else 1

    @property
    def rank(self) -> int:
        """Number of this one."""
        return dist.get_rank(self.group) if self.group else 0

    def sum(self, x: Tensor) -> Tensor:
        """The sum of a tensor over processes; so are gradients."""
        return x if self.group is None else _AllReduce.apply(x, self.group)  # type: ignore[no-untyped-call]

    def max(self, x: Tensor) -> Tensor:
        """The elementwise maximum over processes, without gradients."""
        found = x.detach().clone()
        if self.group:
            dist.all_reduce(found, dist.ReduceOp.MAX, self.group)
        return found

    def lengths(self, length: int, device: torch.device) -> list[int]:
        """Tokens of each process."""
        if self.group is None:
            return [length]
        found = torch.zeros(self.size, dtype=torch.long, device=device)
        found[self.rank] = length
        dist.all_reduce(found, group=self.group)
        return found.tolist()

    def shift(self, tensors: list[Tensor], length: int) -> list[Tensor]:
        """Send tensors (..., tokens, d) to the next process, receive those of the one before, of `length` tokens."""
        assert self.group is not None
        after, before = (dist.get_global_rank(self.group, (self.rank + i) % self.size) for i in (1, -1))
        sent = [tensor.contiguous() for tensor in tensors]
        found = [tensor.new_empty(*tensor.shape[:-2], length, tensor.shape[-1]) for tensor in sent]
        ways = [dist.P2POp(dist.isend, tensor, after, self.group) for tensor in sent]
        ways += [dist.P2POp(dist.irecv, tensor, before, self.group) for tensor in found]
        for way in dist.batch_isend_irecv(ways):
            way.wait()
        return found

    def shard(self, x: Tensor) -> Tensor:
        """The part of tokens that this process works on, out of tokens (..., N, C) that all processes have."""
        return x if self.group is None else x.tensor_split(self.size, dim=-2)[self.rank]

    def all_gather(self, x: Tensor) -> Tensor:
        """The tokens of all processes, in their order: (..., N of this one, C) -> (..., N of all, C).

        What every process does with all tokens is again a part of the loss of all: with `shard` before and this after,
        gradients of weights are `size` times those of one process, wherever the weights are. Their mean is right.
        """
        return x if self.group is None else _AllGather.apply(x, self)  # type: ignore[no-untyped-call]

    def softmax(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Softmax attention of this process's queries (..., N, d) to the keys and values (..., M, d) of all."""
        with torch.autocast(q.device.type, enabled=False):  # which would take precision away again
            return _RingSoftmax.apply(q, k, v, self)  # type: ignore[no-untyped-call]


ALONE = SequenceParallel()


def precise(x: Tensor) -> Tensor:
    """fp32 at least: sums over many tokens lose too much in bfloat16."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def moments(x: Tensor, sequence: SequenceParallel) -> tuple[Tensor, Tensor]:
    """Mean and variance (..., 1, C) over the tokens (..., N, C) of all processes, in two passes as for one."""
    count = sequence.sum(x.new_tensor(float(x.shape[-2])))
    mean = sequence.sum(x.sum(-2, keepdim=True)) / count
    return mean, sequence.sum((x - mean).square().sum(-2, keepdim=True)) / count


class _AllReduce(torch.autograd.Function):
    """Sums there and back: what one process makes of the sum is a part of the loss of all."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: dist.ProcessGroup) -> Tensor:
        ctx.group, total = group, x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        gradient = gradient.clone()
        dist.all_reduce(gradient, group=ctx.group)
        return gradient, None


class _AllGather(torch.autograd.Function):
    """Gathers tokens; back come the sums of what all processes made of this one's."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, sequence: SequenceParallel) -> Tensor:
        lengths = sequence.lengths(x.shape[-2], x.device)
        ctx.sequence, ctx.start, ctx.length = sequence, sum(lengths[: sequence.rank]), x.shape[-2]
        # Parts of equal size travel in one call.
        padded = F.pad(x, (0, 0, 0, max(lengths) - x.shape[-2])).contiguous()
        parts = [torch.empty_like(padded) for _ in lengths]
        dist.all_gather(parts, padded, group=sequence.group)
        return torch.cat([part[..., :length, :] for part, length in zip(parts, lengths, strict=True)], dim=-2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        gradient = gradient.contiguous().clone()
        dist.all_reduce(gradient, group=ctx.sequence.group)
        return gradient.narrow(-2, ctx.start, ctx.length), None


class _RingSoftmax(torch.autograd.Function):
    """Softmax attention, block by block of keys, as they come round."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, sequence: SequenceParallel) -> Tensor:
        # What adds up does so in fp32 at least; keys and values travel as they are.
        scale, wide = q.shape[-1] ** -0.5, precise(q)
        largest = wide.new_full((*q.shape[:-1], 1), -torch.inf)
        weight, made = torch.zeros_like(largest), torch.zeros_like(wide)
        for keys, values in _round(sequence, k, v):
            logits = wide @ precise(keys).mT * scale
            before, largest = largest, torch.maximum(largest, logits.amax(-1, keepdim=True))
            found, kept = (logits - largest).exp(), (before - largest).exp()
            weight = weight * kept + found.sum(-1, keepdim=True)
            made = made * kept + found @ precise(values)
        out = made / weight
        ctx.sequence, ctx.scale = sequence, scale
        ctx.save_for_backward(q, k, v, out, largest + weight.log())
        return out.to(q.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, out, norm = ctx.saved_tensors
        dtype, q, gradient = q.dtype, precise(q), precise(gradient)
        sequence, scale = ctx.sequence, ctx.scale
        lengths = sequence.lengths(k.shape[-2], k.device)
        inner, of_q = (gradient * out).sum(-1, keepdim=True), torch.zeros_like(q)
        # Keys and values go round together with their gradients, and are at home again in the end.
        going = [k, v, torch.zeros_like(precise(k)), torch.zeros_like(precise(v))]
        for step in range(sequence.size):
            keys, values, of_keys, of_values = going
            weights = (q @ precise(keys).mT * scale - norm).exp()
            of_logits = weights * (gradient @ precise(values).mT - inner) * scale
            of_q += of_logits @ precise(keys)
            going = [keys, values, of_keys + of_logits.mT @ q, of_values + weights.mT @ gradient]
            if sequence.size > 1:
                going = sequence.shift(going, lengths[(sequence.rank - step - 1) % sequence.size])
        return of_q.to(dtype), going[2].to(dtype), going[3].to(dtype), None


def _round(sequence: SequenceParallel, k: Tensor, v: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Keys and values of this process, then of the one before it, and so on round the ring."""
    yield k, v
    lengths = sequence.lengths(k.shape[-2], k.device)
    for step in range(1, sequence.size):
        k, v = sequence.shift([k, v], lengths[(sequence.rank - step) % sequence.size])
        yield k, v
