"""The gradient penalty against critics whose gradient is known by hand."""

import pytest
import torch

from epe.losses.adversarial.gradient_penalty import gradient_penalty


def image(batch: int = 3, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 3, 4, 5, generator=generator, dtype=torch.float64).requires_grad_()


WEIGHT = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


def test_of_a_linear_critic_is_the_squared_norm_of_its_weights() -> None:
    x = image()
    linear = (x * WEIGHT).sum(dim=(1, 2, 3)).view(-1, 1, 1, 1)
    assert gradient_penalty({"a": linear}, [x]).item() == pytest.approx(WEIGHT.square().sum().item(), rel=1e-12)


def test_is_of_the_score_not_of_the_squared_loss() -> None:
    """Where a critic is right the squared loss has no gradient, and the released penalty vanishes; this one stays."""
    x = image(1)
    right = 1 + (x * WEIGHT).sum(dim=(1, 2, 3)).view(-1, 1, 1, 1) - (x * WEIGHT).sum().detach()
    assert right.item() == pytest.approx(1.0)
    assert gradient_penalty({"a": right}, [x]).item() == pytest.approx(WEIGHT.square().sum().item(), rel=1e-12)


def test_of_the_loss_it_is_the_released_one() -> None:
    """By hand: d (1 - s)^2 / dx = -2 (1 - s) w; nothing where a critic is right."""
    x = image()
    scores = (x * WEIGHT).sum(dim=(1, 2, 3)).view(-1, 1, 1, 1)
    by_hand = (4 * (1 - scores.detach()).square()).mean() * WEIGHT.square().sum()
    assert gradient_penalty({"a": scores}, [x], "loss").item() == pytest.approx(by_hand.item(), rel=1e-12)
    right = 1 + scores - scores.detach()
    assert gradient_penalty({"a": right}, [x], "loss").item() == pytest.approx(0, abs=1e-12)


def test_the_verdict_is_the_mean_over_cells() -> None:
    x = image()
    cells = torch.cat([(x * WEIGHT).sum(dim=(1, 2, 3)).view(-1, 1, 1, 1), torch.zeros(3, 1, 1, 1)], dim=-1)
    # Two cells, one of them constant: half the gradient, a quarter of its square.
    assert gradient_penalty({"a": cells}, [x]).item() == pytest.approx(WEIGHT.square().sum().item() / 4, rel=1e-12)


def test_of_a_cubic_critic() -> None:
    x = image()
    cubic = x.pow(3).sum(dim=(1, 2, 3)).view(-1, 1, 1, 1)
    by_hand = (3 * x.detach().square()).square().flatten(1).sum(1).mean()
    assert gradient_penalty({"a": cubic}, [x]).item() == pytest.approx(by_hand.item(), rel=1e-12)


def test_gradients_of_critics_add_up_before_the_square() -> None:
    x = image()
    linear = (x * WEIGHT).sum(dim=(1, 2, 3)).view(-1, 1, 1, 1)
    norm = WEIGHT.square().sum().item()
    assert gradient_penalty({"a": linear, "b": 2 * linear}, [x]).item() == pytest.approx(9 * norm, rel=1e-12)
    assert gradient_penalty({"a": linear, "b": -linear}, [x]).item() == pytest.approx(0, abs=1e-12)


def test_inputs_are_summed() -> None:
    x, y = image(seed=1), image(seed=2)
    scores = {"a": x.sum(dim=(1, 2, 3)).view(-1, 1, 1, 1), "b": 2 * y.sum(dim=(1, 2, 3)).view(-1, 1, 1, 1)}
    assert gradient_penalty(scores, [x, y]).item() == pytest.approx(60 * 1 + 60 * 4, rel=1e-12)


def test_of_a_batch_is_the_mean_of_its_images() -> None:
    def of(x: torch.Tensor) -> float:
        return gradient_penalty({"a": x.pow(3).sum(dim=(1, 2, 3)).view(-1, 1, 1, 1)}, [x]).item()

    x = image()
    alone = [of(x[i : i + 1].detach().requires_grad_()) for i in range(3)]
    assert sum(alone) / 3 == pytest.approx(of(x), rel=1e-12)


def test_its_own_gradient_agrees_with_finite_differences() -> None:
    weight = WEIGHT[:2, :2, :2].clone().requires_grad_()
    x = image(2)[:, :2, :2, :2].detach().requires_grad_()

    def penalty(weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return gradient_penalty({"a": (weight * x.pow(3)).sum(dim=(1, 2, 3)).view(-1, 1, 1, 1)}, [x])

    assert torch.autograd.gradcheck(penalty, (weight, x))
