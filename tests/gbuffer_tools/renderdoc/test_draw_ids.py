"""Telling changed pixels by their bytes."""

import numpy as np
import pytest

from gbuffer_tools.renderdoc.draw_ids import words


@pytest.mark.parametrize("size", [1, 2, 4, 8, 16])
def test_a_pixel_is_a_word_that_changes_with_any_of_its_bytes(size: int):
    before = np.random.default_rng(size).bytes(6 * size)
    after = bytearray(before)
    for pixel in (1, 4):
        after[pixel * size + size - 1] ^= 1
    changed = words(bytes(after), 6) != words(before, 6)
    assert changed.tolist() == [False, True, False, False, True, False]


def test_words_are_compared_as_bytes_not_as_numbers():
    """A pixel of no-numbers that nothing touched has not changed."""
    nothing = np.full((3, 4), np.nan, "<f4").tobytes()
    assert not (words(nothing, 3) != words(nothing, 3)).any()


@pytest.mark.parametrize(("length", "pixels"), [(12, 4), (7, 2), (0, 2), (4, 0)])
def test_other_sizes_are_refused(length: int, pixels: int):
    with pytest.raises(ValueError, match="bytes for"):
        words(bytes(length), pixels)
