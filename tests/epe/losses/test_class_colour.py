"""The colour guard against its definition, closed forms, and what it must not see."""

import pytest
import torch
from torch import Tensor

from epe.losses.class_colour import class_colour_change

SIZE = (12, 10)


def pictures(count: int = 2, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Images, frames, and ids of two classes, or none (2)."""
    rng = torch.Generator().manual_seed(seed)
    image, frame = torch.rand(2, count, 3, *SIZE, generator=rng, dtype=torch.float64)
    return image, frame, torch.randint(0, 3, (count, *SIZE), generator=rng)


def slowly(image: Tensor, frame: Tensor, ids: Tensor) -> float:
    red, green, blue = image - frame
    total = 0.0
    for number in (0, 1):
        there = ids == number
        for change in (red - green, (red + green) / 2 - blue) if there.any() else ():
            total += there.double().mean().item() * change[there].mean().item() ** 2
    return total


def test_is_its_definition_written_out() -> None:
    image, frame, ids = pictures()
    for found, *one in zip(class_colour_change(image, frame, ids, 2), image, frame, ids, strict=True):
        assert found.item() == pytest.approx(slowly(*one), rel=1e-12)


@pytest.mark.parametrize("side", [3, 5, 12, 99])
def test_with_squares_it_is_the_definition_in_each(side: int) -> None:
    image, frame, ids = pictures(1)
    total = 0.0
    for top in range(0, SIZE[0], side):
        for left in range(0, SIZE[1], side):
            part = ..., slice(top, top + side), slice(left, left + side)
            pixels = ids[part].numel()
            total += slowly(image[0][part], frame[0][part], ids[0][part]) * pixels / ids.numel()
    assert class_colour_change(image, frame, ids, 2, side).item() == pytest.approx(total, rel=1e-12)


def test_only_squares_see_a_class_that_takes_on_one_colour_here_and_the_opposite_there() -> None:
    _, frame, ids = pictures(1)
    ids[:] = 0
    image = frame.clone()
    image[:, 0, :6] += 0.2
    image[:, 0, 6:] -= 0.2
    assert class_colour_change(image, frame, ids, 1).item() == pytest.approx(0, abs=1e-12)
    assert class_colour_change(image, frame, ids, 1, 6).item() == pytest.approx(0.2**2 + 0.1**2)


def test_of_a_tint_of_one_class_it_is_the_square_of_the_tint_by_its_share() -> None:
    _, frame, ids = pictures(1)
    ids[:] = 1
    ids[:, :3] = 0
    image = frame.clone()
    image[:, 0, :3] += 0.2  # red: 0.2 against green, 0.1 against blue
    assert class_colour_change(image, frame, ids, 2).item() == pytest.approx(0.25 * (0.2**2 + 0.1**2))
    assert class_colour_change(image, frame, torch.full_like(ids, 2), 2).item() == 0  # no class


def test_does_not_see_brightness_nor_what_moves_within_a_class() -> None:
    image, frame, ids = pictures(1)
    plain = class_colour_change(image, frame, ids, 2)
    grey = torch.rand(1, 1, *SIZE, dtype=torch.float64)
    torch.testing.assert_close(class_colour_change(image + grey, frame, ids, 2), plain)
    moved = image.clone()
    there = ids[0] == 1
    moved[0][:, there] = image[0][:, there].flip(-1)
    torch.testing.assert_close(class_colour_change(moved, frame, ids, 2), plain)


def test_is_at_most_the_mean_squared_change() -> None:
    image, frame, ids = pictures(8, seed=3)
    red, green, blue = (image - frame).unbind(1)
    whole = ((red - green).square() + ((red + green) / 2 - blue).square()).mean(dim=(1, 2))
    found = class_colour_change(image, frame, ids, 2)
    assert (found > 0).all()
    assert (found < whole).all()
    # One class for every pixel: then all of the change is the same all over a class.
    every = torch.arange(SIZE[0] * SIZE[1]).view(1, *SIZE).expand(8, -1, -1)
    torch.testing.assert_close(class_colour_change(image, frame, every, SIZE[0] * SIZE[1]), whole)


def test_soft_masks_of_ids_give_the_same() -> None:
    image, frame, ids = pictures()
    masks = torch.stack([ids == number for number in (0, 1)], dim=1).double()
    torch.testing.assert_close(class_colour_change(image, frame, masks, 2), class_colour_change(image, frame, ids, 2))


def test_gradient() -> None:
    image, frame, ids = pictures()
    image.requires_grad_()
    for side in (None, 5):
        assert torch.autograd.gradcheck(lambda x, side=side: class_colour_change(x, frame, ids, 2, side), (image,))
