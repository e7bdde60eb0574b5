"""Hinge losses: values written out, gradients, where the optimum lies."""

import pytest
import torch

from epe.losses.adversarial.hinge_gan import discriminator_loss, generator_loss


def scores(seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 1, n, n, generator=generator, dtype=torch.float64) for n in (3, 2)]


def test_agrees_with_the_definition() -> None:
    photo, fake = scores(0), scores(1)
    terms = [
        sum(max(0, 1 - x) for x in p.flatten().tolist()) / p.numel()
        + sum(max(0, 1 + x) for x in f.flatten().tolist()) / f.numel()
        for p, f in zip(photo, fake, strict=True)
    ]
    # 1e-12: float64, only the order of the sums differs.
    assert discriminator_loss(photo, fake).item() == pytest.approx(sum(terms) / 2, rel=1e-12)
    assert generator_loss(fake).item() == pytest.approx(-sum(f.mean().item() for f in fake) / 2, rel=1e-12)


def test_a_critic_that_is_right_by_one_loses_nothing() -> None:
    one = [torch.ones(2, 1, 3, 3)]
    assert discriminator_loss(one, [-x for x in one]).item() == 0
    assert discriminator_loss([-x for x in one], one).item() == 4


def test_gradients_agree_with_finite_differences() -> None:
    # No score is within 1e-3 of the kinks at 1 and -1.
    inputs = [x.requires_grad_() for x in (*scores(0), *scores(1))]
    assert all((x.abs() - 1).abs().min() > 1e-3 for x in inputs)
    assert torch.autograd.gradcheck(lambda *x: discriminator_loss(x[:2], x[2:]), inputs)
    assert torch.autograd.gradcheck(lambda *x: generator_loss(x), inputs[2:])
