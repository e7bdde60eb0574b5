"""Photographs, shrunk to the scale of the frames."""

from pathlib import Path

import cv2
import numpy as np

from datasets.images import Images


def to_height(image: np.ndarray, height: int) -> np.ndarray:
    """Shrink an image (H, W, 3) uint8 to a height by area averaging; a smaller image is returned unchanged.

    Photographs and frames are compared by texture, so both need about the same number of pixels per degree; enlarging
    an image would only blur it.
    """
    if image.shape[0] <= height:
        return image
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


class Photos:
    """A folder of photographs, kept in memory at one height.

    Args:
        folder: folder of image files.
        height: height in pixels that larger photographs are shrunk to (`to_height`).

    Attributes:
        keys: paths relative to the folder, without suffix.
    """

    def __init__(self, folder: Path | str, height: int) -> None:
        images = Images(folder)
        self.folder, self.keys, self.height = Path(folder), images.keys, height
        self._pixels = [to_height(images[i], height) for i in range(len(images))]

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> np.ndarray:
        """Return photograph `index`, (H, W, 3) uint8, sRGB, with H at most `height`."""
        return self._pixels[index]
