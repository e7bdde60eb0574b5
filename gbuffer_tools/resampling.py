"""Resizing maps: labels and ids, whose values cannot be mixed, and soft masks, whose values can."""

import numpy as np
import numpy.typing as npt

from gbuffer_tools.frame import Array

ALL = slice(None)


def nearest(label: Array, size: tuple[int, ...], rows: slice = ALL, cols: slice = ALL) -> Array:
    """A map at an image's size, or the part under a crop: each pixel takes the value at its centre.

    Args:
        label: (h,w), over the whole image.
        size: height and width of the image; the crop is in its pixels.
        rows, cols: the crop.

    Returns:
        (H,W), or the crop's size, in the map's type.
    """
    y, x = (
        (np.arange(side)[part] * 2 + 1) * there // (2 * side)
        for side, there, part in zip(size, label.shape, (rows, cols), strict=True)
    )
    return np.ascontiguousarray(label[y[:, None], x])


def antialiased(masks: Array, size: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Soft masks at another size: blurred as much as they shrink, then interpolated linearly; 0 outside.

    The result is that of `skimage.transform.resize(masks, size, anti_aliasing=True, mode="constant")` for floats,
    which the EPE release calls: the blur is a Gaussian of (factor - 1) / 2 pixels, truncated at four times that, and
    borders fade.

    Args:
        masks: (h,w,C) fractions, any float type.
        size: the wanted height and width.

    Returns:
        (H,W,C).
    """
    found = masks.astype(np.float32)
    for axis, side in enumerate(size):
        if found.shape[axis] != side:
            found = np.moveaxis(_resized(np.moveaxis(found, axis, 0), side), 0, axis)
    return np.ascontiguousarray(found.clip(float(masks.min()), float(masks.max())))


def _resized(values: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    """Rows (h,...) resized to `side` rows: each is a weighted sum of the rows that the blur reaches."""
    rows, factor = len(values), len(values) / side
    sigma = max(0.0, (factor - 1) / 2)
    reach = int(4 * sigma + 0.5)
    offsets = np.arange(-reach, reach + 1)
    blur = np.exp(-0.5 * (offsets / sigma) ** 2) if reach else np.ones(1)
    blur /= blur.sum()
    position = (np.arange(side) + 0.5) * factor - 0.5
    first = np.floor(position).astype(int)
    total = np.zeros((side, *values.shape[1:]), np.float32)
    for step, nearness in ((0, 1 - (position - first)), (1, position - first)):
        middle = first + step
        for offset, weight in zip(offsets, blur, strict=True):
            row = middle + offset
            # There is nothing outside, neither to interpolate with nor to blur.
            inside = (middle >= 0) & (middle < rows) & (row >= 0) & (row < rows)
            factors = (nearness * weight * inside).astype(np.float32)
            total += factors.reshape(-1, *[1] * (values.ndim - 1)) * values[row.clip(0, rows - 1)]
    return total
