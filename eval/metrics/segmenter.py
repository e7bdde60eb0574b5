"""The user's segmenter (an ONNX file), and the YAML file that says what its numbers and the game's names mean.

    classes:
      road: {segmenter: [0], game: [road, lane]}
      plants: {segmenter: [8, 9], game: [tree, grass]}
    input:
      mean: [0.485, 0.456, 0.406]
      std: [0.229, 0.224, 0.225]
      multiple_of: 32

`segmenter` lists numbers of its output, `game` names out of the frame files' `classes`. What is listed nowhere has no
class (`eval.metrics.iou.NONE`). `input`, or any of its keys, may be left out; the values above are what is taken then.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from datasets.matched_pairs import crop_label
from datasets.runtime.onnx_session import one_line_errors, open_session, picture_input
from epe.networks.backbones.vgg import IMAGENET_MEAN, IMAGENET_STD
from eval.metrics.iou import NONE
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.yaml import read_sections

if TYPE_CHECKING:
    import onnxruntime

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int16]

MAX_CLASSES, MAX_ID, MAX_MULTIPLE = 1000, 65535, 1024


@dataclass(frozen=True)
class ClassMeaning:
    """What a class is called on both sides.

    Attributes:
        segmenter: the segmenter's numbers for it.
        game: the frame files' names for it.
    """

    segmenter: tuple[int, ...]
    game: tuple[str, ...]


@dataclass(frozen=True)
class SegmenterInput:
    """How pictures are fed: RGB in [0, 1], (value - mean) / std, sides a multiple of `multiple_of` pixels."""

    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    multiple_of: int = 32

    def __post_init__(self) -> None:
        if not len(self.mean) == len(self.std) == 3 or not all(0 < value < np.inf for value in self.std):
            raise ValueError("wanted three means and three deviations above 0")
        if not 1 <= self.multiple_of <= MAX_MULTIPLE:
            raise ValueError(f"multiple_of is {self.multiple_of}, wanted 1 .. {MAX_MULTIPLE}")


@dataclass(frozen=True)
class SegmenterTaxonomy:
    """The content of the YAML file: classes by name, and how pictures are fed."""

    classes: dict[str, ClassMeaning]
    input: SegmenterInput = field(default_factory=SegmenterInput)

    def __post_init__(self) -> None:
        if not 0 < len(self.classes) <= MAX_CLASSES:
            raise ValueError(f"classes: {len(self.classes)}, wanted 1 .. {MAX_CLASSES}")
        for kind in ("segmenter", "game"):
            listed = [item for meaning in self.classes.values() for item in getattr(meaning, kind)]
            twice = [item for item in listed if listed.count(item) > 1]
            if twice:
                raise ValueError(f"classes: {kind} {twice[0]!r} is listed twice, wanted one class for it")
        ids = [number for meaning in self.classes.values() for number in meaning.segmenter]
        if not all(0 <= number <= MAX_ID for number in ids):
            raise ValueError(f"classes: segmenter {min(ids)} .. {max(ids)}, wanted 0 .. {MAX_ID}")

    def of_segmenter(self) -> Labels:
        """Class by the segmenter's number; the last entry is for all larger numbers."""
        table = np.full(MAX_ID + 2, NONE, np.int16)
        for index, meaning in enumerate(self.classes.values()):
            table[list(meaning.segmenter)] = index
        return table

    def of_game(self, names: tuple[str, ...]) -> Labels:
        """Class by the number of a frame file's class, (256,).

        Args:
            names: `classes` of the frame file.
        """
        table = np.full(256, NONE, np.int16)
        for index, meaning in enumerate(self.classes.values()):
            table[[number for number, name in enumerate(names) if name in meaning.game]] = index
        return table


def read_taxonomy(path: Path) -> SegmenterTaxonomy:
    """Read the YAML file.

    Raises:
        InputError: the file is another one; the message names the key that does not fit.
    """
    return read_sections(path, SegmenterTaxonomy)


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
        self.name, self.size = picture_input(self.session, path)

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
            return crop_label(clipped, covered, slice(0, covered[0]), slice(0, covered[1]))
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
