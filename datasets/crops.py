"""Crops for training without matches: of frames and photographs, or of photographs and their label maps.

A sample is a pure function of (seed, index), as in datasets/matched_pairs.py.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from datasets.images import Images
from datasets.labels import read_facts, read_ids
from datasets.matched_pairs import crop_label
from datasets.photos import Photos
from gbuffer_tools.errors import InputError


class Unpaired(NamedTuple):
    """A crop of a frame and an unrelated crop of a photograph.

    Attributes:
        image: (3, s, s) float32, sRGB in [0, 1].
        photo: (3, s, s) float32, sRGB in [0, 1].
    """

    image: Tensor
    photo: Tensor


class Labelled(NamedTuple):
    """A crop of a photograph and of its label map.

    Attributes:
        photo: (3, s, s) float32, sRGB in [0, 1].
        labels: (s, s) int64.
    """

    photo: Tensor
    labels: Tensor


Box = tuple[slice, slice]


def draw_box(shape: tuple[int, ...], size: int, rng: np.random.Generator) -> Box:
    """Draw a random square of `size` pixels a side in an image of this shape, (H, W, …)."""
    top, left = (int(rng.integers(side - size + 1)) for side in shape[:2])
    return slice(top, top + size), slice(left, left + size)


def as_tensor(pixels: np.ndarray, *, flip: bool) -> Tensor:
    """Convert (h, w, 3) uint8 to a tensor (3, h, w) float32 in [0, 1]; `flip` mirrors it left to right."""
    return channels_first(pixels, flip=flip).float() / 255


def channels_first(pixels: np.ndarray, *, flip: bool) -> Tensor:
    """Convert (h, w, 3) to a tensor (3, h, w) of the same type; `flip` mirrors it left to right."""
    pixels = np.ascontiguousarray(pixels[:, ::-1] if flip else pixels)
    return torch.from_numpy(pixels).movedim(-1, 0).contiguous()


def as_pixels(image: Tensor) -> np.ndarray:
    """Convert an image (3, h, w) in [0, 1] to (h, w, 3) uint8, rounded."""
    return (image * 255).round().byte().movedim(0, -1).contiguous().cpu().numpy()


def check_size(where: str, shape: tuple[int, ...], size: int) -> None:
    """Check that an image (H, W, …) is large enough for a crop of `size` pixels a side.

    Raises:
        InputError: it is not; the message calls the image `where`.
    """
    if min(shape[:2]) < size:
        raise InputError(f"{where}: is {shape[1]}x{shape[0]}, wanted {size} pixels a side or more; lower --crop.")


def read_photos(folder: Path, height: int, size: int) -> Photos:
    """Read photographs, shrunk to `height`, and check that they are large enough for crops of `size` pixels a side.

    Raises:
        InputError: a photograph is too small.
    """
    photos = Photos(folder, height)
    for index, key in enumerate(photos.keys):
        check_size(f"{folder}/{key}", photos[index].shape, size)
    return photos


class UnpairedCrops(Dataset[Unpaired]):
    """Crops of frames and of photographs, drawn and mirrored independently.

    Args:
        frames: folder of frame files or images.
        photos: folder of photographs; they are shrunk to the height of the first frame.
        size: side of a sample in pixels.
        length: number of samples.
        seed: seed of all draws.

    Raises:
        InputError: there are no images, or they are too small; frames other than the first are checked when drawn.
    """

    def __init__(self, frames: Path, photos: Path, *, size: int, length: int, seed: int) -> None:
        # Checked through another object, because open files cannot be sent to a worker process.
        first = Images(frames)
        check_size(f"{frames}/{first.keys[0]}", first[0].shape, size)
        self.frames, self.photos = Images(frames), read_photos(photos, first[0].shape[0], size)
        self.size, self.length, self.seed = size, length, seed

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Unpaired:
        rng = np.random.default_rng((self.seed, index))
        frame, photo = (int(rng.integers(len(pictures))) for pictures in (self.frames, self.photos))
        image = self.frames[frame]
        check_size(f"{self.frames.folder}/{self.frames.keys[frame]}", image.shape, self.size)
        crops = [pixels[draw_box(pixels.shape, self.size, rng)] for pixels in (image, self.photos[photo])]
        return Unpaired(*(as_tensor(crop, flip=bool(rng.integers(2))) for crop in crops))


class LabelledCrops(Dataset[Labelled]):
    """Crops of photographs with the same crops of their label maps.

    Args:
        photos: folder of photographs.
        labels: folder of their label maps.
        height: height in pixels that photographs are shrunk to.
        size: side of a sample in pixels.
        length: number of samples.
        seed: seed of all draws.

    Attributes:
        classes: number of labels.

    Raises:
        InputError: there are no photographs, or they are too small; a label map is missing or contradicts labels.json.
    """

    def __init__(self, photos: Path, labels: Path, *, height: int, size: int, length: int, seed: int) -> None:
        self.photos = read_photos(photos, height, size)
        self.size, self.length, self.seed = size, length, seed
        self.classes = int(str(read_facts(labels)["classes"]))
        self._labels = [read_ids(labels, key, self.classes) for key in self.photos.keys]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Labelled:
        rng = np.random.default_rng((self.seed, index))
        number = int(rng.integers(len(self.photos)))
        pixels = self.photos[number]
        rows, cols = draw_box(pixels.shape, self.size, rng)
        labels = crop_label(self._labels[number], pixels.shape[:2], rows, cols)
        flip = bool(rng.integers(2))
        labels = np.ascontiguousarray(labels[:, ::-1] if flip else labels)
        return Labelled(as_tensor(pixels[rows, cols], flip=flip), torch.from_numpy(labels))
