"""Colours of 8 bits as linear light."""

import numpy as np
import numpy.typing as npt

from gbuffer_tools import geometry

_LINEAR = np.round(geometry.srgb_to_linear(np.arange(256) / 255) * 65535).astype(np.uint16)


def linear16(srgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
    """sRGB of 8 bits as linear light, 0..65535 for 0..1: within 1/131070, and every two colours stay apart."""
    found: npt.NDArray[np.uint16] = _LINEAR[srgb]
    return found
