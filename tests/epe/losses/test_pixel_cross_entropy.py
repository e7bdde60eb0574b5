"""Cross-entropy of pixels: written out, what does not count, weights, its gradient."""

import math

import pytest
import torch

from epe.losses.pixel_cross_entropy import pixel_cross_entropy


def drawn(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(2, 4, 3, 5, generator=generator, dtype=torch.float64)
    labels = torch.randint(-1, 4, (2, 3, 5), generator=generator)
    return scores, labels, torch.tensor([1.0, 0.5, 3.0, 0.0], dtype=torch.float64)


def written_out(scores: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> float:
    summed, total = 0.0, 0.0
    for b, y, x in torch.cartesian_prod(*(torch.arange(n) for n in labels.shape)).tolist():
        label = int(labels[b, y, x])
        if label >= 0:
            values = scores[b, :, y, x].tolist()
            probability = math.exp(values[label]) / sum(math.exp(value) for value in values)
            summed -= float(weights[label]) * math.log(probability)
            total += float(weights[label])
    return summed / total


def test_agrees_with_the_definition() -> None:
    # 1e-12: both in float64.
    assert pixel_cross_entropy(*drawn()).item() == pytest.approx(written_out(*drawn()), rel=1e-12)


def test_pixels_without_a_class_have_no_gradient() -> None:
    scores, labels, weights = drawn()
    scores.requires_grad_(True)
    pixel_cross_entropy(scores, labels, weights).backward()
    assert scores.grad is not None
    moved = scores.grad.abs().sum(1) > 0
    assert torch.equal(moved, (labels >= 0) & (weights[labels.clamp_min(0)] > 0))


def test_a_batch_without_any_class_is_0_and_moves_nothing() -> None:
    scores, labels, weights = drawn()
    scores.requires_grad_(True)
    loss = pixel_cross_entropy(scores, torch.full_like(labels, -1), weights)
    loss.backward()
    assert loss.item() == 0
    assert scores.grad is not None
    assert not scores.grad.any()


def test_equal_scores_have_the_logarithm_of_the_number_of_classes() -> None:
    _, labels, weights = drawn()
    assert pixel_cross_entropy(torch.ones(2, 4, 3, 5), labels, weights.float()).item() == pytest.approx(math.log(4))


def test_gradient() -> None:
    scores, labels, weights = drawn()
    assert torch.autograd.gradcheck(lambda x: pixel_cross_entropy(x, labels, weights), scores.requires_grad_(True))
