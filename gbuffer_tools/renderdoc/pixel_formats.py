"""What the bytes of a texture mean: formats of the graphics API to NumPy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gbuffer_tools.io.late import LateModule

if TYPE_CHECKING:
    import cv2
else:
    cv2 = LateModule("cv2")

Array = npt.NDArray[np.generic]

# Format name -> (dtype, channels stored, order of the channels that are kept)
PLAIN: dict[str, tuple[str, int, tuple[int, ...]]] = {
    "R8_UNORM": ("u1", 1, (0,)),
    "R8G8_UNORM": ("u1", 2, (0, 1)),
    "R8G8B8_UNORM": ("u1", 3, (0, 1, 2)),
    "R8G8B8_SRGB": ("u1", 3, (0, 1, 2)),
    "R8G8B8A8_UNORM": ("u1", 4, (0, 1, 2, 3)),
    "R8G8B8A8_SRGB": ("u1", 4, (0, 1, 2, 3)),
    "B8G8R8A8_UNORM": ("u1", 4, (2, 1, 0, 3)),
    "B8G8R8A8_SRGB": ("u1", 4, (2, 1, 0, 3)),
    "R16_UINT": ("<u2", 1, (0,)),
    "R16_FLOAT": ("<f2", 1, (0,)),
    "R16G16_FLOAT": ("<f2", 2, (0, 1)),
    "R16G16B16_FLOAT": ("<f2", 3, (0, 1, 2)),
    "R16G16B16A16_FLOAT": ("<f2", 4, (0, 1, 2, 3)),
    "R32_FLOAT": ("<f4", 1, (0,)),
    "R32G32B32A32_FLOAT": ("<f4", 4, (0, 1, 2, 3)),
    "D32": ("<f4", 1, (0,)),
}

CHANNELS = {name: len(order) for name, (_, _, order) in PLAIN.items() if name != "D32"} | {"R11G11B10_FLOAT": 3}
"""Format that a colour target can have -> number of channels."""


def decode(raw: bytes, name: str, width: int, height: int) -> Array:
    """(H,W,C) from a 2-D texture whose first row is its lowest, as in OpenGL; row 0 of the result is the top.

    8-bit formats stay uint8 (also sRGB ones, not linearised), half floats and R11G11B10 become float16, which holds
    them exactly, depth becomes float in [0,1].

    Raises:
        ValueError: unknown format, or the number of bytes does not match the size.
    """
    pixels: Array
    if name == "R11G11B10_FLOAT":
        pixels = small_floats(_shaped(raw, "<u4", width, height, 1)[..., 0])
    elif name in ("D24S8", "D24"):
        # GL_UNSIGNED_INT_24_8: depth in the high 24 bits.
        pixels = (_shaped(raw, "<u4", width, height, 1) >> 8) / float(2**24 - 1)
    elif name in PLAIN:
        dtype, channels, order = PLAIN[name]
        pixels = _shaped(raw, dtype, width, height, channels)[..., order]
    else:
        raise ValueError(f"texture format {name} is not known; add it to gbuffer_tools.renderdoc.pixel_formats")
    return np.ascontiguousarray(pixels[::-1])


def _shaped(raw: bytes, dtype: str, width: int, height: int, channels: int) -> npt.NDArray[np.uint32]:
    wanted = width * height * channels * np.dtype(dtype).itemsize
    if len(raw) != wanted:
        raise ValueError(f"texture of {width} x {height} has {len(raw):,} bytes, wanted {wanted:,}")
    return np.frombuffer(raw, dtype).reshape(height, width, channels)


def small_floats(packed: npt.NDArray[np.uint32]) -> npt.NDArray[np.float16]:
    """R11G11B10 (...) to (...,3): unsigned floats of 6, 6 and 5 mantissa bits (EXT_packed_float).

    They have the exponent of float16, 5 bits with bias 15, and its rules for subnormals and infinity, so shifting a
    channel to the top of float16's mantissa is the conversion, exact for every value.
    """
    red, green, blue = packed & 0x7FF, (packed >> 11) & 0x7FF, packed >> 22
    return np.stack([red << 4, green << 4, blue << 5], -1).astype(np.uint16).view(np.float16)


def sampled(texture: Array, size: tuple[int, ...]) -> npt.NDArray[np.floating]:
    """A texture (h,w,C) as a draw over (H,W) pixels samples it: 8-bit as 0..1, bilinear between texel centres."""
    values = texture.astype(np.float32) / (255 if texture.dtype == np.uint8 else 1)
    if values.shape[:2] == size:
        return values
    resized = cv2.resize(values, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return resized.reshape(*size, texture.shape[2])
