"""The two sides of a judgement as crops: rendered frames, and photographs reduced to the frames' height.

A crop has to show as much of a scene in a photograph as in a frame, so photographs that are higher than the frames
are reduced to their height (area interpolation: every source pixel counts). Smaller ones stay as they are:
enlarging would invent blur.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets.images import Images
from datasets.labels import read_label
from datasets.photos import to_height
from eval import record
from eval.alignment import Crop, describe, draw_crops
from gbuffer_tools.errors import InputError

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Side:
    """Crops of one side.

    Attributes:
        crops: all candidates, image by image.
        groups: (N,) index of the image of each crop.
        cells: (N, 256) labels of each crop.
        labels: digest of the label maps.
    """

    crops: list[Crop]
    groups: NDArray[np.int64]
    cells: NDArray[np.uint8]
    labels: str


@dataclass(frozen=True)
class PhotoSide(Side):
    """Crops of the photographs.

    Attributes:
        pixels: SHA-256 of each photograph's own pixels, by key.
        resized: how many were reduced.
        dropped: how many are smaller than a crop.
    """

    pixels: dict[str, bytes]
    resized: int
    dropped: int


def cut_frames(frames: Images, labels: Path, *, size: tuple[int, int], side: int, count: int, seed: int) -> Side:
    """Draw and describe `count` crops per frame.

    Raises:
        InputError: a frame that is not of `size` (height, width), or without a fitting label map.
    """
    crops: list[Crop] = []
    cells: list[Pixels] = []
    parts: dict[str, bytes] = {}
    for index, key in enumerate(frames.keys):
        _check_size(frames.path(index), frames.size(index), size)  # or its label map would be blamed
        label = _label(labels, key, size)
        parts[key] = _sha256(label)
        drawn = draw_crops(key, *size, side=side, count=count, seed=seed)
        crops += drawn
        cells += [describe(label, crop, side=side, size=size) for crop in drawn]
    groups = np.repeat(np.arange(len(frames.keys)), count)
    return Side(crops, groups, np.stack(cells), record.digest(parts))


def cut_photos(photos: Images, labels: Path, *, height: int, side: int, count: int, seed: int) -> PhotoSide:
    """Draw and describe `count` crops per photograph that is large enough.

    Raises:
        InputError: fewer than two are.
    """
    crops: list[Crop] = []
    cells: list[Pixels] = []
    groups: list[int] = []
    pixels, label_parts = {}, {}
    resized = dropped = 0
    for index, key in enumerate(photos.keys):
        photo = photos[index]
        pixels[key] = _sha256(photo)
        size = to_height(photo, height).shape[:2]
        if min(size) < side:
            dropped += 1
            continue
        resized += size[0] < photo.shape[0]
        label = _label(labels, key, size)
        label_parts[key] = _sha256(label)
        drawn = draw_crops(key, *size, side=side, count=count, seed=seed)
        crops += drawn
        groups += [len(label_parts) - 1] * count
        cells += [describe(label, crop, side=side, size=size) for crop in drawn]
    if len(label_parts) < 2:
        raise InputError(
            f"{photos.folder}: {dropped} of {len(photos)} photographs are smaller than a crop of {side} px, "
            "wanted at least 2 that are not; add photographs"
        )
    return PhotoSide(crops, np.array(groups), np.stack(cells), record.digest(label_parts), pixels, resized, dropped)


def read_crops(
    images: Images, crops: list[Crop], *, side: int, fit: Callable[[Pixels, Path], Pixels]
) -> tuple[Pixels, dict[str, bytes]]:
    """Pixels of crops.

    Args:
        images: where they are from.
        crops: in any order; each image is read once.
        side: of a crop, in pixels.
        fit: makes an image as it is judged out of the image as read (and its file, for messages).

    Returns:
        (N, S, S, 3) uint8 sRGB in the order of `crops`, and SHA-256 of the pixels of each image, by key.
    """
    pixels = np.empty((len(crops), side, side, 3), np.uint8)
    places = {key: index for index, key in enumerate(images.keys)}
    wanted: dict[str, list[int]] = {}
    for index, crop in enumerate(crops):
        wanted.setdefault(crop.key, []).append(index)
    parts: dict[str, bytes] = {}
    for key, indices in wanted.items():
        image = images[places[key]]
        parts[key] = _sha256(image)
        judged = fit(image, images.path(places[key]))
        for index in indices:
            pixels[index] = region(judged, crops[index].top, crops[index].left, side)
    return pixels, parts


def region(image: Pixels, top: int, left: int, side: int) -> Pixels:
    """A square of an image."""
    return image[top : top + side, left : left + side]


def same_size(size: tuple[int, int]) -> Callable[[Pixels, Path], Pixels]:
    """A `fit` for frames: all of one size, or an InputError that names the file."""

    def fit(image: Pixels, path: Path) -> Pixels:
        _check_size(path, image.shape[:2], size)
        return image

    return fit


def _check_size(path: Path, got: tuple[int, ...], wanted: tuple[int, int]) -> None:
    if got != wanted:
        raise InputError(
            f"{path}: got {got[1]}x{got[0]} pixels, wanted {wanted[1]}x{wanted[0]} as the first frame; "
            "judge frames of one size at a time"
        )


def _label(folder: Path, key: str, size: tuple[int, int]) -> Pixels:
    """A label map, of the image's aspect."""
    label = read_label(folder, key)
    (h, w), (height, width) = label.shape, size
    # One pixel of rounding is allowed on the smaller of the two sides.
    if abs(h * width - w * height) > max(height, width, h, w):
        raise InputError(
            f"{folder / key}.png: got a map of {w}x{h} for an image of {width}x{height}, wanted its aspect; "
            "make the labels of this folder again"
        )
    return label


def _sha256(array: Pixels) -> bytes:
    """Digest of shape and pixels."""
    total = hashlib.sha256(repr(array.shape).encode())
    total.update(np.ascontiguousarray(array).data)
    return total.digest()
