"""PSNR by its closed form, and its one convention for equal pictures."""

import numpy as np
import pytest

from gbuffer_tools.io.psnr import MAX_PSNR, psnr


def test_a_constant_difference() -> None:
    picture = np.full((4, 5, 3), 100, np.uint8)
    assert psnr(picture, picture + 10) == pytest.approx(20 * np.log10(255 / 10))
    # A type that holds fractions or no negative numbers makes no difference.
    assert psnr(picture - 20, picture.astype(np.float32)) == pytest.approx(20 * np.log10(255 / 20))


def test_equal_and_nearly_equal_pictures_have_the_largest_value() -> None:
    picture = np.zeros((400, 400, 3))
    assert psnr(picture, picture) == MAX_PSNR
    near = picture.copy()
    near[0, 0, 0] = 1
    assert psnr(picture, near) == MAX_PSNR
    near[0, 0, 0] = 10
    assert psnr(picture, near) < MAX_PSNR


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(4, 5, 3\) and \(1, 5, 3\)"):
        psnr(np.zeros((4, 5, 3)), np.zeros((1, 5, 3)))
