"""Reading frame files for the enhancer: image, normalised channels and class streams, of whole frames or crops.

Shapes: G channels, H W pixels of the frame, h w of a crop.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from datasets.channels import CLASS, FEATURES, channel_names, feature, mirrored_channels, view_vector
from datasets.flaws import Flaw
from datasets.open_shards import OpenShards
from gbuffer_tools.errors import InputError
from gbuffer_tools.schema import Shard, shards

# Features that need camera matrices.
CAMERA = {"facing", "reflection"}
# The name that stands for every class that no other stream lists.
REST = "*"
# The buffer with the share of each pixel that each class covers, in the order of the frame file's classes.
MASKS = "x_class_masks"


class Sample(NamedTuple):
    """One frame or crop, ready for the network.

    Attributes:
        image: (3, h, w) float32, sRGB in [0, 1].
        gbuffers: (G, h, w) float32, normalised per channel.
        classes: (h, w) int64, class stream per pixel, K for none; or (K, h, w) float32, the streams' soft masks.
    """

    image: Tensor
    gbuffers: Tensor
    classes: Tensor


@dataclass(frozen=True)
class Reading:
    """How frames are read for a network; model files store it.

    Attributes:
        features: names for `channels.feature`, stacked in this order.
        streams: class names, as in frame files, of each class stream; "*": all others. None for networks that do not
            read classes; frames need no class ids then. Model files call them `classes`.
        mean, std: statistics per channel, over the training frames.
        optional: whether frames may lack buffers and cameras; channels that need them are then 0, their mean. For
            models that were trained with missing buffers (`drop_buffers`).
        withheld: names of buffers that are treated as missing in every frame, to find out what they are worth: the same
            network without their information. "class": the class ids, so all pixels are in the first stream.
        no_stream: class names that belong to no stream: at their pixels the network reads no G-buffers.
        soft: whether soft masks (`MASKS`) replace the class ids in frame files that have them. For networks that were
            trained with such masks.
    """

    features: tuple[str, ...]
    streams: tuple[tuple[str, ...], ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    optional: bool = False
    withheld: tuple[str, ...] = ()
    no_stream: tuple[str, ...] = ()
    soft: bool = False


class Frames:
    """The frames of a folder of frame files, or of one frame file.

    Args:
        folder: a folder of frame files, or a frame file.
        reading: features, class streams and statistics.

    Attributes:
        keys: "<shard>/<frame>", sorted by shard.
        sizes: (H, W) of each frame.
        buffers: names of the stored buffers that the features need.

    Raises:
        InputError: a file lacks a buffer or the camera matrices that a feature needs, and they are not optional; a file
            has no class ids, or a class that is in no stream; or two files have frames with the same key.
    """

    def __init__(self, folder: Path | str, reading: Reading) -> None:
        self.folder, self.reading = Path(folder), reading
        self.paths = [self.folder] if self.folder.is_file() else shards(self.folder)
        self._signs = mirrored_channels(reading.features)
        self._mean = np.array(reading.mean, np.float32)
        self._std = np.array(reading.std, np.float32)
        self._per_feature = np.array([feature(name).channels for name in reading.features])
        self.buffers = tuple(dict.fromkeys(buffer for name in reading.features for buffer in feature(name).needs))
        self._margin = max((feature(name).margin for name in reading.features), default=0)
        self._absent: dict[Path, frozenset[str]] = {}
        self._shards = OpenShards()
        self._streams: dict[Path, np.ndarray] = {}
        keys: list[str] = []
        positions: list[tuple[Path, int]] = []
        sizes: list[tuple[int, int]] = []
        for path in self.paths:
            with Shard(path) as shard:
                self._check(shard)
                self._absent[path] = absent_features(shard, reading.features, reading.withheld)
                table = stream_table(shard, reading.streams, reading.no_stream)
                self._streams[path] = np.zeros_like(table) if CLASS in reading.withheld else table
                keys += [f"{path.stem}/{name}" for name in shard.names]
                positions += [(path, i) for i in range(len(shard))]
                sizes += [(shard.height, shard.width)] * len(shard)
        self.keys, self.sizes, self._positions = tuple(keys), tuple(sizes), tuple(positions)
        first: dict[str, Path] = {}
        for key, (path, _) in zip(keys, positions, strict=True):
            if first.setdefault(key, path) != path:
                raise InputError(f"{path}: has the frame {key}, as {first[key]} has; wanted it once: rename a file.")

    def _check(self, shard: Shard) -> None:
        reading = self.reading
        wanted = [CLASS] * bool(reading.streams)
        if not reading.optional:
            wanted += [name for name in self.buffers if name not in reading.withheld]
        if CLASS in wanted and CLASS not in shard.ids:
            raise InputError(f"{shard.path}: has no ids/class; wanted class ids for streams and edges. Extract them.")
        for name in reading.features:
            for buffer in feature(name).needs:
                if buffer in wanted and buffer not in stored(shard):
                    there = ", ".join(shard.buffers) or "none at all"
                    raise InputError(
                        f"{shard.path}: has no buffer {buffer!r}, which the feature {name!r} needs; it has "
                        f"{there}. Extract it, or train a model without it (`features` of the run)."
                    )
                found, channels = shard.buffers.get(buffer), feature(name).channels
                if name.startswith("x_") and found not in (None, channels):
                    raise InputError(f"{shard.path}: {buffer!r} has {found} channels; wanted {channels}.")
        if not reading.optional and shard.camera(0) is None and CAMERA & set(reading.features):
            raise InputError(f"{shard.path}: has no camera matrices, which facing and reflection need; extract them.")

    def __len__(self) -> int:
        return len(self.keys)

    def where(self, index: int) -> str:
        """Return the file and the name of a frame, for messages."""
        path, _ = self._positions[index]
        return f"{path}, frame {self.keys[index].removeprefix(f'{path.stem}/')!r}"

    def raw(self, index: int, rows: slice, cols: slice) -> np.ndarray:
        """Return the channels of a crop before normalisation, (h, w, G) float32; 0 if the file lacks their buffers."""
        path, i = self._positions[index]
        shard = self._shards[path]
        around = [grown(side, self._margin, length) for side, length in ((rows, shard.height), (cols, shard.width))]
        buffers = {name: shard.buffer(name, i, *around) for name in self.buffers if name in shard.buffers}
        if CLASS in self.buffers and CLASS in shard.ids:
            buffers[CLASS] = shard.id("class", i, *around)[..., None].astype(np.float32)
        camera = shard.camera(i)
        projection = camera[1] if camera is not None else np.eye(4)
        view = view_vector(projection, (shard.height, shard.width), *around)
        # Values that are not finite are found and reported later (datasets/flaws.py).
        nothing = np.zeros((*view.shape[:2], 0), np.float32)
        with np.errstate(all="ignore"):
            parts = [
                np.zeros((*view.shape[:2], feature(name).channels), np.float32)
                if name in self._absent[path]
                else feature(name).compute(buffers, view)
                for name in self.reading.features
            ]
        inside = [slice(s.start - a.start, s.stop - a.start) for s, a in zip((rows, cols), around, strict=True)]
        return np.concatenate([nothing, *parts], axis=-1)[tuple(inside)]

    def read(
        self, index: int, rows: slice, cols: slice, *, flip: bool = False, dropped: Collection[str] = ()
    ) -> Sample:
        """Read a crop.

        Args:
            index: index of the frame.
            rows, cols: slices with start and stop, in pixels.
            flip: mirror the crop left to right, including normals, reflections and motion.
            dropped: names of buffers to treat as missing.

        Raises:
            InputError: the frame has a class id without a class.
        """
        path, i = self._positions[index]
        shard = self._shards[path]
        image = shard.image(i, rows, cols).astype(np.float32) / 255
        classes = self._classes(index, rows, cols)
        gbuffers = self.raw(index, rows, cols)
        if flip:
            image, classes, gbuffers = image[:, ::-1], classes[:, ::-1], gbuffers[:, ::-1] * self._signs
        gbuffers = (gbuffers - self._mean) / self._std
        absent = [
            name in self._absent[path] or not set(dropped).isdisjoint(feature(name).needs)
            for name in self.reading.features
        ]
        if any(absent):
            gbuffers[..., np.repeat(absent, self._per_feature)] = 0
        return Sample(
            torch.from_numpy(np.ascontiguousarray(image)).movedim(-1, 0).contiguous(),
            torch.from_numpy(np.ascontiguousarray(gbuffers)).movedim(-1, 0).contiguous(),
            torch.from_numpy(np.ascontiguousarray(classes if classes.ndim == 2 else np.moveaxis(classes, -1, 0))),
        )

    def _classes(self, index: int, rows: slice, cols: slice) -> np.ndarray:
        """Return the class stream of each pixel, (h, w) int64, or the streams' soft masks, (h, w, K) float32."""
        path, i = self._positions[index]
        shard, table, reading = self._shards[path], self._streams[path], self.reading
        if not reading.streams:
            return np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.int64)
        if reading.soft and CLASS not in reading.withheld and MASKS in shard.buffers:
            masks = shard.buffer(MASKS, i, rows, cols)
            # One more column, for the classes without a stream.
            of_streams = np.eye(len(reading.streams) + 1, dtype=np.float32)[table[: masks.shape[-1]], :-1]
            return masks @ of_streams
        ids = shard.id("class", i, rows, cols)
        if ids.max() >= len(table):
            raise InputError(f"{path}: frame {shard.names[i]!r} has class id {ids.max()} of {len(table)}; check it.")
        return table[ids]

    def __getitem__(self, index: int) -> Sample:
        """Read a whole frame."""
        height, width = self.sizes[index]
        return self.read(index, slice(0, height), slice(0, width))


