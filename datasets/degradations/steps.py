"""The steps that degradations are made of, except resizing: filtering, noise, JPEG, sharpening.

All randomness is passed in.

Facts: Wang et al., "Real-ESRGAN", ICCVW 2021, and its release.

Shapes: H W pixels. Pictures are (H, W, 3) float32, sRGB in [0, 1].
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from datasets.degradations.resizing import Picture

USM_SIDE, USM_WEIGHT, USM_THRESHOLD = 51, 0.5, 10
"""Unsharp masking: side of the Gaussian, weight of the added difference, and its threshold (out of 255)."""
GREY = np.array([0.2989, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


def as_picture(pixels: NDArray[np.generic]) -> Picture:
    """Pixels (H, W, 3) in 0 .. 255 as a picture."""
    return pixels.astype(np.float32) / np.float32(255)


def as_pixels(picture: NDArray[np.floating]) -> NDArray[np.uint8]:
    """A picture as pixels (H, W, 3) in 0 .. 255, rounded; values outside [0, 1] are clipped."""
    return np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def filtered(picture: Picture, kernel: NDArray[np.float64]) -> Picture:
    """Filter a picture, mirrored at its borders; neither clipped nor rounded."""
    return cv2.filter2D(picture, -1, kernel.astype(np.float32), borderType=cv2.BORDER_REFLECT_101)


def grey(picture: Picture) -> Picture:
    """The grey version of a picture, (H, W, 1)."""
    made: Picture = np.expand_dims(picture @ GREY, -1)
    return made


def with_gaussian_noise(picture: Picture, sigma: float, of_grey: bool, rng: np.random.Generator) -> Picture:
    """Add Gaussian noise with a deviation in units of 1 / 255, the same in all three channels if `of_grey`; clipped."""
    shape = (*picture.shape[:2], 1 if of_grey else 3)
    noise = rng.standard_normal(shape, np.float32) * np.float32(sigma / 255)
    return np.clip(picture + noise, 0, 1)


def with_poisson_noise(picture: Picture, scale: float, of_grey: bool, rng: np.random.Generator) -> Picture:
    """Add Poisson noise, multiplied by `scale`, the same in all three channels if `of_grey`; clipped.

    One count is 1 / n, where n is the number of different 8-bit values in the picture, rounded up to a power of 2.
    """
    clean = np.round(np.clip(grey(picture) if of_grey else picture, 0, 1) * 255) / 255
    levels = 2 ** math.ceil(math.log2(max(len(np.unique(clean)), 2)))
    noise = rng.poisson(clean * levels) / levels - clean
    return np.clip(picture + noise * scale, 0, 1).astype(np.float32)


def compressed(picture: Picture, quality: float) -> Picture:
    """Compress a picture as JPEG, with colours at half the resolution, and decompress it."""
    done, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(as_pixels(picture)[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, round(quality)]
    )
    if not done:
        raise ValueError(f"cannot compress a picture of shape {picture.shape}.")
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return as_picture(np.ascontiguousarray(decoded[..., ::-1]))  # type: ignore[index]  # it is what was encoded


def sharpened(picture: Picture) -> Picture:
    """Sharpen a picture by unsharp masking, where it differs much from the blurred one."""
    blurred = cv2.GaussianBlur(picture, (USM_SIDE, USM_SIDE), 0)
    residual = picture - blurred
    mask = (np.abs(residual) * 255 > USM_THRESHOLD).astype(np.float32)
    soft = cv2.GaussianBlur(mask, (USM_SIDE, USM_SIDE), 0)
    return soft * np.clip(picture + USM_WEIGHT * residual, 0, 1) + (1 - soft) * picture


def rounded(picture: Picture) -> Picture:
    """A picture as an 8-bit file holds it."""
    return as_picture(as_pixels(picture))
