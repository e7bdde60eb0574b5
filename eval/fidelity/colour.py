"""Colours in CIELAB, their mean per class, and how far apart two of them are.

CIE 15:2018: L* from 0 (black) to 100 (white), a* from green to red, b* from blue to yellow, for sRGB under D65. The
difference is CIEDE2000, implemented after Sharma, Wu, Dalal, "The CIEDE2000 Color-Difference Formula", Color Research
and Application 30(1), 2005; 1 is about the smallest difference that the eye sees.
"""

import numpy as np
import torch
from kornia.color import rgb_to_lab
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]


def to_lab(picture: Pixels) -> Array:
    """A picture (H, W, 3) uint8 sRGB in CIELAB: (H, W, 3)."""
    # OpenCV's conversion is off by up to 0.3.
    rgb = torch.from_numpy(picture / 255).movedim(-1, 0)
    return rgb_to_lab(rgb).movedim(0, -1).numpy()


def class_sums(lab: Array, ids: NDArray[np.integer], classes: int) -> Array:
    """Sums of L*, a*, b* over the pixels of each class: (classes, 3).

    Args:
        lab: (H, W, 3).
        ids: (H, W) of 0 .. classes - 1.
        classes: the number of classes.
    """
    return np.stack([np.bincount(ids.ravel(), lab[..., i].ravel(), classes) for i in range(3)], axis=1)


def ciede2000(one: Array, other: Array) -> Array:
    """The difference of colours (..., 3) in CIELAB: (...). Variable names are the paper's."""
    c_mean = (np.hypot(one[..., 1], one[..., 2]) + np.hypot(other[..., 1], other[..., 2])) / 2
    g = 0.5 * (1 - np.sqrt(c_mean**7 / (c_mean**7 + 25.0**7)))
    (l1, c1, h1), (l2, c2, h2) = (_adjusted(colour, g) for colour in (one, other))
    no_hue = c1 * c2 == 0
    turn = np.where(no_hue, 0.0, (h2 - h1 + 180) % 360 - 180)
    d_l, d_c, d_h = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    l_mean, c_mean = (l1 + l2) / 2, (c1 + c2) / 2
    # The mean along the shorter arc; for a grey and a colour, the colour's hue (the grey's is 0).
    h_mean = np.where(no_hue, h1 + h2, (h1 + turn / 2) % 360)
    t = (
        1
        - 0.17 * _cos(h_mean - 30)
        + 0.24 * _cos(2 * h_mean)
        + 0.32 * _cos(3 * h_mean + 6)
        - 0.20 * _cos(4 * h_mean - 63)
    )
    s_l = 1 + 0.015 * (l_mean - 50) ** 2 / np.sqrt(20 + (l_mean - 50) ** 2)
    s_c, s_h = 1 + 0.045 * c_mean, 1 + 0.015 * c_mean * t
    rotation = 60 * np.exp(-(((h_mean - 275) / 25) ** 2))
    r_t = -np.sin(np.radians(rotation)) * 2 * np.sqrt(c_mean**7 / (c_mean**7 + 25.0**7))
    return np.sqrt((d_l / s_l) ** 2 + (d_c / s_c) ** 2 + (d_h / s_h) ** 2 + r_t * (d_c / s_c) * (d_h / s_h))


def _adjusted(lab: Array, g: Array) -> tuple[Array, Array, Array]:
    """Lightness, chroma and hue (degrees) with a* stretched near grey, as the formula requires."""
    a = (1 + g) * lab[..., 1]
    return lab[..., 0], np.hypot(a, lab[..., 2]), np.degrees(np.arctan2(lab[..., 2], a)) % 360


def _cos(degrees: Array) -> Array:
    return np.cos(np.radians(degrees))