def stored(shard: Shard) -> tuple[str, ...]:
    """Return the names of what features can be computed from: buffers, and `CLASS` if the file has class ids."""
    return (*shard.buffers, *([CLASS] if CLASS in shard.ids else []))


def grown(side: slice, margin: int, length: int) -> slice:
    """Return a slice with a margin on both sides, within 0 .. length."""
    return slice(max(side.start - margin, 0), min(side.stop + margin, length))


def absent_features(shard: Shard, features: Sequence[str], withheld: Collection[str] = ()) -> frozenset[str]:
    """Return the features for which a frame file lacks a buffer or the camera matrices, or a buffer is withheld."""
    camera = shard.camera(0) is not None
    return frozenset(
        name
        for name in features
        if not set(feature(name).needs) <= set(stored(shard)) - set(withheld) or (name in CAMERA and not camera)
    )


def stream_table(shard: Shard, streams: Sequence[Sequence[str]], no_stream: Sequence[str] = ()) -> np.ndarray:
    """Return the class stream of each class id of a frame file, (number of classes,) int64.

    Args:
        shard: the frame file.
        streams, no_stream: as in `Reading`; the number of streams stands for none.

    Raises:
        InputError: a class is in no stream.
    """
    table = np.zeros(max(len(shard.header.classes), 1), np.int64)
    if not streams:
        return table
    rest = next((i for i, names in enumerate(streams) if REST in names), None)
    for index, name in enumerate(shard.header.classes):
        stream = next((i for i, names in enumerate((*streams, no_stream)) if name in names), rest)
        if stream is None:
            raise InputError(f"{shard.path}: class {name!r} is in no stream; add it, or give one stream {REST!r}.")
        table[index] = stream
    return table


