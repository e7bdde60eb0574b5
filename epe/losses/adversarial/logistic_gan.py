"""Adversarial losses on logits: the logistic ("vanilla") loss, and its relativistic average variant.

Goodfellow et al., "Generative Adversarial Nets", 2014, with the generator's non-saturating loss, as Real-ESRGAN uses
it; Jolicoeur-Martineau, "The relativistic discriminator", 2019, as ESRGAN uses it: how much more real a photograph
looks than fakes do on average.
"""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

Rule = Literal["vanilla", "relativistic"]


def compared(real: Tensor, fake: Tensor, rule: Rule) -> tuple[Tensor, Tensor]:
    """Return the logits that a rule uses: unchanged, or minus the other side's mean."""
    return (real, fake) if rule == "vanilla" else (real - fake.mean(), fake - real.mean())


def discriminator_loss(real: Tensor, fake: Tensor, rule: Rule) -> Tensor:
    """Return the discriminator's loss, a scalar: cross entropy with 1 for photographs and 0 for fakes.

    Args:
        real, fake: logits of any shape.
        rule: how they are compared. The two terms are summed; the relativistic sum is halved, as in ESRGAN.
    """
    real, fake = compared(real, fake, rule)
    loss = F.softplus(-real).mean() + F.softplus(fake).mean()
    return loss if rule == "vanilla" else loss / 2


def generator_loss(real: Tensor, fake: Tensor, rule: Rule) -> Tensor:
    """Return the generator's loss, a scalar: its pictures should be taken for photographs.

    With "relativistic" the photographs should also be taken for fakes; their logits are constants.
    """
    real, fake = compared(real.detach(), fake, rule)
    if rule == "vanilla":
        return F.softplus(-fake).mean()
    return (F.softplus(-fake).mean() + F.softplus(real).mean()) / 2
