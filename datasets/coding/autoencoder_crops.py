"""Crops for training an autoencoder: of images, class maps (one channel per class), or a renderer's buffers.

A sample is a pure function of (seed, index), as in datasets/matched_pairs.py.

Shapes: C channels, H W pixels of a picture, s of a crop.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from datasets.channels import channel_names
from datasets.coding.conditions import one_hot
from datasets.crops import Box, as_tensor, check_size, draw_box
from datasets.flaws import check_fit
from datasets.frames import Frames, Reading
from datasets.images import Images
from datasets.labelling.labelled_images import LabelledImages
from datasets.photos import Photos


class AutoencoderPictures(Protocol):
    """What an autoencoder learns to encode: images, class maps or buffers, cut on access.

    Attributes:
        folder: where they are.
        keys: one per picture.
    """

    folder: Path

    @property
    def keys(self) -> Sequence[str]: ...

    def size(self, number: int) -> tuple[int, int]:
        """Return (H, W) of a picture."""

    def crop(self, number: int, box: Box, *, flip: bool) -> Tensor:
        """Cut a picture, and mirror it left to right if wanted: (C, h, w) float32, on the scale of its network."""


class ImagePictures:
    """Images, sRGB in [0, 1].

    Args:
        folder: of images or frame files.
        height: in pixels; larger images are shrunk to it once and kept in memory; None: read unchanged, each time.

    Raises:
        InputError: there are no images, or one cannot be read.
    """

    def __init__(self, folder: Path, height: int | None = None) -> None:
        self.folder, self._images = folder, Images(folder) if height is None else Photos(folder, height)
        self.keys = self._images.keys

    def size(self, number: int) -> tuple[int, int]:
        if isinstance(self._images, Images):
            return self._images.size(number)
        height, width = self._images[number].shape[:2]
        return height, width

    def crop(self, number: int, box: Box, *, flip: bool) -> Tensor:
        return as_tensor(self._images[number][box], flip=flip)


class ClassPictures:
    """Class maps, one channel per class: 1 where the class is, 0 elsewhere; pixels without a class are 0 in all.

    Args:
        pictures: labelled pictures.
    """

    def __init__(self, pictures: LabelledImages) -> None:
        self.folder, self.keys, self.names = pictures.folder, pictures.keys, pictures.names
        self._labels = [pictures[number][1] for number in range(len(pictures))]

    def size(self, number: int) -> tuple[int, int]:
        height, width = self._labels[number].shape
        return height, width

    def crop(self, number: int, box: Box, *, flip: bool) -> Tensor:
        labels = self._labels[number][box]
        return one_hot(labels[:, ::-1] if flip else labels, len(self.names))


class BufferPictures:
    """Buffers of frame files, normalised per channel.

    Args:
        folder: of frame files.
        reading: features and their statistics.

    Raises:
        InputError: a file lacks a buffer.
    """

    def __init__(self, folder: Path, reading: Reading) -> None:
        self.folder, self._frames = folder, Frames(folder, reading)
        self.keys = self._frames.keys
        self._channels = channel_names(reading.features)

    def size(self, number: int) -> tuple[int, int]:
        return self._frames.sizes[number]

    def crop(self, number: int, box: Box, *, flip: bool) -> Tensor:
        found = self._frames.read(number, *box, flip=flip).gbuffers
        check_fit(found, self._channels, self._frames.where(number))
        return found


class AutoencoderCrops(Dataset[Tensor]):
    """Random square crops of pictures, mirrored left to right half of the time: (C, s, s) float32.

    Args:
        pictures: what they are cut from.
        size: s.
        length: number of samples.
        seed: seed of all draws.

    Raises:
        InputError: a picture is too small.
    """

    def __init__(self, pictures: AutoencoderPictures, *, size: int, length: int, seed: int) -> None:
        for number, key in enumerate(pictures.keys):
            check_size(f"{pictures.folder}/{key}", pictures.size(number), size)
        self.pictures, self.size, self.length, self.seed = pictures, size, length, seed

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Tensor:
        rng = np.random.default_rng((self.seed, index))
        number, flip = int(rng.integers(len(self.pictures.keys))), bool(rng.integers(2))
        return self.pictures.crop(number, draw_box(self.pictures.size(number), self.size, rng), flip=flip)
