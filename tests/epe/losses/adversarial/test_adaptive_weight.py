"""The adaptive weight on a linear toy, in closed form; its limit; that it has no gradient and keeps the graphs."""

import pytest
import torch

from epe.losses.adversarial.adaptive_weight import LIMIT, SMALL, adaptive_weight


def test_linear_toy() -> None:
    """x W with losses a . (x W) and b . (x W): gradients are outer products, so their norms are |x| |a| and |x| |b|."""
    torch.manual_seed(0)
    x, a, b = (torch.randn(n, dtype=torch.float64) for n in (3, 5, 5))
    weight = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    made = x @ weight
    reconstruction, adversarial = made @ a, made @ b
    found = adaptive_weight(reconstruction, adversarial, weight)
    assert found.item() == pytest.approx((x.norm() * a.norm() / (x.norm() * b.norm() + SMALL)).item(), rel=1e-12)
    assert not found.requires_grad
    (reconstruction + found * adversarial).backward()
    # The weighted adversarial gradient is as long as that of reconstruction, to SMALL.
    assert torch.allclose(weight.grad, torch.outer(x, a + found * b))


def test_no_adversarial_gradient_gives_the_limit() -> None:
    weight = torch.ones(3, requires_grad=True)
    assert adaptive_weight(1e3 * weight.sum(), (0 * weight).sum(), weight).item() == LIMIT


def test_twice_the_adversarial_loss_gets_half_the_weight() -> None:
    weight = torch.ones(3, requires_grad=True)
    once, twice = (adaptive_weight(weight.square().sum(), n * weight.sum(), weight).item() for n in (100, 200))
    assert once / twice == pytest.approx(2, rel=1e-5)
