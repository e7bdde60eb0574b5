"""Digests of pictures and of folders, and the numbers made from them."""

import numpy as np

from eval.digests import folder_digest, picture_numbers, pixel_digest


def test_digest_does_not_depend_on_order():
    parts = {"a": b"1" * 32, "b": b"2" * 32}
    assert folder_digest(parts) == folder_digest(dict(reversed(parts.items())))
    assert folder_digest(parts) != folder_digest({"a": b"2" * 32, "b": b"1" * 32})


def test_equal_pictures_have_equal_numbers_whatever_their_keys() -> None:
    one, other = np.zeros((2, 3, 3), np.uint8), np.zeros((3, 2, 3), np.uint8)
    pictures = {"a": pixel_digest(one), "b": pixel_digest(other), "copy": pixel_digest(one.copy())}
    a, b, copy, again = picture_numbers(["a", "b", "copy", "a"], pictures)
    assert a == copy == again >= 0
    assert a != b  # the same values in another shape
