"""The user's network that estimates depth from one picture, an ONNX file: MiDaS, DPT, Depth Anything and the like."""

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from datasets.runtime.onnx_session import one_line_errors, open_session, picture_input
from epe.networks.backbones.vgg import IMAGENET_MEAN, IMAGENET_STD
from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    import onnxruntime

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]


class DepthNetwork:
    """Estimates inverse depth, up to scale and shift.

    Pictures are fed as RGB minus ImageNet's mean, divided by its deviation. If the input has a fixed size, they are
    resized to it; otherwise to the nearest multiples of `multiple_of`. The first output is read, floats (1, h, w) or
    (1, 1, h, w), and resized to the picture linearly.

    Args:
        path: the ONNX file.
        multiple_of: pixels that the sides must be a multiple of, if the network takes more than one size.

    Raises:
        InputError: onnxruntime is not installed, or the network does not take one picture.
    """

    def __init__(self, path: Path, multiple_of: int) -> None:
        self.path, self.multiple_of = path, multiple_of
        self.session: onnxruntime.InferenceSession = open_session(path)
        self.name, self.size = picture_input(self.session, path)

    def __call__(self, picture: Pixels) -> Array:
        """Inverse depth (H, W) of a picture (H, W, 3) uint8 sRGB.

        Raises:
            InputError: the network failed, or returned something else.
        """
        height, width = picture.shape[:2]
        step = self.multiple_of
        size = self.size or tuple(max(1, round(side / step)) * step for side in (height, width))
        shrunk = size[0] < height and size[1] < width
        fed = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA if shrunk else cv2.INTER_LINEAR)
        values = (fed / np.float32(255) - np.array(IMAGENET_MEAN, np.float32)) / np.array(IMAGENET_STD, np.float32)
        with one_line_errors(self.path, f"fails on a picture of {size[1]}x{size[0]}"):
            found = self.session.run(None, {self.name: np.ascontiguousarray(values.transpose(2, 0, 1)[None])})[0]
        answer = np.asarray(found)
        if answer.dtype.kind != "f" or answer.ndim not in (3, 4) or set(answer.shape[:-2]) != {1} or not answer.size:
            raise InputError(
                f"{self.path}: gives {answer.dtype} {answer.shape}; wanted inverse depth, (1, h, w) or (1, 1, h, w)."
            )
        if not np.isfinite(answer).all():
            raise InputError(f"{self.path}: gives values that are not finite; wanted inverse depth.")
        plane = answer.reshape(answer.shape[-2:]).astype(np.float64)
        return cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
