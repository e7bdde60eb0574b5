"""A weight for an adversarial loss that keeps its gradient at the last layer as large as the reconstruction loss's.

Esser, Rombach, Ommer, "Taming Transformers for High-Resolution Image Synthesis", CVPR 2021, equation 7; the small
number and the limit are those of their release (in the paper: 1e-6 and no limit).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

SMALL, LIMIT = 1e-4, 1e4


def adaptive_weight(
    reconstruction: Tensor,
    adversarial: Tensor,
    last: Tensor,
    average: Callable[[Sequence[Tensor]], None] = lambda _: None,
) -> Tensor:
    """Return the ratio of the norms of two losses' gradients, a scalar without gradient, at most 1e4.

    Args:
        reconstruction, adversarial: scalar losses, computed in fp32; their graphs are kept.
        last: the weight of the last layer that both depend on.
        average: replaces tensors, in place, by their means over the processes that share a batch.
    """
    gradients = [torch.autograd.grad(loss, last, retain_graph=True)[0] for loss in (reconstruction, adversarial)]
    average(gradients)
    wanted, found = (gradient.norm() for gradient in gradients)
    return (wanted / (found + SMALL)).clamp(0, LIMIT).detach()
