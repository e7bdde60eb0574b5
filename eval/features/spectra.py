"""Power spectra of pictures as an embedding, so those of many photographs are computed only once."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.metrics.spectrum import CENTRES, SIDE, spectrum

Floats = NDArray[np.float32]

SPECTRUM = "spectrum"
"""The only part."""
VERSION = "luma, 64 x 64, Hann, half octaves, dB; 1"


@dataclass(frozen=True)
class Spectra:
    """Mean power per band of a picture at its own size, in decibels; an `eval.features.store.Embedding`."""

    name: str = "spectrum"

    @property
    def digest(self) -> str:
        """SHA-256 of the definition."""
        return hashlib.sha256(VERSION.encode()).hexdigest()

    @property
    def widths(self) -> dict[str, int]:
        """The number of bands."""
        return {SPECTRUM: len(CENTRES)}

    def __call__(self, picture: NDArray[np.uint8]) -> dict[str, Floats]:
        """Power per band (K,) of a picture (H, W, 3) uint8 sRGB; NaN if it is smaller than a patch."""
        if min(picture.shape[:2]) < SIDE:
            return {SPECTRUM: np.full(len(CENTRES), np.nan, np.float32)}
        return {SPECTRUM: spectrum(picture).astype(np.float32)}
