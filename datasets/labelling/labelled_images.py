"""Pictures with the class of each pixel: frame files that hold class ids, or images and a folder of label maps."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from datasets.images import Images
from datasets.labelling.class_maps import class_maps, class_names
from datasets.labelling.taxonomy import NONE, Labels, read_taxonomy, shared_taxonomy
from datasets.labels import other_class, read_facts, read_ids
from datasets.photos import to_height
from gbuffer_tools.errors import InputError
from gbuffer_tools.resampling import nearest


class LabelledImages:
    """A folder of pictures with the class of each pixel, kept in memory at one height.

    Args:
        images: folder of images or frame files.
        labels: folder of their label maps; None: the class ids of the frame files.
        classes: YAML file of a taxonomy for class ids (datasets/labelling/taxonomy.py); None: each name is a class.
        height: height in pixels that larger pictures are shrunk to (`datasets.photos.to_height`).

    Attributes:
        names: of the classes.
        keys: of the pictures.

    Raises:
        InputError: the folders do not fit together, or no pixel has a class.
    """

    def __init__(self, images: Path, labels: Path | None, classes: Path | None, height: int) -> None:
        self.folder, pictures = images, Images(images)
        self.keys = pictures.keys
        maps: Iterator[tuple[str, Labels]]
        if labels is None:
            taxonomy = read_taxonomy(classes) if classes else shared_taxonomy([class_names(images)])
            self.names, maps = tuple(taxonomy.classes), class_maps(images, taxonomy)
        elif classes is not None:
            raise InputError(f"{classes}: label maps in {labels} have classes already; leave --classes out.")
        else:
            self.names, maps = read_maps(labels, self.keys)
        self._pixels = [to_height(pictures[i], height) for i in range(len(pictures))]
        # Shrunk one at a time: all maps at their own size may take more memory than the pictures.
        sizes = {key: pixels.shape[:2] for key, pixels in zip(self.keys, self._pixels, strict=True)}
        shrunk = {key: nearest(found, sizes[key]).astype(np.int16) for key, found in maps}
        self._labels = [shrunk[key] for key in self.keys]
        if not any((found != NONE).any() for found in self._labels):
            raise InputError(f"{labels or images}: no pixel has a class; label it with other --classes.")

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> tuple[np.ndarray, Labels]:
        """Return picture `index`, (H, W, 3) uint8 sRGB, and its classes (H, W), or `NONE`."""
        return self._pixels[index], self._labels[index]

    def frequencies(self) -> tuple[np.ndarray, np.ndarray]:
        """Return each class's number of pixels, and the number of counted pixels in the pictures that have it."""
        pixels, around = np.zeros((2, len(self.names)), np.int64)
        for labels in self._labels:
            counts = np.bincount(labels[labels != NONE], minlength=len(self.names))
            pixels += counts
            around += np.where(counts > 0, counts.sum(), 0)
        return pixels, around


def read_maps(folder: Path, keys: Sequence[str]) -> tuple[tuple[str, ...], Iterator[tuple[str, Labels]]]:
    """Read the label maps of some pictures: the class names, and the maps with their keys, one at a time.

    Raises:
        InputError: a label map is missing or contradicts labels.json.
    """
    facts, other = read_facts(folder), other_class(folder)
    count = int(str(facts["classes"]))
    names = facts.get("names", [str(number) for number in range(count)])
    if not isinstance(names, list) or len(names) != count or not all(isinstance(name, str) for name in names):
        raise InputError(f"{folder / 'labels.json'}: `names` are not the names of {count} classes; label again.")
    table = np.arange(count, dtype=np.int16)
    if other is not None:  # the classes after it move up
        table = np.concatenate([table[:other], [NONE], table[other:-1]]).astype(np.int16)
    kept = tuple(name for number, name in enumerate(names) if number != other)
    return kept, ((key, table[read_ids(folder, key, count)]) for key in keys)


def median_frequency_weights(pixels: np.ndarray, around: np.ndarray, power: float) -> np.ndarray:
    """Return class weights for a loss that compensate for rarity; 0 for classes that do not occur.

    Eigen and Fergus, "Predicting Depth, Surface Normals and Semantic Labels with a Common Multi-Scale Convolutional
    Architecture", ICCV 2015, sec. 3.3.2: the median frequency, divided by that of the class.

    Args:
        pixels: (K,) pixels of each class.
        around: (K,) counted pixels of the pictures that have the class.
        power: exponent of the quotient; 1 as published, 0 for equal weights.
    """
    frequency = np.divide(pixels, around, out=np.zeros(len(pixels)), where=around > 0)
    occurs = frequency > 0
    quotient = np.divide(np.median(frequency[occurs]), frequency, out=np.zeros(len(pixels)), where=occurs)
    return np.where(occurs, quotient**power, 0.0)
