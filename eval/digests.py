"""SHA-256 of what pictures show: of their pixels, regardless of how their files are named and compressed."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def pixel_digest(pixels: NDArray[np.uint8]) -> bytes:
    """SHA-256 of the shape and the values of a picture or a label map."""
    total = hashlib.sha256(repr(pixels.shape).encode())
    total.update(np.ascontiguousarray(pixels).data)
    return total.digest()


def folder_digest(pictures: Mapping[str, bytes]) -> str:
    """One SHA-256, as hexadecimal digits, for a folder of pictures; their order does not matter.

    Args:
        pictures: key of a picture -> its `pixel_digest`.
    """
    total = hashlib.sha256()
    for key in sorted(pictures):
        total.update(hashlib.sha256(key.encode()).digest() + pictures[key])
    return total.hexdigest()


def picture_numbers(keys: Sequence[str], pictures: Mapping[str, bytes]) -> NDArray[np.int64]:
    """A number for each key's picture, (N,), made from its pixels: equal pictures have equal numbers.

    Metrics use it to leave out pairs of a picture and its own copy on the other side.

    Args:
        keys: N keys; a key may occur several times.
        pictures: key of a picture -> its `pixel_digest`.
    """
    # 63 of the digest's bits: two different pictures collide with a chance of 1 in 10^18.
    return np.array([int.from_bytes(pictures[key][:8], "little") >> 1 for key in keys], dtype=np.int64)
