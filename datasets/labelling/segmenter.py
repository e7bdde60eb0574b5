"""The user's segmenter, an ONNX file, and what it makes of a picture."""

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from datasets.labelling.taxonomy import MAX_ID, Labels, SegmenterTaxonomy
from datasets.runtime.onnx_session import one_line_errors, open_session
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import MAX_SIDE
from gbuffer_tools.resampling import nearest

if TYPE_CHECKING:
    import onnxruntime

Pixels = NDArray[np.uint8]


class Segmenter:
    """Labels the pixels of pictures with classes.

    The network's first output is read: scores (1, K, h, w), of which the largest counts, after they are enlarged to
    pixels, or numbers (1, h, w) or (1, 1, h, w). Where its input has one size, pictures are resized to it; elsewhere
    they are continued with the colours of their edge up to the next multiple.

    Raises:
        InputError: onnxruntime is not installed, or not a network of one picture, of sides that there are.
    """

    def __init__(self, path: Path, taxonomy: SegmenterTaxonomy) -> None:
        self.path, self.input, self.table = path, taxonomy.input, taxonomy.of_segmenter()
        self.session: onnxruntime.InferenceSession = open_session(path)
        nodes = self.session.get_inputs()
        shape = nodes[0].shape if nodes else []
        # A size that is not fixed is a name, or None.
        if [node.type for node in nodes] != ["tensor(float)"] or len(shape) != 4 or shape[1] in range(3):
            found = ", ".join(f"{node.name} {node.type} {node.shape}" for node in nodes)[:200]
            raise InputError(f"{path}: has the inputs {found}; wanted one picture, float (1, 3, H, W).")
        self.name: str = nodes[0].name
        self.size = (shape[2], shape[3]) if isinstance(shape[2], int) and isinstance(shape[3], int) else None
        if self.size and not 1 <= min(self.size) <= max(self.size) <= MAX_SIDE:
            raise InputError(f"{path}: wants pictures of {shape[3]}x{shape[2]}; wanted sides of 1..{MAX_SIDE}.")

    def __call__(self, picture: Pixels) -> Labels:
        """The class of each pixel (H, W), or `NONE`, of a picture (H, W, 3) uint8 sRGB.

        Raises:
            InputError: the network failed, or gives something else than scores or numbers.
        """
        height, width = picture.shape[:2]
        fed, covered = self._fitted(picture)
        mean, std = (np.array(values, np.float32) for values in (self.input.mean, self.input.std))
        values = (fed / np.float32(255) - mean) / std
        with one_line_errors(self.path, f"fails on a picture of {fed.shape[1]}x{fed.shape[0]}"):
            found = self.session.run(None, {self.name: np.ascontiguousarray(values.transpose(2, 0, 1)[None])})[0]
        return self.table[self._numbers(found, covered)[:height, :width]]

    def _fitted(self, picture: Pixels) -> tuple[Pixels, tuple[int, int]]:
        """What is fed, and how many of the picture's pixels it covers, those past its edge included."""
        height, width = picture.shape[:2]
        if self.size is None:
            below, right = -height % self.input.multiple_of, -width % self.input.multiple_of
            padded = np.pad(picture, ((0, below), (0, right), (0, 0)), mode="edge")
            return padded, (height + below, width + right)
        smaller = self.size[0] < height and self.size[1] < width
        interpolation = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        return cv2.resize(picture, self.size[::-1], interpolation=interpolation), (height, width)

    def _numbers(self, found: object, covered: tuple[int, int]) -> NDArray[np.int64]:
        """The segmenter's number per pixel; -1 and 65536 stand for all that is smaller and larger."""
        values = np.asarray(found)
        shape, kind = values.shape, values.dtype.kind
        if kind in "iu" and len(shape) in (3, 4) and set(shape[:-2]) == {1} and values.size:
            clipped = np.clip(values.astype(np.int64), -1, MAX_ID + 1).reshape(shape[-2:])
            return nearest(clipped, covered).astype(np.int64)
        if kind != "f" or len(shape) != 4 or shape[0] != 1 or not 2 <= shape[1] <= MAX_ID + 1 or not values.size:
            raise InputError(
                f"{self.path}: gives {values.dtype} {shape}; wanted scores (1, classes, h, w) or numbers (1, h, w)."
            )
        scores = torch.from_numpy(values[0].astype(np.float32))
        if not scores.isfinite().all():
            raise InputError(f"{self.path}: gives scores that are not finite; wanted numbers that can be compared.")
        # One class at a time: all of them at the size of a frame may take gigabytes.
        best, number = torch.full(covered, -torch.inf), torch.zeros(covered, dtype=torch.int64)
        for k, score in enumerate(scores):
            enlarged = F.interpolate(score[None, None], covered, mode="bilinear")[0, 0]
            number[enlarged > best] = k
            best = torch.maximum(best, enlarged)
        return number.numpy()
