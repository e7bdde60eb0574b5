"""Segmenters that label pictures: one from train.segmenter (model file or ONNX), or the user's own ONNX file."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from datasets.labelling.taxonomy import (
    MAX_ID,
    ClassMeaning,
    Labels,
    SegmenterInput,
    SegmenterTaxonomy,
    read_taxonomy,
)
from datasets.photos import to_height
from datasets.runtime.device import full_precision
from datasets.runtime.onnx_session import one_line_errors, open_session, picture_input
from datasets.runtime.weights import load_model
from epe import models
from epe.networks.segmenters.unet import UNet, UNetSpec
from gbuffer_tools.errors import InputError
from gbuffer_tools.resampling import nearest

if TYPE_CHECKING:
    import onnxruntime

CPU = torch.device("cpu")

Pixels = NDArray[np.uint8]
Size = tuple[int, int]


class OnnxNetwork:
    """A network in an ONNX file that takes a picture (1, 3, H, W) float32.

    Attributes:
        path: the file.
        size: height and width of its input; None: any.

    Raises:
        InputError: onnxruntime is not installed, or the network does not take one picture of a possible size.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.session: onnxruntime.InferenceSession = open_session(path)
        self.name: str
        self.size: Size | None
        self.name, self.size = picture_input(self.session, path)

    @property
    def header(self) -> str:
        """The header of the model file that app.export made it from; "" for other people's networks."""
        return str(self.session.get_modelmeta().custom_metadata_map.get("model", ""))

    def __call__(self, values: NDArray[np.float32]) -> object:
        """Return the network's first output.

        Raises:
            InputError: the network failed.
        """
        with one_line_errors(self.path, f"fails on a picture of {values.shape[3]}x{values.shape[2]}"):
            return self.session.run(None, {self.name: values})[0]


def network_of(network: nn.Module) -> Callable[[NDArray[np.float32]], object]:
    """Wrap a torch network, which must be in evaluation mode, as `Segmenter` calls it."""

    @torch.inference_mode()
    @full_precision()
    def run(values: NDArray[np.float32]) -> object:
        device = next(network.parameters()).device
        return network(torch.from_numpy(values).to(device)).float().cpu().numpy()

    return run


