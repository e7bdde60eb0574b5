"""How well label maps agree: intersection over union per class, its mean, and the fraction of correct pixels.

Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", 2010, whose segmentation accuracy this is.
Pixels are counted before anything is divided, so the counts of pictures can be added up, or resampled. A pixel without
a class (`NONE`) does not count in the truth; in the prediction it is a miss, whatever the truth is.

Shapes: C classes; `...` any number of pictures, or of resamples of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datasets.labelling.taxonomy import NONE

Ints = NDArray[np.integer]
Array = NDArray[np.float64]
Pixels = NDArray[np.integer] | Array


@dataclass(frozen=True)
class PixelCounts:
    """Pixel counts per class, (..., C) each.

    Attributes:
        both: pixels of the class in the truth and in the prediction.
        either: pixels of the class in either or both.
        truth: pixels of the class in the truth.
    """

    both: Pixels
    either: Pixels
    truth: Pixels

    def weighted(self, draws: Array) -> "PixelCounts":
        """Sum the counts of pictures, each as often as it was drawn.

        Args:
            draws: (R, F), how often each of F pictures counts.

        Returns:
            (R, C).
        """
        return PixelCounts(draws @ self.both, draws @ self.either, draws @ self.truth)

    def of_class(self, index: int) -> "PixelCounts":
        """The counts of one class, (...)."""
        return PixelCounts(self.both[..., index], self.either[..., index], self.truth[..., index])


def confusion(truth: Ints, found: Ints, classes: int) -> NDArray[np.int64]:
    """Confusion matrix: how often pixels of each class were taken for each class.

    Args:
        truth, found: class per pixel, or `NONE`; of one shape.
        classes: C.

    Returns:
        (C, C + 1): rows are the truth's classes, the last column counts pixels taken for none.

    Raises:
        ValueError: shapes that differ, or numbers that are not a class.
    """
    if truth.shape != found.shape:
        raise ValueError(f"label maps of {truth.shape} and {found.shape}; wanted one shape.")
    for labels in (truth, found):
        if labels.size and not NONE <= labels.min() <= labels.max() < classes:
            raise ValueError(f"labels {labels.min()} .. {labels.max()}, wanted {NONE} .. {classes - 1}.")
    counted = truth != NONE
    columns = np.where(found[counted] == NONE, classes, found[counted]).astype(np.int64)
    pairs = truth[counted].astype(np.int64) * (classes + 1) + columns
    return np.bincount(pairs, minlength=classes * (classes + 1)).reshape(classes, classes + 1)


def counts(matrix: NDArray[np.int64]) -> PixelCounts:
    """The counts that a confusion matrix (..., C, C + 1) holds."""
    truth, found = matrix.sum(-1), matrix[..., :-1].sum(-2)
    both = np.diagonal(matrix, axis1=-2, axis2=-1)
    return PixelCounts(both, truth + found - both, truth)


def iou(found: PixelCounts) -> Array:
    """Intersection over union of each class, (..., C) in [0, 1]; NaN for a class that is in neither."""
    return _quotient(found.both, found.either)


def mean_iou(found: PixelCounts) -> Array:
    """Mean IoU over the classes that the truth has, (...) in [0, 1]; NaN where it has none.

    Classes that the truth lacks are left out even if they were found, so everything compared with one truth is averaged
    over the same classes. A wrongly found class still counts as a miss of the right one.
    """
    occurs = found.truth > 0
    return _quotient(np.where(occurs, iou(found), 0).sum(-1), occurs.sum(-1))


def accuracy(found: PixelCounts) -> Array:
    """Pixel accuracy (...): fraction of the counted pixels that are correct; NaN where none counts."""
    return _quotient(found.both.sum(-1), found.truth.sum(-1))


def _quotient(a: Pixels, b: Pixels) -> Array:
    return np.where(b > 0, a / np.maximum(b, 1), np.nan)
