"""Batch normalisation over the batches of all processes. torch's own SyncBatchNorm runs only on GPUs."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class SharedBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm2d with the mean and variance over the images of all processes; same state as BatchNorm2d.

    Args:
        features: C.
        total: returns the sum of a tensor over processes, and sums its gradients (`ProcessGroup.sum`).
    """

    def __init__(self, features: int, total: Callable[[Tensor], Tensor]) -> None:
        super().__init__(features)
        self.total = total

    def forward(self, x: Tensor) -> Tensor:
        """Normalise this process's images (B, C, H, W); in evaluation mode by the running statistics."""
        if not self.training:
            return super().forward(x)
        over, shape = (0, 2, 3), (1, -1, 1, 1)
        count = self.total(x.new_tensor(float(x.numel() // x.shape[1])))
        mean = self.total(x.sum(over)) / count
        centred = x - mean.view(shape)
        variance = self.total(centred.square().sum(over)) / count
        self._record(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * (variance + self.eps).rsqrt()
        return centred * scale.view(shape) + self.bias.view(shape)

    @torch.no_grad()
    def _record(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards the mean and unbiased variance (C,) of a batch."""
        assert self.momentum is not None
        for running, found in ((self.running_mean, mean), (self.running_var, variance)):
            assert running is not None
            running.lerp_(found, self.momentum)
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
