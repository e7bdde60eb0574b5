"""One step of an optimiser, which is skipped if the loss or its gradient is not finite."""

import torch
from torch import Tensor, nn


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of an optimiser's first parameter group."""
    optimiser.param_groups[0]["lr"] = rate


def backward_and_step(loss: Tensor, optimiser: torch.optim.Optimizer) -> Tensor:
    """Compute gradients and make one step, unless the loss or its gradient is not finite.

    Returns:
        The norm of the gradient; not finite if no step was made.
    """
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    norm = nn.utils.get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
    norm = torch.where(torch.isfinite(loss.detach()), norm, torch.nan)
    if torch.isfinite(norm):
        optimiser.step()
    return norm
