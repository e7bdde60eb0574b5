"""The style distance: its bounds, what it is blind to, and its closed form for one feature."""

import pytest
import torch

from epe.losses.gram_style import gram_matrix, style_distance


def features(seed: int, *size: int) -> torch.Tensor:
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_gram_is_the_mean_outer_product() -> None:
    x = features(0, 2, 3, 4, 5)
    wanted = torch.einsum("bchw,bdhw->bcd", x, x) / 20
    assert torch.allclose(gram_matrix(x), wanted, rtol=1e-12)


def test_blind_to_places_and_sizes() -> None:
    x = features(0, 2, 3, 4, 6)
    moved = {"a": x.flip(-1).roll(2, dims=-2), "b": x.repeat(1, 1, 2, 3)}
    assert style_distance(moved, {"a": x, "b": x}).abs().max() < 1e-15


def test_of_one_feature_it_is_a_closed_form() -> None:
    a, b = torch.full((1, 1, 2, 2), 3.0), torch.full((1, 1, 5, 1), 2.0)
    assert style_distance({"x": a}, {"x": b}).item() == pytest.approx((9 - 4) ** 2 / (9**2 + 4**2))


def test_layers_add_at_most_1() -> None:
    a = {"x": torch.zeros(1, 2, 2, 2), "y": torch.zeros(1, 2, 2, 2)}
    b = {name: torch.zeros(1, 2, 2, 2) for name in a}
    a["x"][:, 0], b["x"][:, 1] = 5, 0.1  # nothing in common
    a["y"][:] = 7  # against nothing at all
    assert style_distance(a, b).item() == pytest.approx(2)
    assert style_distance(b, b).item() == 0


def test_gradient() -> None:
    a, b = features(1, 2, 3, 4, 5).requires_grad_(), features(2, 2, 3, 3, 3)
    assert torch.autograd.gradcheck(lambda x: style_distance({"x": x}, {"x": b}), (a,))


def test_images_do_not_touch_each_other() -> None:
    a, b = features(1, 3, 4, 5, 5), features(2, 3, 4, 6, 5)
    alone = [style_distance({"x": a[i : i + 1]}, {"x": b[i : i + 1]}) for i in range(3)]
    assert torch.allclose(style_distance({"x": a}, {"x": b}), torch.cat(alone), rtol=1e-12)