def measure(
    folder: Path | str,
    features: tuple[str, ...],
    streams: tuple[tuple[str, ...], ...],
    left_out: list[Flaw] | None = None,
) -> Reading:
    """Measure the mean and standard deviation of each channel over all pixels of all frames.

    A constant channel gets the deviation 1, so that it is only centred.

    Args:
        folder: folder of frame files.
        features, streams: as in `Reading`.
        left_out: list that receives the frames with values that are not finite, which are then skipped; None: raise.

    Returns:
        The reading with these statistics.

    Raises:
        InputError: as in `Frames`; a feature is unknown; or a frame has values that are not finite, if `left_out` is
            None or all frames do.
    """
    if not features:
        raise InputError(f"features: none; wanted one or more of {', '.join(FEATURES)} and x_BUFFER:CHANNELS.")
    try:
        channels = channel_names(features)
    except KeyError as error:
        raise InputError(
            f"features: no feature {error}; wanted some of {', '.join(FEATURES)} and x_BUFFER:CHANNELS."
        ) from error
    count = len(channels)
    frames = Frames(folder, Reading(features, streams, (0.0,) * count, (1.0,) * count))
    total, squares, pixels = np.zeros(count), np.zeros(count), 0
    for index in tqdm(range(len(frames)), desc="channel statistics", unit="frame", leave=False):
        height, width = frames.sizes[index]
        values = frames.raw(index, slice(0, height), slice(0, width)).reshape(-1, count).astype(np.float64)
        finite = np.isfinite(values).all(axis=0)
        if not finite.all():
            channel = channels[int(np.argmin(finite))]
            if left_out is None:
                raise InputError(
                    f"{frames.folder}/{frames.keys[index]}: channel {channel} is not finite; run gbuffer_tools.check."
                )
            left_out.append(Flaw(frames.where(index), f"channel {channel} is not finite"))
            continue
        total += values.sum(0)
        squares += np.square(values).sum(0)
        pixels += len(values)
    if left_out and not pixels:
        raise InputError(f"{left_out[0]}, and no other frame is fit; run gbuffer_tools.check, and extract again.")
    mean = total / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 0))
    std[std < 1e-4] = 1.0
    return Reading(features, streams, tuple(mean.tolist()), tuple(std.tolist()))
