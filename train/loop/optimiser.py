"""One step of an optimiser, which is skipped if the loss or its gradient is not finite."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn


def weighted_sum(terms: Mapping[str, tuple[float, Tensor]]) -> Tensor:
    """Return the weighted sum of a loss's scalar terms."""
    return torch.stack([weight * value for weight, value in terms.values()]).sum()


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all of an optimiser's parameter groups."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def backward_and_step(
    loss: Tensor,
    optimiser: torch.optim.Optimizer,
    average: Callable[[Sequence[Tensor]], None] = lambda _: None,
    clip: float = math.inf,
) -> Tensor:
    """Compute gradients and take one step, unless the loss or its gradient is not finite.

    Args:
        loss: the loss on this process's samples.
        optimiser: updates the weights.
        average: replaces tensors, in place, by their means over the processes that train together.
        clip: a gradient with a larger norm is scaled down to it.

    Returns:
        The norm of the gradient before clipping; not finite if no step was taken.
    """
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    shared = loss.detach().clone()
    average([*gradients, shared])
    norm = nn.utils.get_total_norm(gradients)
    norm = torch.where(torch.isfinite(shared), norm, torch.nan)
    if torch.isfinite(norm):
        if norm > clip:
            nn.utils.clip_grads_with_norm_(parameters, clip, norm)
        optimiser.step()
    return norm
