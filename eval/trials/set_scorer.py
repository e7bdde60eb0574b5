"""Measures of whole sets of pictures on trial: the tables of eval.sets, row by row, and Gram-MMD at all layers.

Vectors are kept as they are. Gram matrices have a million entries, so only their inner products are kept.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from eval.features.inner_products import inner_products
from eval.features.store import Embedding
from eval.features.vgg_statistics import part
from eval.measuring.set_distances import FeatureSets, gram_mmd_of_products
from eval.measuring.set_metrics import SetMetric, gram_metric
from eval.metrics.gram_mmd import upper_triangle
from eval.records.scores_record import Metric
from eval.trials.pictures import PictureSet
from eval.trials.scorer import Array, Arrays
from gbuffer_tools.errors import InputError

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class SetScorer:
    """The measures of one embedding.

    Attributes:
        embedding: makes features.
        rows: rows of a table of eval.sets, whose parts are vectors.
        grams: layers whose Gram-MMD is measured.
        photos: the photographs.
    """

    embedding: Embedding
    rows: tuple[SetMetric, ...]
    grams: tuple[str, ...]
    photos: PictureSet

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The rows' metrics, then those of Gram-MMD."""
        return (*(row.metric for row in self.rows), *(gram_metric(layer).metric for layer in self.grams))

    @property
    def digest(self) -> str:
        """SHA-256 of the embedding, its parts and the photographs."""
        text = f"sets {self.embedding.digest} {sorted(self._vectors)} {self.grams} {self.photos.digest}"
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def _vectors(self) -> set[str]:
        return {row.part for row in self.rows}

    @cached_property
    def _real(self) -> dict[str, Floats]:
        return self.features(self.photos)

    def features(self, pictures: PictureSet) -> dict[str, Floats]:
        """Features (N, D) by part; Gram matrices as upper triangles.

        Raises:
            InputError: a picture that the network cannot take.
        """
        found = []
        for key, picture in zip(pictures.keys, pictures.pixels, strict=True):
            try:
                found.append(self.embedding(picture))
            except ValueError as error:
                raise InputError(f"{pictures.folder}: {key}: {error}; leave it out.") from error
        names = (*self._vectors, *map(part, self.grams))
        rows = {name: np.stack([one[name] for one in found]) for name in names}
        return rows | {name: upper_triangle(rows[name]) for name in map(part, self.grams)}

    def common(self) -> Arrays:
        """The photographs' vectors, and the inner products of their Gram matrices."""
        rows = self._real
        grams = {f"yy {name}": _products(rows[name], rows[name]) for name in map(part, self.grams)}
        return {name: rows[name] for name in self._vectors} | grams

    def measure(self, pictures: PictureSet) -> Arrays:
        """Vectors of pictures, inner products of their Gram matrices, and the pictures' numbers."""
        rows = self.features(pictures)
        found: dict[str, NDArray[np.generic]] = {name: rows[name] for name in self._vectors}
        for name in map(part, self.grams):
            found[f"xx {name}"] = _products(rows[name], rows[name])
            found[f"xy {name}"] = _products(rows[name], self._real[name])
        return found | {"numbers": pictures.numbers}

    def values(self, common: Arrays, found: Arrays, draws: Array) -> dict[str, Array]:
        """Values (S,) of all measures."""
        numbers, real_numbers = found["numbers"].astype(np.int64), self.photos.numbers
        values = {}
        for row in self.rows:
            judged, real = found[row.part].astype(np.float32), common[row.part].astype(np.float32)
            values[row.metric.key] = drawn(row, FeatureSets(judged, real, numbers, real_numbers, draws))
        for layer in self.grams:
            tables = (found[f"xx {part(layer)}"], found[f"xy {part(layer)}"], common[f"yy {part(layer)}"])
            xx, xy, yy = (table.astype(np.float64) for table in tables)
            metric = gram_metric(layer).metric
            values[metric.key] = gram_mmd_of_products(xx, xy, yy, numbers, real_numbers, draws)
        return values


def drawn(row: SetMetric, sets: FeatureSets) -> Array:
    """Values (S,) of a row of eval.sets for each selection, whether or not the row resamples by itself.

    A row that does not has NaN where a selection repeats a picture: a copy is nearer to its picture than any other
    picture is, so sets with copies look narrower than they are, and intervals from them would be biased.
    """
    if len(sets.draws) > 1:
        found = row.measure(sets)
        if len(found) == len(sets.draws):
            return found
    values = np.full(len(sets.draws), np.nan)
    for index, counts in enumerate(sets.draws):
        if counts.max() <= 1:
            chosen = counts > 0
            one = FeatureSets(
                sets.judged[chosen], sets.real, sets.judged_numbers[chosen], sets.real_numbers, counts[chosen][None]
            )
            values[index] = row.measure(one)[0]
    return values


def _products(x: Floats, y: Floats) -> Array:
    found: Array = inner_products(torch.from_numpy(x), torch.from_numpy(y)).numpy()
    return found
