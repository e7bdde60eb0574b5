"""Labels and masks at another size, against the definition."""

import numpy as np
import pytest
from scipy import ndimage

from gbuffer_tools.resampling import antialiased, nearest


@pytest.mark.parametrize("size", [(6, 2), (3, 4), (1, 1), (7, 11), (48, 64)])
def test_each_pixel_takes_the_value_at_its_centre(size: tuple[int, int]) -> None:
    label = np.arange(12, dtype=np.uint8).reshape(3, 4)
    found = nearest(label, size)
    assert found.dtype == np.uint8
    for row in range(size[0]):
        for column in range(size[1]):
            y, x = (row + 0.5) * 3 / size[0], (column + 0.5) * 4 / size[1]
            assert found[row, column] == label[int(y), int(x)]


def test_a_crop_is_the_crop_of_the_whole() -> None:
    label = np.random.default_rng(0).integers(0, 99, (13, 17))
    rows, cols = slice(3, 20), slice(30, None)
    assert np.array_equal(nearest(label, (40, 50), rows, cols), nearest(label, (40, 50))[rows, cols])


@pytest.mark.parametrize(
    ("old", "new"),
    [((24, 32), (12, 16)), ((25, 33), (12, 17)), ((12, 16), (25, 31)), ((40, 9), (8, 20)), ((9, 9), (1, 9))],
)
def test_masks_are_blurred_as_far_as_they_shrink(old: tuple[int, int], new: tuple[int, int]) -> None:
    """Retyped with scipy: what scikit-image does with anti_aliasing=True and mode="constant"."""
    masks = np.eye(5)[np.random.default_rng(0).integers(0, 5, old)][..., :4]
    factors = [there / here for there, here in zip(old, new, strict=True)]
    smooth = ndimage.gaussian_filter(masks, [*(max(0, (f - 1) / 2) for f in factors), 0], mode="constant")
    wanted = ndimage.zoom(smooth, [*(1 / f for f in factors), 1], order=1, mode="grid-constant", grid_mode=True)
    found = antialiased(masks, new)
    assert found.dtype == np.float32
    assert found.shape == wanted.shape == (*new, 4)
    assert np.abs(found - wanted.clip(0, 1)).max() < 1e-6


def test_masks_of_the_same_size_stay_as_they_are() -> None:
    masks = np.random.default_rng(0).random((5, 6, 3)).astype(np.float16)
    assert np.array_equal(antialiased(masks, (5, 6)), masks.astype(np.float32))
