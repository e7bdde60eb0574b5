"""Labels at another size, against the definition."""

import numpy as np
import pytest

from gbuffer_tools.resampling import nearest


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
