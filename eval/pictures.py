"""The pictures of a report page, embedded as WebP, so that the page is one file."""

import base64
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from datasets.images import Images
from eval.crops import Pixels, region
from eval.protocols import rules_of
from eval.record import Record
from gbuffer_tools.errors import InputError

WIDEST = 960
QUALITY = 90


@dataclass(frozen=True)
class Shown:
    """A frame in every method, as data URIs in the order of the record's methods."""

    key: str
    images: tuple[str, ...]


@dataclass(frozen=True)
class ShownPair:
    """A matched crop in every method, and its real partner."""

    title: str
    similarity: float
    images: tuple[str, ...]
    photo: str


@dataclass(frozen=True)
class Gallery:
    """What the page shows; `missing` says in one line why pictures are absent, "" if none are."""

    frames: tuple[Shown, ...]
    pairs: tuple[ShownPair, ...]
    missing: str


def gallery(record: Record, folder: Path) -> Gallery:
    """Read a record's pictures. A record outlives its pictures: without them the numbers still make a page.

    Args:
        record: names the pictures.
        folder: what the record's folders are relative to.
    """
    try:
        methods = [_Folder(folder / method.folder) for method in record.methods]
        photos = _Folder(folder / record.photos.folder)
        frames = tuple(Shown(key, tuple(embed(method.image(key)) for method in methods)) for key in record.shown)
        return Gallery(frames, tuple(_pairs(record, methods, photos)), "")
    except InputError as error:
        return Gallery((), (), str(error))


def embed(image: Pixels) -> str:
    """A picture (H, W, 3) uint8 RGB as a data URI, at most 960 pixels wide."""
    height, width = image.shape[:2]
    if width > WIDEST:
        image = cv2.resize(image, (WIDEST, round(height * WIDEST / width)), interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".webp", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    if not done:
        raise ValueError(f"cannot encode an array of shape {image.shape} and type {image.dtype} as WebP.")
    return "data:image/webp;base64," + base64.b64encode(data.tobytes()).decode()


class _Folder:
    """A folder of pictures by key."""

    def __init__(self, folder: Path) -> None:
        self.images = Images(folder)
        self.places = {key: index for index, key in enumerate(self.images.keys)}

    def image(self, key: str) -> Pixels:
        if key not in self.places:
            raise InputError(f"{self.images.folder}: has no picture {key!r} any more")
        return self.images[self.places[key]]


def _pairs(record: Record, methods: list[_Folder], photos: _Folder) -> list[ShownPair]:
    fit, size, side = (
        rules_of(record.protocol.name).fit,
        (record.frames.height, record.frames.width),
        record.protocol.crop_side,
    )

    def crop(picture: Pixels, top: int, left: int) -> str:
        return embed(region(fit(picture, size), top, left, side))

    shown = []
    for pair in record.pairs:
        images = tuple(crop(method.image(pair.frame), pair.top, pair.left) for method in methods)
        photo = crop(photos.image(pair.photo), pair.photo_top, pair.photo_left)
        shown.append(ShownPair(f"{pair.frame} / {pair.photo}", pair.similarity, images, photo))
    return shown