class Segmenter:
    """Labels the pixels of pictures with classes.

    The network returns scores (1, K, h, w), which are enlarged to pixels and of which the largest counts, or numbers
    (1, h, w) or (1, 1, h, w). Pictures are resized to its size if it has one, else shrunk to `height` and padded with
    their edge colours to the next multiple.

    Args:
        path: where the network is from, for messages.
        network: values (1, 3, H, W) float32 -> scores or numbers.
        taxonomy: what its numbers mean, and how it is fed.
        size: the only height and width that it takes; None: any.
        height: height in pixels that larger pictures are shrunk to; None: they are fed as they are.
    """

    def __init__(
        self,
        path: Path,
        network: Callable[[NDArray[np.float32]], object],
        taxonomy: SegmenterTaxonomy,
        *,
        size: Size | None = None,
        height: int | None = None,
    ) -> None:
        self.path, self.network, self.taxonomy, self.size, self.height = path, network, taxonomy, size, height
        self.input, self.table = taxonomy.input, taxonomy.of_segmenter()

    def __call__(self, picture: Pixels) -> Labels:
        """Return the class of each pixel (H, W), or `NONE`, of a picture (H, W, 3) uint8 sRGB.

        Raises:
            InputError: the network failed, or returned something other than scores or numbers.
        """
        fitted = self._fitted(picture)
        below, right = (0, 0) if self.size else (-side % self.input.multiple_of for side in fitted.shape[:2])
        fed = np.pad(fitted, ((0, below), (0, right), (0, 0)), mode="edge")
        mean, std = (np.array(values, np.float32) for values in (self.input.mean, self.input.std))
        values = (fed / np.float32(255) - mean) / std
        found = self.network(np.ascontiguousarray(values.transpose(2, 0, 1)[None]))
        return self.table[self._numbers(found, fed.shape[:2], fitted.shape[:2], picture.shape[:2])]

    def _fitted(self, picture: Pixels) -> Pixels:
        """Return the picture at the size at which the network sees it."""
        if self.size is None:
            return picture if self.height is None else to_height(picture, self.height)
        smaller = self.size[0] < picture.shape[0] and self.size[1] < picture.shape[1]
        return cv2.resize(picture, self.size[::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)

    def _numbers(
        self, found: object, fed: tuple[int, ...], fitted: tuple[int, ...], size: tuple[int, ...]
    ) -> NDArray[np.int64]:
        """Return the segmenter's number per pixel; -1 and 65536 stand for all smaller and larger numbers.

        Args:
            found: what the network returned.
            fed, fitted, size: heights and widths of what was fed, of the picture in it, and of the picture itself.
        """
        values = np.asarray(found)
        shape, kind = values.shape, values.dtype.kind
        if kind in "iu" and len(shape) in (3, 4) and set(shape[:-2]) == {1} and values.size:
            clipped = np.clip(values.astype(np.int64), -1, MAX_ID + 1).reshape(shape[-2:])
            return nearest(nearest(clipped, fed)[: fitted[0], : fitted[1]], size).astype(np.int64)
        if kind != "f" or len(shape) != 4 or shape[0] != 1 or not 2 <= shape[1] <= MAX_ID + 1 or not values.size:
            raise InputError(
                f"{self.path}: gives {values.dtype} {shape}; wanted scores (1, classes, h, w) or numbers (1, h, w)."
            )
        scores = torch.from_numpy(values[0].astype(np.float32))
        if not scores.isfinite().all():
            raise InputError(f"{self.path}: gives scores that are not finite; wanted numbers that can be compared.")
        # One class at a time: all of them at the size of a frame may take gigabytes.
        best, number = torch.full(size, -torch.inf), torch.zeros(size, dtype=torch.int64)
        for k, score in enumerate(scores):
            covered = F.interpolate(score[None, None], fed, mode="bilinear")[..., : fitted[0], : fitted[1]]
            enlarged = F.interpolate(covered, size, mode="bilinear")[0, 0]
            number[enlarged > best] = k
            best = torch.maximum(best, enlarged)
        return number.numpy()


def open_segmenter(path: Path, classes: Path | None, device: torch.device = CPU) -> Segmenter:
    """Open a segmenter; one of train.segmenter knows its own classes.

    Args:
        path: a model file of train.segmenter (.safetensors), one exported by app.export, or another ONNX network.
        classes: YAML file of a taxonomy; None: the segmenter's own classes.
        device: where it computes; ONNX networks only have the CPU.

    Raises:
        InputError: not a segmenter, it needs a taxonomy that says what its numbers mean, or it cannot use the device.
    """
    asked = read_taxonomy(classes) if classes else None
    if path.suffix != ".onnx":
        model = load_model(path, UNet.kind, "train.segmenter")
        spec, names = class_names_of(path, model.spec, model.classes)
        return Segmenter(
            path, network_of(model.network.to(device)), taxonomy_of(path, spec, names, asked), height=spec.height
        )
    if device.type != "cpu":
        raise InputError(f"--device {device}: {path} is an ONNX network, which runs on the CPU; leave --device out.")
    network = OnnxNetwork(path)
    if network.header:
        try:
            header = models.parse_header(network.header, path)
        except models.ModelError as error:
            raise InputError(str(error)) from error
        if header["kind"] != UNet.kind:
            raise InputError(f"{path}: is a {header['kind']!r}, wanted a segmenter (train.segmenter).")
        spec, names = class_names_of(path, header["spec"], header["classes"])
        return Segmenter(path, network, taxonomy_of(path, spec, names, asked), size=network.size, height=spec.height)
    if asked is None:
        raise InputError(f"{path}: does not say what its numbers mean; pass a YAML file that does as --classes.")
    return Segmenter(path, network, asked, size=network.size)


def class_names_of(
    path: Path, spec: dict[str, object], classes: tuple[tuple[str, ...], ...]
) -> tuple[UNetSpec, tuple[str, ...]]:
    """Return the sizes and class names of a segmenter of train.segmenter, from its file's header.

    Raises:
        InputError: the header is damaged.
    """
    names = tuple(name for names in classes for name in names)
    try:
        sizes = UNetSpec.from_dict(spec)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: its spec does not fit a {UNet.kind!r} network ({error}); train it again.") from error
    if any(len(of) != 1 for of in classes) or not len(names) == len(set(names)) == sizes.classes:
        raise InputError(f"{path}: names {len(names)} classes, wanted {sizes.classes} that differ; train it again.")
    return sizes, names


def taxonomy_of(
    path: Path, spec: UNetSpec, names: tuple[str, ...], asked: SegmenterTaxonomy | None
) -> SegmenterTaxonomy:
    """Return the taxonomy, with numbers, of a segmenter that knows its class names.

    Args:
        path: path of the segmenter, for messages.
        spec: its sizes.
        names: its class names.
        asked: the user's taxonomy; its classes match by their own names, or by those that it lists for frame files.

    Raises:
        InputError: the user's taxonomy has none of the segmenter's classes.
    """
    fed = SegmenterInput((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), spec.multiple_of)
    if asked is None:
        return SegmenterTaxonomy({name: ClassMeaning((name,), (number,)) for number, name in enumerate(names)}, fed)
    meant = {listed: name for name, meaning in asked.classes.items() for listed in meaning.game}
    meant |= {name: name for name in asked.classes}
    if not meant.keys() & set(names):
        raise InputError(f"{path}: has the classes {', '.join(names)[:200] or 'none'}, of which --classes lists none.")
    numbers = {name: tuple(i for i, own in enumerate(names) if meant.get(own) == name) for name in asked.classes}
    return SegmenterTaxonomy(
        {name: ClassMeaning(meaning.game, numbers[name]) for name, meaning in asked.classes.items()}, fed
    )
