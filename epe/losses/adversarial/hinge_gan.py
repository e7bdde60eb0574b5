"""Hinge adversarial losses over an ensemble of critics.

Lim, Ye, "Geometric GAN", 2017: the targets are scores of 1 or more for photographs, and of -1 or less for fakes.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(photo: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Return the hinge loss of the critics, a scalar: the mean over critics, whose scores can have any shape."""
    pairs = zip(photo, fake, strict=True)
    return torch.stack([F.relu(1 - real).mean() + F.relu(1 + made).mean() for real, made in pairs]).mean()


def generator_loss(fake: Sequence[Tensor]) -> Tensor:
    """Return the loss of the generator, a scalar: minus the mean score of its fakes."""
    return -torch.stack([scores.mean() for scores in fake]).mean()
