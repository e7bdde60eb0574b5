"""Logistic losses against torch's own cross entropy, and what the relativistic ones ignore."""

import math

import pytest
import torch
import torch.nn.functional as F

from epe.losses.adversarial.logistic_gan import discriminator_loss, generator_loss


def logits(seed: int) -> torch.Tensor:
    return torch.randn(2, 1, 4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def bce(x: torch.Tensor, target: float) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(x, torch.full_like(x, target))


def test_vanilla() -> None:
    real, fake = logits(0), logits(1)
    assert torch.allclose(discriminator_loss(real, fake, "vanilla"), bce(real, 1) + bce(fake, 0))
    assert torch.allclose(generator_loss(real, fake, "vanilla"), bce(fake, 1))


def test_relativistic() -> None:
    real, fake = logits(0), logits(1)
    r, f = real - fake.mean(), fake - real.mean()
    assert torch.allclose(discriminator_loss(real, fake, "relativistic"), (bce(r, 1) + bce(f, 0)) / 2)
    assert torch.allclose(generator_loss(real, fake, "relativistic"), (bce(f, 1) + bce(r, 0)) / 2)


def test_a_relativistic_judge_ignores_what_both_sides_have() -> None:
    real, fake = logits(0), logits(1)
    for loss in (discriminator_loss, generator_loss):
        assert loss(real + 3, fake + 3, "relativistic").item() == pytest.approx(loss(real, fake, "relativistic").item())


def test_an_undecided_judge() -> None:
    zero = torch.zeros(3)
    assert discriminator_loss(zero, zero, "vanilla").item() == pytest.approx(2 * math.log(2))
    assert discriminator_loss(zero, zero, "relativistic").item() == pytest.approx(math.log(2))


def test_photographs_get_no_gradient_from_the_generator() -> None:
    real, fake = logits(0).requires_grad_(), logits(1).requires_grad_()
    generator_loss(real, fake, "relativistic").backward()
    assert real.grad is None
    assert fake.grad is not None
    assert torch.autograd.gradcheck(lambda r, f: discriminator_loss(r, f, "relativistic"), (real, fake))
