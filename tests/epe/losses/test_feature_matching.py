"""Distance of features: written out, and where its gradient goes."""

import pytest
import torch

from epe.losses.feature_matching import VGG_LAYERS, VGG_WEIGHTS, feature_distance
from epe.networks.backbones.vgg import LAYERS


def layers(seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, c, n, n, generator=generator, dtype=torch.float64) for c, n in ((3, 4), (5, 2))]


def test_agrees_with_the_definition() -> None:
    fake, photo = layers(0), layers(1)
    means = [abs(a.numpy() - b.numpy()).mean() for a, b in zip(fake, photo, strict=True)]
    # 1e-12: float64, only the order of the sums differs.
    assert feature_distance(fake, photo, (1.0, 0.25)).item() == pytest.approx(means[0] + means[1] / 4, rel=1e-12)
    assert feature_distance(fake, fake, (1.0, 1.0)).item() == 0


def test_gradient_goes_to_the_fake_alone() -> None:
    fake, photo = ([x.requires_grad_() for x in layers(seed)] for seed in (0, 1))
    feature_distance(fake, photo, (1.0, 1.0)).backward()
    assert all(x.grad is not None and x.grad.abs().min() > 0 for x in fake)
    assert all(x.grad is None for x in photo)


def test_layers_of_vgg_are_there_and_the_deepest_weighs_most() -> None:
    assert set(VGG_LAYERS) <= set(LAYERS)
    assert len(VGG_WEIGHTS) == len(VGG_LAYERS)
    assert list(VGG_WEIGHTS) == sorted(VGG_WEIGHTS)


def test_wants_as_many_layers_on_both_sides() -> None:
    with pytest.raises(ValueError, match="zip"):
        feature_distance(layers(0), layers(1)[:1], (1.0, 1.0))
