"""The pictures of a report page, embedded as WebP, so the page is one file."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from datasets.images import Images
from eval.inputs import spread
from eval.kvd.crops import Pixels, region
from eval.kvd.protocols import protocol_named
from eval.records.skvd_record import CropPair, SkvdRecord
from eval.reporting.summary import DataSet
from gbuffer_tools.checks.contact_sheet import pictures
from gbuffer_tools.errors import InputError
from gbuffer_tools.schema import Shard

MAX_WIDTH, BUFFER_WIDTH = 960, 240
"""Greatest widths, in pixels, of a frame and of a buffer in a strip."""
QUALITY = 90
SHOWN = 6


@dataclass(frozen=True)
class Shown:
    """A frame in every method, as data URIs in the order of the table, and its G-buffers, each with a line of text."""

    key: str
    images: tuple[str, ...]
    buffers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ShownPair:
    """A matched crop in some methods, by name, and its real partner."""

    title: str
    similarity: float
    images: dict[str, str]
    photo: str


@dataclass(frozen=True)
class Gallery:
    """What the page shows; `missing` says in one line why pictures are absent, "" if none are.

    Attributes:
        frames: evenly spaced ones.
        pairs: a random handful of what is compared, in all methods.
        worst: by method, pairs whose crop moved farthest away from photographs, in the first method and in this one.
    """

    frames: tuple[Shown, ...]
    pairs: tuple[ShownPair, ...]
    worst: dict[str, tuple[ShownPair, ...]]
    missing: str


def gallery(data: DataSet) -> Gallery:
    """Read the pictures of a data set. Records outlive their pictures: without them the numbers still make a page."""
    try:
        methods = {name: _Folder(folder) for name, folder in data.folders.items()}
        frames = tuple(_shown(key, methods) for key in shown_keys(data))
        readers = [_CropReader(path, record) for path, record in data.skvd]
        worst = _worst(readers[0], methods) if readers else {}
        return Gallery(frames, tuple(_pairs(readers, methods)), worst, "")
    except InputError as error:
        return Gallery((), (), {}, str(error))


def shown_keys(data: DataSet) -> tuple[str, ...]:
    """At most `SHOWN` frames, evenly spaced."""
    if data.skvd:
        return data.skvd[0][1].shown
    keys = [key.partition(" → ")[0] for key in data.scores[0][1].keys]
    return spread(keys, SHOWN)


def embed(image: Pixels, max_width: int = MAX_WIDTH) -> str:
    """A picture (H, W, 3) uint8 RGB as a data URI, at most `max_width` pixels wide."""
    height, width = image.shape[:2]
    if width > max_width:
        size = (max_width, max(1, round(height * max_width / width)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    done, data = cv2.imencode(".webp", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    if not done:
        raise ValueError(f"cannot encode an array of shape {image.shape} and type {image.dtype} as WebP.")
    return "data:image/webp;base64," + base64.b64encode(data.tobytes()).decode()


class _Folder:
    """A folder of pictures by key."""

    def __init__(self, folder: Path) -> None:
        self.images = Images(folder)
        self.indices = {key: index for index, key in enumerate(self.images.keys)}

    def image(self, key: str) -> Pixels:
        return self.images[self._index(key)]

    def buffers(self, key: str) -> Iterator[tuple[str, str]]:
        """The G-buffers of a frame file, each with a line of text; nothing if the folder holds plain pictures."""
        path = self.images.path(self._index(key))
        if path.suffix == ".h5":
            with Shard(path) as shard:
                beside = list(pictures(shard, shard.names.index(key.rpartition("/")[2])))[1:]
            yield from ((embed(picture, BUFFER_WIDTH), text) for picture, text in beside)

    def _index(self, key: str) -> int:
        if key not in self.indices:
            raise InputError(f"{self.images.folder}: has no picture {key!r} any more")
        return self.indices[key]


def _shown(key: str, methods: Mapping[str, _Folder]) -> Shown:
    first = next(iter(methods.values()))
    return Shown(key, tuple(embed(method.image(key)) for method in methods.values()), tuple(first.buffers(key)))


class _CropReader:
    """Reads the crops of a record's pairs as they were judged.

    Raises:
        InputError: the photographs are gone, or the record's protocol is unknown.
    """

    def __init__(self, path: Path, record: SkvdRecord) -> None:
        self.record = record
        self.photos = _Folder(path.resolve().parent / record.photos.folder)
        self.protocol = protocol_named(record.protocol.name)
        self.size = (record.frames.height, record.frames.width)
        self.side = max(1, record.protocol.crop_side)

    def pair(self, pair: CropPair, methods: Mapping[str, _Folder]) -> ShownPair:
        """A pair in some methods, by name."""
        images = {name: self._crop(folder, pair.frame, pair.top, pair.left) for name, folder in methods.items()}
        photo = self._crop(self.photos, pair.photo, pair.photo_top, pair.photo_left)
        return ShownPair(f"{pair.frame} / {pair.photo}", pair.similarity, images, photo)

    def _crop(self, folder: _Folder, key: str, top: int, left: int) -> str:
        found = region(self.protocol.fit(folder.image(key), self.size), top, left, self.side)
        if found.shape[:2] != (self.side, self.side):
            raise InputError(f"{folder.images.folder}: {key!r} has another size than it was judged at")
        return embed(found)


def _pairs(readers: Sequence[_CropReader], methods: Mapping[str, _Folder]) -> Iterator[ShownPair]:
    for reader in readers:
        shown = {method.name: methods[method.name] for method in reader.record.methods}
        for pair in reader.record.pairs:
            yield reader.pair(pair, shown)


def _worst(reader: _CropReader, methods: Mapping[str, _Folder]) -> dict[str, tuple[ShownPair, ...]]:
    found: dict[str, tuple[ShownPair, ...]] = {}
    first = reader.record.methods[0].name
    for method in reader.record.methods:
        shown = {name: methods[name] for name in (first, method.name)}
        found[method.name] = tuple(reader.pair(pair, shown) for pair in method.worst)
    return found
