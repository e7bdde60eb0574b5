"""Maps that pictures are conditioned on, ready for a first stage: class maps as one-hot vectors, normalised G-buffers.

Both are resized only by nearest neighbour, because nothing lies between two classes, or two depths.

Shapes: C channels, H W pixels.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from datasets.channels import model_features
from datasets.flaws import check_fit
from datasets.frames import Frames, Reading
from datasets.labelling.class_maps import class_names
from datasets.labelling.labelled_images import read_maps
from datasets.labelling.taxonomy import NONE, Labels, SegmenterTaxonomy, read_taxonomy, shared_taxonomy
from epe.models import Model
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.folders import files_below
from gbuffer_tools.resampling import nearest
from gbuffer_tools.schema import Shard, shards


class ConditionMaps(Protocol):
    """The maps of a folder of pictures, by the pictures' keys."""

    keys: tuple[str, ...]

    def size(self, key: str) -> tuple[int, int]:
        """Return a map's own height and width."""
        ...

    def read(self, key: str, size: tuple[int, int], *, flip: bool) -> Tensor:
        """Return a map at a picture's size, (C, H, W) float32; `flip` mirrors it left to right.

        Raises:
            InputError: no map has this key, or it cannot be used.
        """
        ...


class ClassMaps:
    """Class maps, from a folder of label maps (datasets/labels.py) or of frame files with class ids.

    Pixels without a class are 0 in all channels.

    Args:
        folder: the folder; label maps have a labels.json.
        classes: YAML file of a taxonomy for class ids (datasets/labelling/taxonomy.py); None: each name is a class.
        names: the first stage's class names, in the order of its channels; empty: the folder's, in its order.
        channels: the first stage's number of channels.

    Raises:
        InputError: the folder has a class that the first stage does not know, or holds no maps.
    """

    def __init__(self, folder: Path, classes: Path | None, names: Sequence[str], channels: int) -> None:
        self.folder, self.channels = folder, channels
        if (folder / "labels.json").is_file():
            if classes is not None:
                raise InputError(f"{classes}: label maps in {folder} have classes already; leave --classes out.")
            found, self._read = label_maps(folder)
        else:
            found, self._read = class_ids(folder, classes)
        self.keys = tuple(self._read)
        unknown = [name for name in found if name not in names] if names else []
        if unknown:
            raise InputError(
                f"{folder}: has the class {unknown[0]!r}; the first stage knows {', '.join(names)}. Group the classes "
                "of frame files as in its training (--classes), or label pictures as in its training."
            )
        if not names and len(found) != channels:
            raise InputError(f"{folder}: has {len(found)} classes, and the first stage {channels} without names.")
        order = list(names) or list(found)
        self._table = np.array([*map(order.index, found), NONE])  # NONE, -1, looks up the last entry

    def size(self, key: str) -> tuple[int, int]:
        """Return a map's own height and width."""
        height, width = self._labels(key).shape
        return height, width

    def read(self, key: str, size: tuple[int, int], *, flip: bool) -> Tensor:
        """Return a map at a picture's size as one-hot vectors, (C, H, W)."""
        found = one_hot(self._table[nearest(self._labels(key), size)], self.channels)
        return found.flip(-1) if flip else found

    def _labels(self, key: str) -> Labels:
        if key not in self._read:
            raise InputError(f"{self.folder}: has no class map {key!r}.")
        return self._read[key]()


def one_hot(labels: Labels, channels: int) -> Tensor:
    """Turn classes (H, W) into one-hot vectors, (channels, H, W) float32; where they are `NONE`, all channels are 0."""
    wide = F.one_hot(torch.from_numpy(np.where(labels == NONE, channels, labels).astype(np.int64)), channels + 1)
    return wide[..., :-1].movedim(-1, 0).float().contiguous()


Readers = dict[str, Callable[[], Labels]]
"""Functions that read a class map (H, W), or `NONE`, by its key."""


def label_maps(folder: Path) -> tuple[tuple[str, ...], Readers]:
    """Return the class names of a folder of label maps, and a reader for each map."""
    keys = [path.relative_to(folder).with_suffix("").as_posix() for path in files_below(folder, (".png",))]
    if not keys:
        raise InputError(f"{folder}: holds no label maps (.png); make them with `python -m datasets.label`.")

    def reader(key: str) -> Callable[[], Labels]:
        return lambda: next(read_maps(folder, [key])[1])[1]

    return read_maps(folder, [])[0], {key: reader(key) for key in keys}


def class_ids(folder: Path, classes: Path | None) -> tuple[tuple[str, ...], Readers]:
    """Return the class names of a folder of frame files, and a reader for each frame's class map."""
    taxonomy = read_taxonomy(classes) if classes else shared_taxonomy([class_names(folder)])

    def reader(path: Path, index: int) -> Callable[[], Labels]:
        return lambda: class_map(path, index, taxonomy)

    found: Readers = {}
    for path in shards(folder):
        with Shard(path) as shard:
            found |= {f"{path.stem}/{name}": reader(path, i) for i, name in enumerate(shard.names)}
    return tuple(taxonomy.classes), found


def class_map(path: Path, index: int, taxonomy: SegmenterTaxonomy) -> Labels:
    """Read the classes (H, W), or `NONE`, of a frame in a frame file."""
    with Shard(path) as shard:
        return taxonomy.of_game(shard.header.classes)[shard.id("class", index)]


class Buffers:
    """G-buffers of frame files, as a first stage reads them: its channels, normalised by its statistics.

    Args:
        folder: folder of frame files.
        model: the first stage's model, which names channels, means and deviations.
        path: its file, for messages.

    Raises:
        InputError: a frame file lacks a buffer, or the model reads what is not a channel of frames.
    """

    def __init__(self, folder: Path, model: Model, path: Path) -> None:
        features = model_features(path, model.channels)
        if not features:
            raise InputError(f"{path}: reads no G-buffers; wanted a first stage of G-buffers (train.vqgan).")
        self._frames = Frames(folder, Reading(features, (), model.mean, model.std))
        self._channels, self.folder = model.channels, folder
        self._number: Mapping[str, int] = {key: number for number, key in enumerate(self._frames.keys)}
        self.keys = self._frames.keys

    def size(self, key: str) -> tuple[int, int]:
        """Return a frame's height and width."""
        return self._frames.sizes[self._index(key)]

    def read(self, key: str, size: tuple[int, int], *, flip: bool) -> Tensor:
        """Return a frame's channels at a picture's size, (C, H, W)."""
        index = self._index(key)
        height, width = self._frames.sizes[index]
        values = self._frames.read(index, slice(0, height), slice(0, width), flip=flip).gbuffers
        check_fit(values, self._channels, self._frames.where(index))
        return torch.from_numpy(np.stack([nearest(channel, size) for channel in values.numpy()]))

    def _index(self, key: str) -> int:
        if key not in self._number:
            raise InputError(f"{self.folder}: has no frame {key!r}.")
        return self._number[key]
