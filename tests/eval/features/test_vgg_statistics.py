"""Style vectors against Gram matrices, and their distance against its definition."""

import numpy as np
import pytest
import torch

from datasets.runtime.weights import load_vgg
from eval.features.vgg_features import LAYERS
from eval.features.vgg_statistics import MEANS, VggStatistics, part, triangle
from eval.measuring.set_distances import FeatureSets, style_distance


def test_scalar_products_are_those_of_the_matrices() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(2, 5, 3, 4)
    grams = [x.flatten(1) @ x.flatten(1).T / 12 for x in (a, b)]
    assert triangle(a).shape == (15,)
    assert float(triangle(a) @ triangle(b)) == pytest.approx(float((grams[0] * grams[1]).sum()), rel=1e-5)


def test_style_forgets_places() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 3, 6)
    moved = x.flatten(1)[:, torch.randperm(18)].view(4, 6, 3)
    assert torch.allclose(triangle(x), triangle(moved), atol=1e-6)


def test_statistics_are_of_the_features(random_vgg) -> None:
    vgg = load_vgg(random_vgg, "zeros")
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    statistics = VggStatistics(vgg, "w", torch.device("cpu"))
    found = statistics(picture)
    assert {name: len(rows) for name, rows in found.items()} == statistics.widths
    maps = vgg(torch.from_numpy(picture).permute(2, 0, 1)[None] / 255, LAYERS)
    assert np.allclose(found[MEANS], maps[MEANS][0].mean((1, 2)), rtol=1e-5)
    rows = maps["relu2_2"][0].flatten(1)
    gram = rows @ rows.T / rows.shape[1]
    assert np.square(found[part("relu2_2")]).sum() == pytest.approx(float(gram.square().sum()), rel=1e-4)


def test_other_weights_or_pixels_are_other_features(random_vgg) -> None:
    vgg = load_vgg(random_vgg, "zeros")
    digests = {VggStatistics(vgg, weights, torch.device("cpu")).digest for weights in ("a", "b", "a")}
    assert len(digests) == 2
    with pytest.raises(ValueError, match="20x40 pixels, wanted 32"):
        VggStatistics(vgg, "a", torch.device("cpu"))(np.zeros((40, 20, 3), np.uint8))


def test_distance_of_mean_matrices() -> None:
    """With all means known: the photographs' rows are (2, 0) but for noise that cancels, the judged ones' (2, 3)."""
    y = np.array([[2, 1], [2, -1], [2, 1], [2, -1]], np.float32)
    x = y + np.array([0, 3], np.float32)
    sides = FeatureSets(x, y, np.arange(4), np.arange(4, 8), np.ones((1, 4)))
    # Unbiased: pairs of different rows. Within y: 4 - 1/3; within x: 4 + 9 - 1/3; across: 4 + 0.
    within, judged, across = 4 - 1 / 3, 13 - 1 / 3, 4.0
    assert style_distance(sides)[0] == pytest.approx((within + judged - 2 * across) / within, rel=1e-6)
