"""Masks of classes, and rectangles: every pixel in exactly one of its class, and none where a class is far away."""

import pytest
import torch

from epe.layers.classes import joined, rectangles, runs, soft_masks


def test_runs() -> None:
    assert list(runs([False, True, True, False, True])) == [(1, 3), (4, 5)]
    assert list(runs([])) == []


def test_equal_runs_are_joined_downwards() -> None:
    grid = [[True, True, False], [True, True, False], [True, False, True]]
    assert sorted(joined(grid)) == [(0, 2, 0, 2), (2, 3, 0, 1), (2, 3, 2, 3)]


@pytest.mark.parametrize("size", [(17, 29), (8, 8), (1, 40)])
def test_every_pixel_lies_in_one_rectangle_of_its_class(size: tuple[int, int]) -> None:
    coarse = torch.randint(4, (1, 1, 5, 5), generator=torch.Generator().manual_seed(0)).float()
    classes = torch.nn.functional.interpolate(coarse, size)[0, 0].long()
    found = rectangles(classes, 5, 8)
    for index, rects in enumerate(found):
        covered = torch.zeros(size, dtype=torch.int64)
        for top, bottom, left, right in rects:
            assert (classes[top:bottom, left:right] == index).any()
            covered[top:bottom, left:right] += 1
        assert covered.max() <= 1
        assert (covered[classes == index] == 1).all()
    assert found[4] == []


def test_the_number_of_classes_stands_for_none() -> None:
    ids = torch.tensor([[[0, 2, 3], [1, 3, 3]]])
    masks = soft_masks(ids, 3)
    assert masks.sum(1).tolist() == [[[1, 1, 0], [1, 0, 0]]]
    assert (masks.argmax(1)[ids < 3] == ids[ids < 3]).all()
    assert all((ids[0, top:bottom, left:right] == k).any() for k, rects in enumerate(rectangles(ids[0], 3, 1))
               for top, bottom, left, right in rects)  # fmt: skip
    for wrong, every in ((4, False), (3, True)):
        with pytest.raises(RuntimeError, match="smaller than"):
            soft_masks(torch.full((1, 2, 2), wrong), 3, every=every)
