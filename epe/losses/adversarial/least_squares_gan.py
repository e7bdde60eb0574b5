"""Least-squares adversarial losses over an ensemble of critics.

Mao et al., "Least Squares Generative Adversarial Networks", 2017: the target scores are 1 for photographs and 0 for
renderings.
"""

from collections.abc import Mapping

import torch
from torch import Tensor


def discriminator_loss(photo: Mapping[str, Tensor], fake: Mapping[str, Tensor]) -> Tensor:
    """Return the loss of the critics: mean squared distance to 1 on photographs and to 0 on fakes, summed over critics.

    Args:
        photo, fake: scores by critic, of any shape.

    Returns:
        A scalar.
    """
    return torch.stack([(1 - photo[tap]).square().mean() + fake[tap].square().mean() for tap in photo]).sum()


def generator_loss(fake: Mapping[str, Tensor]) -> Tensor:
    """Return the loss of the generator, a scalar: mean squared distance of its scores to 1, summed over critics."""
    return torch.stack([(1 - scores).square().mean() for scores in fake.values()]).sum()


def accuracy(photo: Tensor, fake: Tensor) -> Tensor:
    """Return the fraction of cells that a critic classifies correctly, a scalar in [0, 1].

    Photographs and fakes have equal weight.
    """
    return ((photo > 0.5).float().mean() + (fake < 0.5).float().mean()) / 2
