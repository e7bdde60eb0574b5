"""Least-squares adversarial losses over an ensemble of critics.

Mao et al., "Least Squares Generative Adversarial Networks", 2017: photographs are to score 1, renderings 0.
"""

from collections.abc import Mapping

import torch
from torch import Tensor


def discriminator_loss(photo: Mapping[str, Tensor], fake: Mapping[str, Tensor]) -> Tensor:
    """What the critics minimise: mean squared distance to 1 on photographs and to 0 on fakes, summed over critics.

    Args:
        photo, fake: per critic, scores of any shape.

    Returns:
        A scalar.
    """
    return torch.stack([(1 - photo[tap]).square().mean() + fake[tap].square().mean() for tap in photo]).sum()


def generator_loss(fake: Mapping[str, Tensor]) -> Tensor:
    """What the generator minimises: mean squared distance of its scores to 1, summed over critics; a scalar."""
    return torch.stack([(1 - scores).square().mean() for scores in fake.values()]).sum()


def accuracy(photo: Tensor, fake: Tensor) -> Tensor:
    """Share of cells that a critic calls right, photographs and fakes weighing alike; a scalar in [0, 1]."""
    return ((photo > 0.5).float().mean() + (fake < 0.5).float().mean()) / 2
