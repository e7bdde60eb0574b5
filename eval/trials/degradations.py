"""Degradations of known kind and growing strength: what makes a picture less of a photograph, and by how much.

Strengths were fixed before any measure was looked at, from hardly visible to impossible to miss. Two kinds,
`desaturate` and `flatten`, were added after the others had been looked at, with the strengths of their opposites. All
work on sRGB values, 0 to 255, and end in 8 bits.

Shapes: H W pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.metrics.spectrum import LUMA

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Change = Callable[[Pixels, float, np.random.Generator], Floats | Pixels]


@dataclass(frozen=True)
class Degradation:
    """One kind of degradation.

    Attributes:
        name: as --degradations takes it.
        what: what happens, and what its strength is.
        strengths: growing.
        change: picture (H, W, 3), strength, source of randomness -> picture, any values.
    """

    name: str
    what: str
    strengths: tuple[float, ...]
    change: Change

    def __call__(self, picture: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """The degraded picture (H, W, 3) uint8."""
        return np.rint(self.change(picture, strength, rng)).clip(0, 255).astype(np.uint8)


def blurred(picture: Pixels, sigma: float, _: np.random.Generator) -> Floats:
    """A Gaussian of deviation `sigma` pixels."""
    found: Floats = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return found


def sharpened(picture: Pixels, amount: float, rng: np.random.Generator) -> Floats:
    """An unsharp mask: adds `amount` times what a blur of 1 pixel takes away."""
    values = picture.astype(np.float32)
    found: Floats = values + np.float32(amount) * (values - blurred(picture, 1.0, rng))
    return found


def noisy(picture: Pixels, deviation: float, rng: np.random.Generator) -> Floats:
    """Normal noise, independent in every value."""
    found: Floats = picture.astype(np.float32) + rng.normal(0, deviation, picture.shape).astype(np.float32)
    return found


def compressed(picture: Pixels, loss: float, _: np.random.Generator) -> Pixels:
    """JPEG of quality 100 - `loss`."""
    coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, round(100 - loss)])[1]
    found: Pixels = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))[..., ::-1]
    return found


def quantised(picture: Pixels, bits: float, _: np.random.Generator) -> Floats:
    """Each channel has 2 ** (8 - `bits`) levels, evenly spread."""
    steps = np.float32(2 ** (8 - bits) - 1)
    found: Floats = np.rint(picture / np.float32(255) * steps) * (255 / steps)
    return found


def resampled(picture: Pixels, factor: float, _: np.random.Generator) -> Pixels:
    """Reduced by `factor` (area), and enlarged again (bilinear)."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (round(width / factor), round(height / factor)), interpolation=cv2.INTER_AREA)
    found: Pixels = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return found


def saturated(picture: Pixels, more: float, _: np.random.Generator) -> Floats:
    """Distances from grey of equal luma times 1 + `more`."""
    grey = (picture @ LUMA).astype(np.float32)[..., None]
    found: Floats = grey + np.float32(1 + more) * (picture - grey)
    return found


def contrasted(picture: Pixels, more: float, _: np.random.Generator) -> Floats:
    """Distances from the picture's mean colour times 1 + `more`."""
    mean = picture.mean((0, 1), dtype=np.float64).astype(np.float32)
    found: Floats = mean + np.float32(1 + more) * (picture - mean)
    return found


def desaturated(picture: Pixels, less: float, rng: np.random.Generator) -> Floats:
    """Distances from grey of equal luma times 1 - `less`."""
    return saturated(picture, -less, rng)


def flattened(picture: Pixels, less: float, rng: np.random.Generator) -> Floats:
    """Distances from the picture's mean colour times 1 - `less`."""
    return contrasted(picture, -less, rng)


DEGRADATIONS = (
    Degradation("blur", "Gaussian, deviation in pixels", (0.5, 0.75, 1.0, 1.5, 2.5), blurred),
    Degradation("sharpen", "unsharp mask of 1 pixel, its amount", (0.25, 0.5, 1.0, 1.5, 2.5), sharpened),
    Degradation("noise", "normal, deviation in levels of 255", (2, 4, 8, 16, 32), noisy),
    Degradation("jpeg", "100 less JPEG's quality", (10, 30, 50, 70, 90), compressed),
    Degradation("quantise", "bits taken from each channel", (2, 3, 4, 5, 6), quantised),
    Degradation("resample", "reduced by this factor and enlarged again", (1.25, 1.5, 2.0, 3.0, 4.0), resampled),
    Degradation("saturate", "chroma increased by this fraction", (0.15, 0.3, 0.5, 0.75, 1.0), saturated),
    Degradation("contrast", "contrast increased by this fraction", (0.1, 0.2, 0.35, 0.5, 0.75), contrasted),
    Degradation("desaturate", "chroma reduced by this fraction", (0.15, 0.3, 0.5, 0.75, 1.0), desaturated),
    Degradation("flatten", "contrast reduced by this fraction", (0.1, 0.2, 0.35, 0.5, 0.75), flattened),
)
"""In table order."""
