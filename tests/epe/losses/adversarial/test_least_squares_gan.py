"""Least-squares losses: values written out, gradients, where the optimum lies, independence of the batch."""

import pytest
import torch

from epe.losses.adversarial.least_squares_gan import accuracy, discriminator_loss, generator_loss


def scores(seed: int, batch: int = 3) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "relu1_2": torch.randn(batch, 1, 4, 5, generator=generator, dtype=torch.float64),
        "relu4_3": torch.randn(batch, 1, 2, 3, generator=generator, dtype=torch.float64),
    }


def test_closed_forms_of_constant_scores() -> None:
    photo = {"a": torch.full((2, 1, 3, 3), 0.75), "b": torch.full((2, 1, 1, 1), 1.0)}
    fake = {"a": torch.full((2, 1, 3, 3), 0.5), "b": torch.full((2, 1, 1, 1), -2.0)}
    # Quarters and halves are exact in fp32: (1/4)^2 + (1/2)^2 + 0 + 4, and (1/2)^2 + 3^2.
    assert discriminator_loss(photo, fake).item() == 0.0625 + 0.25 + 4.0
    assert generator_loss(fake).item() == 0.25 + 9.0


def test_agrees_with_the_definition() -> None:
    photo, fake = scores(0), scores(1)
    apart = sum(((1 - photo[t].numpy()) ** 2).mean() + (fake[t].numpy() ** 2).mean() for t in photo)
    # 1e-12: float64, only the order of the sums differs.
    assert discriminator_loss(photo, fake).item() == pytest.approx(apart, rel=1e-12)
    assert generator_loss(fake).item() == pytest.approx(
        sum(((1 - f.numpy()) ** 2).mean() for f in fake.values()), rel=1e-12
    )


def test_a_perfect_critic_and_a_perfect_forger_lose_nothing() -> None:
    one, zero = {"a": torch.ones(2, 1, 3, 3)}, {"a": torch.zeros(2, 1, 3, 3)}
    assert discriminator_loss(one, zero).item() == 0
    assert generator_loss(one).item() == 0
    assert discriminator_loss(zero, one).item() == 2


def test_gradients_agree_with_finite_differences() -> None:
    photo = {name: value.requires_grad_() for name, value in scores(0, batch=2).items()}
    fake = {name: value.requires_grad_() for name, value in scores(1, batch=2).items()}
    names = list(photo)
    everything = [*photo.values(), *fake.values()]
    assert torch.autograd.gradcheck(
        lambda *v: discriminator_loss(dict(zip(names, v[:2], strict=True)), dict(zip(names, v[2:], strict=True))),
        everything,
    )
    assert torch.autograd.gradcheck(lambda *v: generator_loss(dict(zip(names, v, strict=True))), list(fake.values()))


def test_the_loss_of_a_batch_is_the_mean_of_its_images() -> None:
    photo, fake = scores(0), scores(1)
    alone = [
        discriminator_loss({t: v[i : i + 1] for t, v in photo.items()}, {t: v[i : i + 1] for t, v in fake.items()})
        for i in range(3)
    ]
    assert torch.stack(alone).mean().item() == pytest.approx(discriminator_loss(photo, fake).item(), rel=1e-12)


@pytest.mark.parametrize(
    ("photo", "fake", "fraction"), [(1.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 1.0, 0.5), (0.5, 0.5, 0.0), (0.6, 0.4, 1.0)]
)
def test_accuracy_of_constant_scores(photo: float, fake: float, fraction: float) -> None:
    # Of different sizes: photographs and fakes weigh alike all the same.
    assert accuracy(torch.full((2, 1, 4, 4), photo), torch.full((1, 1, 3, 3), fake)).item() == fraction
