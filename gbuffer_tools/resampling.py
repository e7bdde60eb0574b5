"""Maps whose values cannot be mixed, at another size than they have: labels, ids."""

import numpy as np

from gbuffer_tools.frame import Array

ALL = slice(None)


def nearest(label: Array, size: tuple[int, ...], rows: slice = ALL, cols: slice = ALL) -> Array:
    """A map at an image's size, or the part of it under a crop: each pixel takes the value at its centre.

    Args:
        label: (h,w), over the whole image.
        size: height and width of the image, in whose pixels the crop is given.
        rows, cols: the crop.

    Returns:
        (H,W), or the crop's size; of the map's type.
    """
    y, x = (
        (np.arange(side)[part] * 2 + 1) * there // (2 * side)
        for side, there, part in zip(size, label.shape, (rows, cols), strict=True)
    )
    return np.ascontiguousarray(label[y[:, None], x])
