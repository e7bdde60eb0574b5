"""Sequence parallelism: several processes share the tokens of one image and exchange what attention needs.

Weights are the same in every process. The loss is the sum of what the processes compute from their own tokens, so
weight gradients must also be summed over these processes. Queries are never sent. Per layer and sample, processes
exchange:

* for linear attention, one sum of h * d * (d + 1) numbers in the forward pass and one in the backward pass, whatever
  the number of tokens (Sun et al., "Linear Attention Sequence Parallelism", 2024);
* for softmax attention, keys and values, which go once round the ring of processes, and once more with their gradients
  in the backward pass (Liu et al., "Ring Attention with Blockwise Transformers", 2023); results accumulate with running
  maxima and sums (Milakov and Gimelshein, 2018);
* for means and variances over tokens, sums; for softmaxes over positions, maxima;
* once, after the shared layers, all tokens and their gradients, so every process can continue with the whole image
  (`SequenceParallel.all_gather`). This is the only part that grows with the image: N * C numbers, little compared with
  the memory and work that N tokens take.
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
    """The processes that share the tokens of an image; by default a single process has all tokens.

    Attributes:
        group: process group of torch.distributed, such as one dimension of a device mesh; None: this process alone.
    """

    group: dist.ProcessGroup | None = None

    @property
    def size(self) -> int:
        """Number of processes."""
        return dist.get_world_size(self.group) if self.group else 1

    @property
    def rank(self) -> int:
        """Rank of this process in the group."""
        return dist.get_rank(self.group) if self.group else 0

    def sum(self, x: Tensor) -> Tensor:
        """Return the sum of a tensor over processes; gradients are also summed."""
        return x if self.group is None else _AllReduce.apply(x, self.group)  # type: ignore[no-untyped-call]

    def max(self, x: Tensor) -> Tensor:
        """Return the elementwise maximum of a tensor over processes, without gradients."""
        found = x.detach().clone()
        if self.group:
            dist.all_reduce(found, dist.ReduceOp.MAX, self.group)
        return found

    def lengths(self, length: int, device: torch.device) -> list[int]:
        """Return the number of tokens of each process, given that of this one."""
        if self.group is None:
            return [length]
        found = torch.zeros(self.size, dtype=torch.long, device=device)
        found[self.rank] = length
        dist.all_reduce(found, group=self.group)
        return found.tolist()

    def shift(self, tensors: list[Tensor], length: int) -> list[Tensor]:
        """Send tensors (..., tokens, d) to the next process; return those of the previous one, with `length` tokens."""
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
        """Return this process's part of the tokens (..., N, C); every process has a full copy."""
        return x if self.group is None else x.tensor_split(self.size, dim=-2)[self.rank]

    def all_gather(self, x: Tensor) -> Tensor:
        """Gather the tokens of all processes, in order of rank: (..., N of this process, C) -> (..., N of all, C).

        Every process then computes the whole loss from all tokens. With `shard` before and `all_gather` after the
        shared layers, weight gradients summed over processes are `size` times those of a single process, wherever the
        weights are. So their mean is right.
        """
        return x if self.group is None else _AllGather.apply(x, self)  # type: ignore[no-untyped-call]

    def softmax(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Apply softmax attention from this process's queries (..., N, d) to the keys and values (..., M, d) of all.

        `k` and `v` are those of this process; the result is (..., N, d).
        """
        with torch.autocast(q.device.type, enabled=False):  # autocast would reduce the precision again
            return _RingSoftmax.apply(q, k, v, self)  # type: ignore[no-untyped-call]


ALONE = SequenceParallel()


def precise(x: Tensor) -> Tensor:
    """Convert to fp32 or better, because sums over many tokens lose too much in bfloat16."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def moments(x: Tensor, sequence: SequenceParallel) -> tuple[Tensor, Tensor]:
    """Return mean and variance (..., 1, C) over the tokens (..., N, C) of all processes, computed in two passes."""
    count = sequence.sum(x.new_tensor(float(x.shape[-2])))
    mean = sequence.sum(x.sum(-2, keepdim=True)) / count
    return mean, sequence.sum((x - mean).square().sum(-2, keepdim=True)) / count


class _AllReduce(torch.autograd.Function):
    """Sum over processes, forward and backward: each process's use of the sum contributes to the shared loss."""

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
    """Gather tokens; the backward pass sums the gradients that all processes have for this process's tokens."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, sequence: SequenceParallel) -> Tensor:
        lengths = sequence.lengths(x.shape[-2], x.device)
        ctx.sequence, ctx.start, ctx.length = sequence, sum(lengths[: sequence.rank]), x.shape[-2]
        # Once padded to equal size, all parts can be gathered in one call.
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
    """Softmax attention, accumulated over the blocks of keys as they arrive from the ring."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, sequence: SequenceParallel) -> Tensor:
        # Sums are accumulated in fp32 or better; keys and values are sent in their own precision.
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
        # Keys and values go round the ring with their gradients, and end up at the process they came from.
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
    """Yield the keys and values of this process, then of the previous one, and so on round the ring."""
    yield k, v
    lengths = sequence.lengths(k.shape[-2], k.device)
    for step in range(1, sequence.size):
        k, v = sequence.shift([k, v], lengths[(sequence.rank - step) % sequence.size])
        yield k, v
