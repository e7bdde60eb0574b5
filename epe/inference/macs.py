"""Count a network's multiply-adds, operation by operation as it runs; on the meta device this needs no memory.

The bias of a convolution or matrix product does not count, nor do normalisation, activation and resizing. This is the
convention of most publications ("GMACs"); twice the number is "FLOPs".
"""

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten


def convolution(out: Tensor, x: Tensor, weight: Tensor, *rest: Any) -> int:
    """Count a convolution: one multiply-add per output value (transposed: input value), channel and kernel position."""
    transposed = bool(rest[4])
    return (x if transposed else out).numel() * prod(weight.shape[1:])


def product(out: Tensor, left: Tensor, right: Tensor, *rest: Any) -> int:
    """Count a product of matrices or of batches of matrices."""
    return out.numel() * left.shape[-1]


def product_onto(out: Tensor, start: Tensor, left: Tensor, right: Tensor, *rest: Any) -> int:
    """Count a matrix product that is added to a tensor."""
    return out.numel() * left.shape[-1]


def attention(out: Any, query: Tensor, key: Tensor, value: Tensor, *rest: Any) -> int:
    """Count fused attention (query times key, then weights times value) on tensors (B, heads, length, width)."""
    return prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


COUNTED: dict[Any, Callable[..., int]] = {
    aten.convolution: convolution,
    aten.mm: product,
    aten.bmm: product,
    aten.addmm: product_onto,
    aten.baddbmm: product_onto,
    aten._scaled_dot_product_flash_attention_for_cpu: attention,
    aten._scaled_dot_product_flash_attention: attention,
    aten._scaled_dot_product_efficient_attention: attention,
    aten._scaled_dot_product_cudnn_attention: attention,
    aten._scaled_dot_product_fused_attention_overrideable: attention,
}


class Macs(TorchDispatchMode):
    """Counts the multiply-adds of the code inside it: `with Macs() as macs: network(x)`, then `macs.total`.

    Products in a backward pass also count.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        count = COUNTED.get(func.overloadpacket)
        if count is None:
            # In inference mode `conv2d` and `linear` arrive undecomposed, but only their parts can be counted.
            with self:
                out = func.decompose(*args, **(kwargs or {}))
            if out is not NotImplemented:
                return out
        out = func(*args, **(kwargs or {}))
        if count is not None:
            self.total += count(out, *args)
        return out
