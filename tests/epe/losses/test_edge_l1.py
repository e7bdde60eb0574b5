"""Losses that count edges: closed forms at a step, flat pictures, gradients."""

import pytest
import torch

from epe.losses.edge_l1 import FLOOR, edge_l1, edge_weighted_l1, sobel_magnitude


def step(height: float, size: int = 8) -> torch.Tensor:
    image = torch.zeros(1, 3, size, size)
    image[..., size // 2 :] = height
    return image


def test_a_step_has_four_times_its_height_in_two_columns_and_its_frame_none() -> None:
    found = sobel_magnitude(step(0.5))
    assert torch.allclose(found[..., 3:5], torch.full((1, 3, 8, 2), 2.0), atol=1e-5)
    assert found[..., :3].max() < 1e-5
    assert found[..., 5:].max() < 1e-5


def test_turned_pictures_have_turned_edges() -> None:
    image = torch.rand(2, 3, 9, 9)
    assert torch.allclose(sobel_magnitude(image.mT), sobel_magnitude(image).mT, atol=1e-5)


def test_scipy_agrees() -> None:
    from scipy.ndimage import sobel

    image = torch.rand(12, 7, dtype=torch.float64)
    x, y = (sobel(image.numpy(), axis=axis, mode="nearest") for axis in (0, 1))
    wanted = torch.from_numpy((x**2 + y**2) ** 0.5)
    # 1e-6: what keeps the root's gradient finite.
    assert torch.allclose(sobel_magnitude(image[None, None])[0, 0], wanted, atol=1e-6)


def test_a_constant_difference_is_its_own_loss() -> None:
    image = torch.rand(2, 3, 8, 8)
    assert edge_weighted_l1(image + 0.1, image).item() == pytest.approx(0.1, rel=1e-5)


def test_differences_at_an_edge_count_as_much_more_as_the_edge_is_steep() -> None:
    original = step(0.5)
    at_edge, elsewhere = original.clone(), original.clone()
    at_edge[..., 3] += 0.1
    elsewhere[..., 0] += 0.1
    ratio = edge_weighted_l1(at_edge, original) / edge_weighted_l1(elsewhere, original)
    assert ratio.item() == pytest.approx(2.0 / FLOOR, rel=1e-4)


def test_the_plain_edge_loss_does_not_see_brightness() -> None:
    image = torch.rand(1, 3, 8, 8)
    assert edge_l1(image + 0.2, image).item() < 1e-5
    assert edge_l1(step(0.6), step(0.5)).item() == pytest.approx(0.4 * 2 / 8, rel=1e-4)


def test_gradients() -> None:
    original = torch.rand(1, 2, 5, 5, dtype=torch.float64)
    made = torch.rand(1, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    for loss in (edge_weighted_l1, edge_l1):
        assert torch.autograd.gradcheck(lambda x, loss=loss: loss(x, original), (made,))
    flat = torch.zeros(1, 3, 5, 5, requires_grad=True)
    edge_l1(flat, torch.rand(1, 3, 5, 5)).backward()
    assert flat.grad is not None
    assert flat.grad.isfinite().all()
