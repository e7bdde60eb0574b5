"""Hinge adversarial losses over an ensemble of critics.

Lim, Ye, "Geometric GAN", 2017: photographs are to score 1 or more, fakes -1 or less.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(photo: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """What the critics minimise, their mean: how far scores, of any shape, are on the wrong side; a scalar."""
    pairs = zip(photo, fake, strict=True)
    return torch.stack([F.relu(1 - real).mean() + F.relu(1 + made).mean() for real, made in pairs]).mean()


def generator_loss(fake: Sequence[Tensor]) -> Tensor:
    """What the generator minimises: minus the mean score of its fakes; a scalar."""
    return -torch.stack([scores.mean() for scores in fake]).mean()
