"""The two sides of a judgement as crops: which pictures are large enough, what each crop shows, and its pixels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets.images import Images
from datasets.labels import read_label
from eval.digests import folder_digest, pixel_digest
from eval.kvd.alignment import Crop, labels_at
from gbuffer_tools.errors import InputError

Pixels = NDArray[np.uint8]
Size = tuple[int, int]
Sizes = Mapping[str, Size]


@dataclass(frozen=True)
class UsablePictures:
    """The pictures of one side that crops can be drawn from; heights and widths in pixels, by key.

    Attributes:
        own: sizes of the files.
        sizes: sizes as judged.
    """

    own: Sizes
    sizes: Sizes


@dataclass(frozen=True)
class UsablePhotos(UsablePictures):
    """The photographs that crops can be drawn from.

    Attributes:
        pixels: SHA-256 of each photograph's own pixels, dropped ones included.
        resized: how many of the large enough ones were resized.
        dropped: how many are too small.
    """

    pixels: dict[str, bytes]
    resized: int
    dropped: int


@dataclass(frozen=True)
class DrawnCrops:
    """Crops of one side.

    Attributes:
        crops: all candidates.
        groups: (N,) index of each crop's picture.
        cells: (N, 256) labels of each crop.
        labels: digest of the label maps.
    """

    crops: list[Crop]
    groups: NDArray[np.int64]
    cells: NDArray[np.uint8]
    labels: str


@dataclass(frozen=True)
class LabelMaps:
    """Label maps of one side.

    Attributes:
        folder: where they are.
        pictures: what they belong to.
        fit: turns a map of the picture's file, and the file's size, into a map of the judged picture.
        other: label of pixels without a class; None if all have one.
        unlike: label that these get, which the other side never has, so unnamed pixels match nothing.
    """

    folder: Path
    pictures: UsablePictures
    fit: Callable[[Pixels, Size], Pixels]
    other: int | None = None
    unlike: int = 255

    def read(self, key: str) -> tuple[Pixels, bytes]:
        """A picture's label map as judged, and the digest of the map's file."""
        label = _label(self.folder, key, self.pictures.own[key])
        named = label if self.other is None else np.where(label == self.other, self.unlike, label).astype(np.uint8)
        return self.fit(named, self.pictures.own[key]), pixel_digest(label)


def usable_photos(photos: Images, *, min_size: Size, fit: Callable[[Pixels], Pixels]) -> UsablePhotos:
    """The photographs that are large enough for crops.

    Args:
        photos: all of them.
        min_size: smallest height and width of a photograph as judged.
        fit: turns a photograph into the photograph as judged.

    Raises:
        InputError: fewer than two are.
    """
    own, sizes, pixels = {}, {}, {}
    for index, key in enumerate(photos.keys):
        photo = photos[index]
        pixels[key] = pixel_digest(photo)
        height, width = fit(photo).shape[:2]
        if height >= min_size[0] and width >= min_size[1]:
            own[key], sizes[key] = (photo.shape[0], photo.shape[1]), (height, width)
    dropped = len(photos) - len(own)
    if len(own) < 2:
        raise InputError(
            f"{photos.folder}: {dropped} of {len(photos)} photographs are smaller than {min_size[1]}x{min_size[0]} px "
            "at the frames' height, wanted at least 2 that are not; add photographs"
        )
    resized = sum(own[key][0] != sizes[key][0] for key in own)
    return UsablePhotos(own, sizes, pixels, resized, dropped)


def cut(crops: list[Crop], maps: LabelMaps, describe: Callable[[Pixels, Crop, Size], Pixels]) -> DrawnCrops:
    """Describe crops by the labels that they show.

    Args:
        crops: in any order; each label map is read once.
        maps: their pictures' label maps.
        describe: label map of a picture, crop, size of the picture -> (256,) labels.
    """
    cells: list[Pixels] = [np.empty(0, np.uint8)] * len(crops)
    numbers = {key: index for index, key in enumerate(maps.pictures.sizes)}
    parts: dict[str, bytes] = {}
    for key, indices in by_picture(crops).items():
        label, parts[key] = maps.read(key)
        for index in indices:
            cells[index] = describe(label, crops[index], maps.pictures.sizes[key])
    groups = np.array([numbers[crop.key] for crop in crops], dtype=np.int64)
    return DrawnCrops(crops, groups, np.stack(cells), folder_digest(parts))


def read_labels(crops: list[Crop], maps: LabelMaps, *, side: int) -> Pixels:
    """Labels of all crop pixels: (N, S, S) in the order of `crops`."""
    labels = np.empty((len(crops), side, side), np.uint8)
    for key, indices in by_picture(crops).items():
        label, _ = maps.read(key)
        for index in indices:
            labels[index] = labels_at(label, crops[index], np.arange(0.5, side), maps.pictures.sizes[key])
    return labels


def by_picture(crops: list[Crop]) -> dict[str, list[int]]:
    """Indices of each picture's crops."""
    wanted: dict[str, list[int]] = {}
    for index, crop in enumerate(crops):
        wanted.setdefault(crop.key, []).append(index)
    return wanted


def read_crops(
    images: Images, crops: list[Crop], *, side: int, fit: Callable[[Pixels, Path], Pixels]
) -> tuple[Pixels, dict[str, bytes]]:
    """Read the pixels of crops.

    Args:
        images: where they are from.
        crops: in any order; each image is read once.
        side: a crop's side in pixels.
        fit: turns an image as read (and its file, for messages) into the image as judged.

    Returns:
        (N, S, S, 3) uint8 sRGB in the order of `crops`, and SHA-256 of the pixels of each image, by key.
    """
    pixels = np.empty((len(crops), side, side, 3), np.uint8)
    numbers = {key: index for index, key in enumerate(images.keys)}
    parts: dict[str, bytes] = {}
    for key, indices in by_picture(crops).items():
        image = images[numbers[key]]
        parts[key] = pixel_digest(image)
        judged = fit(image, images.path(numbers[key]))
        for index in indices:
            pixels[index] = region(judged, crops[index].top, crops[index].left, side)
    return pixels, parts


def region(image: Pixels, top: int, left: int, side: int) -> Pixels:
    """A square cut out of an image (H, W, …)."""
    return image[top : top + side, left : left + side]


def same_size(size: Size, fit: Callable[[Pixels], Pixels]) -> Callable[[Pixels, Path], Pixels]:
    """A `fit` for frames that raises an InputError if a file's size differs from the first one's."""

    def checked(image: Pixels, path: Path) -> Pixels:
        check_size(path, image.shape[:2], size)
        return fit(image)

    return checked


def check_size(path: Path, got: tuple[int, ...], wanted: Size) -> None:
    """Refuse a frame file whose size differs from the first one's.

    Raises:
        InputError: the sizes differ; the message names the file.
    """
    if got != wanted:
        raise InputError(
            f"{path}: got {got[1]}x{got[0]} pixels, wanted {wanted[1]}x{wanted[0]} as the first frame; "
            "judge frames of one size at a time"
        )


def _label(folder: Path, key: str, size: Size) -> Pixels:
    """Read a label map; refuse it if its aspect is not the image's."""
    label = read_label(folder, key)
    (h, w), (height, width) = label.shape, size
    # One pixel of rounding is allowed on the smaller of the two sides.
    if abs(h * width - w * height) > max(height, width, h, w):
        raise InputError(
            f"{folder / key}.png: got a map of {w}x{h} for an image of {width}x{height}, wanted its aspect; "
            "make the labels of this folder again"
        )
    return label
