"""sKVD and KVD on trial: crops at fixed places, whose partners are found once, from label maps that do not change.

The parts are those of eval.skvd: crops, alignment, pairs, features, `eval.kvd.layers`. Without label maps there is only
KVD.
"""

import hashlib
import math
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from eval.features.inner_products import InnerProducts, inner_products
from eval.features.vgg_features import LAYERS, Extractor
from eval.kvd import alignment
from eval.kvd.alignment import Crop
from eval.kvd.crops import DrawnCrops, by_picture, region
from eval.kvd.layers import LayerDistances, mean_square
from eval.kvd.pairing import pair, unpaired
from eval.kvd.protocols import OURS
from eval.records.scores_record import Metric
from eval.trials.pictures import PictureSet
from eval.trials.scorer import Array, Arrays
from gbuffer_tools.errors import InputError

Pixels = NDArray[np.uint8]


class CropScorer:
    """sKVD and KVD of one folder's pictures, degraded or not, at every layer.

    Args:
        extract: VGG16.
        weights: SHA-256 of its file.
        photos: the photographs.
        judged: the pictures as they are in their folder; those that are measured show the same.
        side: a crop's side in pixels.
        crops, candidates: crops per picture and per photograph.
        seed: seed for the crops.

    Raises:
        InputError: a picture smaller than a crop, or too few pairs.
    """

    def __init__(
        self,
        extract: Extractor,
        weights: str,
        photos: PictureSet,
        judged: PictureSet,
        *,
        side: int,
        crops: int,
        candidates: int,
        seed: int,
    ) -> None:
        self.extract, self.side, self.photos = extract, side, photos
        self.aligned = photos.labels is not None and judged.labels is not None
        self.fake, self.real = _drawn(judged, side, crops, seed), _drawn(photos, side, candidates, seed)
        sample = math.ceil(len(self.fake.crops) / len(photos))
        if self.aligned:
            self.pairing = pair(self.fake, self.real, OURS.match(self.fake, self.real), sample=sample)
        else:
            self.pairing = unpaired(self.real, sample=sample)
        text = (
            f"crops {weights} {photos.digest} {judged.keys} {[picture.shape for picture in judged.pixels]} "
            f"{self.fake.labels} {self.real.labels} {side} {crops} {candidates} {seed}"
        )
        self.digest = hashlib.sha256(text.encode()).hexdigest()

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """sKVD of every layer if there are label maps, and KVD."""
        what = "distance of crops to photographs' of the same layout", "distance of crops to photographs', unaligned"
        skvd = [Metric(f"skvd_{layer}", f"sKVD {layer}", "lower", what[0]) for layer in LAYERS if self.aligned]
        return (*skvd, *(Metric(f"kvd_{layer}", f"KVD {layer}", "lower", what[1]) for layer in LAYERS))

    @cached_property
    def _features(self) -> dict[str, torch.Tensor]:
        """Features of the real crops that are used."""
        return self.extract(_pixels(self.photos, [self.real.crops[i] for i in self.pairing.used], self.side), LAYERS)

    def common(self) -> Arrays:
        """Inner products among the real crops, by layer."""
        return {f"yy {layer}": inner_products(rows, rows).cpu().numpy() for layer, rows in self._features.items()}

    def measure(self, pictures: PictureSet) -> Arrays:
        """Inner products among the crops of pictures, and between them and the real ones, by layer."""
        rows = self.extract(_pixels(pictures, self.fake.crops, self.side), LAYERS)
        found: dict[str, NDArray[np.generic]] = {"numbers": pictures.numbers[self.fake.groups]}
        for layer in LAYERS:
            found[f"xx {layer}"] = inner_products(rows[layer], rows[layer]).cpu().numpy()
            found[f"xy {layer}"] = inner_products(rows[layer], self._features[layer]).cpu().numpy()
        return found

    def values(self, common: Arrays, found: Arrays, draws: Array) -> dict[str, Array]:
        """sKVD and KVD (S,) of every layer."""
        used = self.pairing.used
        photos = self.photos.numbers[self.real.groups[used]]
        values = {}
        for layer in LAYERS:
            yy, xx, xy = (
                table.astype(np.float64)
                for table in (common[f"yy {layer}"], found[f"xx {layer}"], found[f"xy {layer}"])
            )
            products = InnerProducts(real=yy, fake=(xx,), across=(xy,))
            square = mean_square(yy, self.pairing.sample)
            if not square > 0:
                raise InputError(f"{self.photos.folder}: {layer} sees nothing in these photographs")
            numbers = [found["numbers"].astype(np.int64)]
            one = LayerDistances(products, square, numbers, photos, self.pairing, draws[:, self.fake.groups])
            if self.aligned:
                values[f"skvd_{layer}"] = one.skvd(0)
            values[f"kvd_{layer}"] = one.kvd(0)
        return values


def _drawn(pictures: PictureSet, side: int, count: int, seed: int) -> DrawnCrops:
    """Crops of pictures, described by label maps if there are any."""
    crops: list[Crop] = []
    cells: list[Pixels] = []
    groups: list[int] = []
    for index, (key, picture) in enumerate(zip(pictures.keys, pictures.pixels, strict=True)):
        height, width = picture.shape[:2]
        if min(height, width) < side:
            raise InputError(
                f"{pictures.folder}: {key} has {width}x{height} pixels, wanted {side} or more a side; leave it out, or "
                "choose a smaller --height."
            )
        drawn = alignment.draw_crops(key, height, width, side=side, count=count, seed=seed)
        crops += drawn
        groups += [index] * count
        for crop in drawn if pictures.labels else ():
            cells.append(alignment.describe((pictures.labels or ())[index], crop, side, (height, width)))
    described = np.stack(cells) if cells else np.zeros((len(crops), 0), np.uint8)
    digest = hashlib.sha256(described.tobytes()).hexdigest()
    return DrawnCrops(crops, np.array(groups, dtype=np.int64), described, digest)


def _pixels(pictures: PictureSet, crops: list[Crop], side: int) -> Pixels:
    """The pixels of crops (N, S, S, 3)."""
    places = {key: index for index, key in enumerate(pictures.keys)}
    pixels = np.empty((len(crops), side, side, 3), np.uint8)
    for key, indices in by_picture(crops).items():
        for index in indices:
            pixels[index] = region(pictures.pixels[places[key]], crops[index].top, crops[index].left, side)
    return pixels
