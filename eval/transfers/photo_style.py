"""Frames in the style of photographs: PhotoWCT (Li et al. 2018) and WCT2 (Yoo et al. 2019), one photograph per frame.

Both take the style of a single picture, so every frame gets the photograph that is nearest to it, shrunk to the
frame's height. With label maps, this is the photograph whose label fractions overlap most with the frame's. Without
them, it is the one whose mean features at the network's deepest level are nearest, with both pictures at most
`MATCHING_HEIGHT` pixels high. Of equally near photographs, the first one is taken.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datasets.images import Images
from datasets.labels import read_label
from datasets.matched_pairs import crop_label
from datasets.photos import to_height
from datasets.runtime.weights import load_model
from epe.networks.style_transfer import wct2
from epe.networks.style_transfer.photo_wct import PhotoWCT
from epe.networks.style_transfer.stylise import StyleStatistics, encode_style, pad_to_multiple, stylise
from epe.networks.style_transfer.vgg_autoencoder import MULTIPLE_OF
from epe.networks.style_transfer.wct2 import WCT2
from eval.inputs import label_facts
from gbuffer_tools.errors import InputError

Pixels = NDArray[np.uint8]
Array = NDArray[np.float64]

MATCHING_HEIGHT = 192
CACHED_STYLES = 8
"""How many styles are kept; one takes up to 51 MiB."""


def load_network(path: Path, kind: str) -> WCT2 | PhotoWCT:
    """Load a network of WCT2 or PhotoWCT, trained by train.style or converted from its authors' weights.

    Args:
        path: the model file.
        kind: "wct2" or "photowct".

    Raises:
        InputError: the file is not a model file, or is one of another kind.
    """
    network = load_model(path, kind, "train.style, or app.convert").network
    assert isinstance(network, WCT2 | PhotoWCT)
    return network


@dataclass
class Stylist:
    """Gives frames the style of their nearest photographs.

    Attributes:
        network: encodes and decodes.
        photos: the photographs to choose from.
        labels: folders of the label maps of frames and of photographs, in one taxonomy; None: there are none.
        parts: where WCT2 changes features; other networks change them everywhere.
        device: the device to compute on.

    Raises:
        InputError: the label folders were not labelled alike.
    """

    network: WCT2 | PhotoWCT
    photos: Images
    labels: tuple[Path, Path] | None
    parts: Collection[wct2.WctPart]
    device: torch.device
    _styles: dict[tuple[int, int], StyleStatistics] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.network.to(self.device)
        if self.labels:
            label_facts(*self.labels)

    @torch.inference_mode()
    def __call__(self, frame: Pixels, key: str) -> Array:
        """Restyle a frame (H, W, 3) uint8: (H, W, 3) RGB in [0, 1], not clipped.

        Raises:
            InputError: the frame is too small, or its label map is missing.
        """
        check_size(frame, key)
        label = read_label(self.labels[0], key) if self.labels else None
        style = self.style(self.nearest(frame, label, key), frame.shape[0])
        made = stylise(self.network, self.tensor(frame), style, self.fitted(label, frame))
        return made[0].movedim(0, -1).double().cpu().numpy()

    def nearest(self, frame: Pixels, label: Pixels | None, key: str) -> int:
        """The index of the photograph that is nearest to a frame."""
        if label is not None:
            return int(np.argmax(np.minimum(self._label_fractions, label_fractions(label)).sum(1)))
        return int(np.argmin(((self._features - self.mean_features(frame, key)) ** 2).sum(1)))

    def style(self, number: int, height: int) -> StyleStatistics:
        """The style of a photograph at a frame's height; the latest are kept, as several frames use one photograph."""
        style = self._styles.pop((number, height), None) or self._style(number, height)
        self._styles[number, height] = style
        if len(self._styles) > CACHED_STYLES:
            del self._styles[next(iter(self._styles))]
        return style

    def _style(self, number: int, height: int) -> StyleStatistics:
        photo = to_height(self.photos[number], height)
        check_size(photo, f"{self.photos.path(number)}, {height} pixels high,")
        label = read_label(self.labels[1], self.photos.keys[number]) if self.labels else None
        parts = wct2.part_names(self.parts) if isinstance(self.network, WCT2) else None
        return encode_style(self.network, self.tensor(photo), self.fitted(label, photo), parts=parts)

    def mean_features(self, image: Pixels, name: str) -> Array:
        """The network's deepest features, averaged over the picture: (512,)."""
        looked = to_height(image, MATCHING_HEIGHT)
        check_size(looked, f"{name}, at most {MATCHING_HEIGHT} pixels high,")
        deepest = self.network.features(pad_to_multiple(self.tensor(looked)))[-1]
        return deepest.mean((0, 2, 3)).double().cpu().numpy()

    @cached_property
    def _features(self) -> Array:
        names = [str(self.photos.path(i)) for i in range(len(self.photos))]
        return np.stack([self.mean_features(photo, name) for photo, name in zip(self.photos, names, strict=True)])

    @cached_property
    def _label_fractions(self) -> Array:
        assert self.labels
        return np.stack([label_fractions(read_label(self.labels[1], key)) for key in self.photos.keys])

    def tensor(self, image: Pixels) -> Tensor:
        """A picture (H, W, 3) uint8 as a tensor (1, 3, H, W) in [0, 1]."""
        return torch.from_numpy(image.copy()).to(self.device).movedim(-1, 0)[None] / 255

    def fitted(self, label: Pixels | None, image: Pixels) -> Tensor | None:
        """A label map at an image's size, (H, W), by nearest neighbour."""
        if label is None:
            return None
        height, width = image.shape[:2]
        nearest = crop_label(label, (height, width), slice(0, height), slice(0, width))
        return torch.from_numpy(nearest).to(self.device)


def check_size(image: Pixels, name: str) -> None:
    """Refuse pictures that are too small for the deepest features.

    Raises:
        InputError: a side is too short.
    """
    height, width = image.shape[:2]
    if min(height, width) < 2 * MULTIPLE_OF:
        raise InputError(f"{name} is {width}x{height}, wanted sides of {2 * MULTIPLE_OF} or more.")


def label_fractions(label: Pixels) -> Array:
    """The fraction of a label map's pixels that each label has, (256,)."""
    return np.bincount(label.ravel(), minlength=256) / label.size
