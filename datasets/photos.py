"""Photographs, shrunk to the scale of the frames."""

from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from datasets.images import Images

PhotoFilter = Literal["area", "camera"]
PHOTO_FILTERS: tuple[PhotoFilter, ...] = ("area", "camera")

CAMERA_SIGMA = 0.5
"""Deviation of a camera's blur besides its pixels' area, in pixels of its frame.

Lens, low-pass filter and demosaicing are modelled together as a Gaussian. With the square pixels' sinc(f), the
remaining contrast, sinc(f) exp(-2 (pi 0.5 f)^2), is a half at 0.32 cycles per pixel and 0.19 at 0.5, the Nyquist
frequency. A fifth there is taken as a camera's usual compromise between blur and aliasing, without sharpening. This
value is typical by reasoning; it was not measured on a camera here.
"""


def to_height(image: np.ndarray, height: int, photo_filter: PhotoFilter = "area") -> np.ndarray:
    """Shrink an image (H, W, 3) uint8 to a height; a smaller image is returned unchanged.

    Photographs and frames are compared by texture, so both need about the same number of pixels per degree; enlarging
    an image would only blur it.

    Args:
        image: sRGB; its values are averaged as they are.
        height: target height in pixels.
        photo_filter: "area" averages the pixels under each new one: as crisp as a frame can be. "camera" blurs first,
            so that the result is as soft as a camera's own frame of that height (`CAMERA_SIGMA`). The photograph's own
            camera has already blurred its pixels as much, so only the rest is added: nothing if nothing is shrunk.
    """
    if image.shape[0] <= height:
        return image
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    if photo_filter == "camera":
        sigma = CAMERA_SIGMA * ((image.shape[0] / height) ** 2 - 1) ** 0.5
        blurred = cv2.GaussianBlur(image.astype(np.float32), (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        shrunk = cv2.resize(blurred, (width, height), interpolation=cv2.INTER_AREA)
        return np.rint(shrunk).clip(0, 255).astype(np.uint8)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


class Photos:
    """A folder of photographs, kept in memory at one height.

    Args:
        folder: folder of image files.
        height: height in pixels that larger photographs are shrunk to.
        photo_filter: how, see `to_height`.

    Attributes:
        keys: paths relative to the folder, without suffix.
    """

    def __init__(self, folder: Path | str, height: int, photo_filter: PhotoFilter = "area") -> None:
        images = Images(folder)
        self.folder, self.keys, self.height = Path(folder), images.keys, height
        self._pixels = [to_height(images[i], height, photo_filter) for i in range(len(images))]

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> np.ndarray:
        """Return photograph `index`, (H, W, 3) uint8, sRGB, with H at most `height`."""
        return self._pixels[index]
