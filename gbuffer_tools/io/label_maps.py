"""Other people's label maps: pixels that are ids or colours, and tables that say what they mean."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]


def plane(label: Array) -> Array:
    """The numbers (H,W) of a label map that a program stored as grey RGB (H,W,3 or 4); any other map as it is."""
    if label.ndim == 3 and (label[..., :1] == label[..., 1:3]).all():
        return np.ascontiguousarray(label[..., 0])
    return label


def by_table(pixels: Array, table: Mapping[tuple[int, ...], int], default: int) -> npt.NDArray[np.uint32]:
    """The meaning (H,W) of each pixel, from a table that came with the label map.

    Args:
        pixels: ids (H,W), or colours (H,W,4), uint8 or uint16.
        table: an id or a colour -> its meaning.
        default: the meaning of 0, or of transparent black, if the table lacks it.

    Raises:
        ValueError: an id or a colour is not in the table.
    """
    width = 1 if pixels.ndim == 2 else 4
    if pixels.ndim == 3 and pixels.shape[2] != width:
        raise ValueError(f"the image has {pixels.shape[2]} channels, wanted 1 (ids) or 4 (colours)")
    meant = {(0,) * width: default, **table}
    values, inverse = distinct(pixels)
    unknown = [value for value in values if value not in meant]
    if unknown:
        raise ValueError(f"{len(unknown)} ids or colours are not in the JSON file beside it, the first is {unknown[0]}")
    return np.array([meant[value] for value in values], np.uint32)[inverse].reshape(pixels.shape[:2])


def distinct(pixels: Array) -> tuple[list[tuple[int, ...]], npt.NDArray[np.intp]]:
    """The distinct ids or colours of a label map (H,W) or (H,W,C), C up to 4; and each pixel's index in them (H*W,)."""
    flat = pixels.reshape(pixels.shape[0] * pixels.shape[1], -1).astype(np.uint64)
    packed = flat @ (np.uint64(65536) ** np.arange(flat.shape[1], dtype=np.uint64))
    _, first, inverse = np.unique(packed, return_index=True, return_inverse=True)
    return [tuple(int(v) for v in flat[i]) for i in first], inverse.reshape(-1)
