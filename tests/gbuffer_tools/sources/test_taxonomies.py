"""Taxonomies: their tables, and label maps by number and by colour."""

import numpy as np
import pytest

from gbuffer_tools.sources.taxonomies import CITYSCAPES, GROUP_NUMBERS, GROUPS, VIPER, Taxonomy, group_ids, mask_ids

TWO = Taxonomy("two", ("a", "b", "c"), ((0, 0, 0), (9, 8, 7), (0, 0, 0)), ((200, 1),))


def test_tables() -> None:
    assert (len(CITYSCAPES.classes), len(VIPER.classes)) == (34, 32)
    assert (CITYSCAPES.classes[7], CITYSCAPES.classes[26]) == ("road", "car")
    assert CITYSCAPES.classes[2] == "rectification border"
    assert VIPER.classes[24] == "car"
    for taxonomy in (CITYSCAPES, VIPER):
        assert len(set(taxonomy.classes)) == len(taxonomy.classes) == len(taxonomy.colours)


def test_numbers() -> None:
    assert TWO.ids(np.array([[0, 1], [2, 200]], np.uint8)).tolist() == [[0, 1], [2, 1]]
    assert TWO.ids(np.array([[2]], np.uint16)).tolist() == [[2]]
    with pytest.raises(
        ValueError, match=r"2 pixels have a number that two does not know \(1 of them, the first is 3\)"
    ):
        TWO.ids(np.array([[3, 0], [1, 3]], np.uint8))


def test_colours_stand_for_the_first_class_of_theirs() -> None:
    label = np.array([[(9, 8, 7), (0, 0, 0)]], np.uint8)
    assert TWO.ids(label).tolist() == [[1, 0]]
    assert TWO.ids(np.dstack([label, np.full((1, 2), 255, np.uint8)])).tolist() == [[1, 0]]
    label[0, 0, 2] = 6
    with pytest.raises(ValueError, match=r"1 pixels have a colour .*the first is \(9, 8, 6\)"):
        TWO.ids(label)


def test_colours_of_16_bits_are_not_folded_into_others() -> None:
    with pytest.raises(ValueError, match=r"the first is \(9, 7, 263\)"):
        TWO.ids(np.array([[(9, 7, 263)]], np.uint16))  # 7 * 256 + 263 is 8 * 256 + 7


def test_licence_plates_are_cars() -> None:
    assert CITYSCAPES.ids(np.array([[34]], np.uint8)) == CITYSCAPES.classes.index("car")


def test_groups() -> None:
    numbers = [number for members in GROUP_NUMBERS for number in members]
    assert sorted(numbers) == [0, 1, *range(4, 34)]
    assert len(GROUPS) == len(GROUP_NUMBERS) + 1
    found = group_ids(np.array([[23, 7, 26, 1], [11, 0, 2, 34]], np.uint8))
    assert [[GROUPS[i] for i in row] for row in found] == [
        ["sky", "road", "vehicle", "ego vehicle"], ["building", "unlabeled", "other", "other"],
    ]  # fmt: skip


def test_masks() -> None:
    masks = np.zeros((1, 3, 12))
    masks[0, 0, 4], masks[0, 1, 2], masks[0, 1, 3] = 255, 0.4, 0.6
    assert mask_ids(masks).tolist() == [[4, 3, 12]]
    for count in (0, 11, 300):
        with pytest.raises(ValueError, match=rf"masks are \(1, 2, {count}\), wanted \(H, W, 12\)"):
            mask_ids(np.ones((1, 2, count)))
