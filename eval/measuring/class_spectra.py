"""Power spectra class by class, for eval.sets with label maps: whether roads are too crisp, or skies too noisy.

Only patches that a class covers count for it (`eval.metrics.spectrum.class_spectra`). Pictures are weighted by how many
such patches they have.

Shapes: F frames, M photographs, C classes, K bands, B resamples.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from datasets.images import Images
from datasets.labels import read_label
from datasets.photos import PhotoFilter, to_height
from eval.inputs import label_facts
from eval.metrics.spectrum import CENTRES, SIDE, class_spectra, high_excess
from eval.records.scores_record import Metric

Array = NDArray[np.float64]

MIN_PATCHES = 20
"""A class with fewer patches on a side is left out."""


@dataclass(frozen=True)
class ClassSums:
    """Spectra of one folder's pictures by class: sums (N, C, K) in decibels, and patch counts (N, C)."""

    sums: Array
    counts: Array

    def mean(self, draws: Array) -> Array:
        """Mean spectra (S, C, K) of pictures that are drawn (S, N) times; NaN for a class that none shows."""
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Array = np.einsum("sn,nck->sck", draws, self.sums) / (draws @ self.counts)[..., None]
        return found


def class_values(
    methods: Mapping[str, Images],
    photos: Images,
    fake_labels: Path,
    real_labels: Path,
    photo_filter: PhotoFilter,
    draws: Array,
    *,
    progress: bool,
) -> tuple[tuple[Metric, ...], dict[str, dict[str, Array]], dict[str, str]]:
    """Per class, distance and high-frequency excess of every method.

    Args:
        methods: F frames each, by the method's name.
        photos: M photographs.
        fake_labels, real_labels: folders of label maps of one taxonomy.
        photo_filter: how photographs are reduced to the frames' height.
        draws: (1 + B, F) how often each frame was drawn; row 0 is ones.
        progress: show a bar on stderr.

    Returns:
        The metrics; values (1 + B,) by method and metric; what they depend on, in words.

    Raises:
        InputError: label maps that are missing, or from two taxonomies.
    """
    method, classes = label_facts(fake_labels, real_labels)
    height = next(iter(methods.values()))[0].shape[0]
    total = len(photos) + sum(map(len, methods.values()))
    with tqdm(total=total, desc="spectra by class", unit="picture", disable=not progress) as bar:
        real = class_sums(photos, real_labels, classes, height, photo_filter, bar)
        fake = {name: class_sums(images, fake_labels, classes, None, "area", bar) for name, images in methods.items()}
    wanted = [k for k in range(classes) if min(one.counts[:, k].sum() for one in (real, *fake.values())) >= MIN_PATCHES]
    own = real.mean(np.ones((1, len(photos))))[0]
    values: dict[str, dict[str, Array]] = {}
    for name, one in fake.items():
        apart = one.mean(draws) - own
        values[name] = {f"spectral_class_{k}": np.sqrt(np.square(apart[:, k]).mean(-1)) for k in wanted}
        values[name] |= {f"spectral_excess_class_{k}": high_excess(apart[:, k]) for k in wanted}
    metrics = [
        Metric(f"spectral_class_{k}", f"spectral distance, class {k} (dB)", "lower", "of patches of this class alone")
        for k in wanted
    ]
    metrics += [
        Metric(
            f"spectral_excess_class_{k}", f"high-frequency excess, class {k} (dB)", "", "of patches of this class alone"
        )
        for k in wanted
    ]
    text = (
        f"labels by {method}, {classes} classes; patches of which a class covers more than half, classes of "
        f"{MIN_PATCHES} patches or more on all sides; distances are plain root mean squares, whose finite sets lift "
        "them above 0"
    )
    return tuple(metrics), values, {"spectra by class": text}


def class_sums(
    images: Images, labels: Path, classes: int, height: int | None, photo_filter: PhotoFilter, bar: "tqdm[NoReturn]"
) -> ClassSums:
    """Spectra of a folder's pictures; a picture smaller than a patch has none for any class.

    Args:
        images: the folder.
        labels: folder of their label maps.
        classes: how many there are.
        height: the height that taller pictures are reduced to; None: they stay as they are.
        photo_filter: how.
        bar: advances by one with every picture.

    Raises:
        InputError: a label map is missing.
    """
    sums, counts = np.zeros((len(images), classes, len(CENTRES))), np.zeros((len(images), classes))
    for index, key in enumerate(images.keys):
        picture = to_height(images[index], height, photo_filter) if height else images[index]
        if min(picture.shape[:2]) >= SIDE:
            sums[index], counts[index] = class_spectra(picture, read_label(labels, key), classes)
        bar.update()
    return ClassSums(sums, counts)
