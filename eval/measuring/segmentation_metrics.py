"""The metrics of eval.segmentation, a table of them, and the counts of pixels that they are made from.

To add a metric, write it in eval/metrics and add a row to `segmentation_metrics`.

Shapes: F frames, C classes, R resamples, H W pixels.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets.images import Images
from datasets.labelling.class_maps import class_maps, class_names
from datasets.labelling.segmenter import Pixels
from datasets.labelling.taxonomy import Labels, SegmenterTaxonomy
from eval.digests import pixel_digest
from eval.inputs import RENDER
from eval.metrics.iou import PixelCounts, accuracy, confusion, counts, iou, mean_iou
from eval.records.scores_record import Metric
from gbuffer_tools.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """How a method's labels agree, as counts of pixels: (F, C) by frame, or (R, C) by resample.

    Attributes:
        truth: with the class ids of the frame files.
        render: with the segmenter's labels of the render.
    """

    truth: PixelCounts
    render: PixelCounts

    def weighted(self, draws: Array) -> "Agreement":
        """Sums over frames: (R, C), for `draws` (R, F) of how often each frame counts."""
        return Agreement(self.truth.weighted(draws), self.render.weighted(draws))


@dataclass(frozen=True)
class AgreementMetric:
    """A row of the table.

    Attributes:
        metric: its key, name, and which side is better.
        measure: counts (R, C) -> values (R,), NaN where there is none.
        of_render: whether the render has a value, too.
    """

    metric: Metric
    measure: Callable[[Agreement], Array]
    of_render: bool = True


def segmentation_metrics(classes: Sequence[str]) -> tuple[AgreementMetric, ...]:
    """The table: means over the classes, then each class."""
    of = "of the segmenter's labels with the frames' classes"
    return (
        AgreementMetric(
            Metric("miou", "mIoU", "higher", f"mean intersection over union {of}"), lambda found: mean_iou(found.truth)
        ),
        AgreementMetric(
            Metric("pixel_accuracy", "pixel accuracy", "higher", "share of the classes' pixels that are labelled so"),
            lambda found: accuracy(found.truth),
        ),
        AgreementMetric(
            Metric("miou_render", "mIoU to the render", "higher", "the same with the segmenter's labels of the render"),
            lambda found: mean_iou(found.render),
            of_render=False,
        ),
        *(_of_class(index, name, of) for index, name in enumerate(classes)),
    )


def _of_class(index: int, name: str, of: str) -> AgreementMetric:
    metric = Metric(f"iou_{name}", f"IoU, {name}", "higher", f"intersection over union {of}")
    return AgreementMetric(metric, lambda found: iou(found.truth.of_class(index)))


def values(found: Mapping[str, Agreement], rows: Sequence[AgreementMetric]) -> dict[str, dict[str, Array]]:
    """By method and metric, a value for each row of the counts: (F,) or (R,)."""
    return {
        name: {row.metric.key: row.measure(agreement) for row in rows if row.of_render or name != RENDER}
        for name, agreement in found.items()
    }


def true_labels(folder: Path, taxonomy: SegmenterTaxonomy) -> Iterator[tuple[str, Labels]]:
    """Key and classes (H, W) of every frame of a folder of frame files.

    Raises:
        InputError: a file has no class ids, or no file has a name that the taxonomy lists for a class.
    """
    known = set(class_names(folder))
    for meaning in taxonomy.classes.values():
        if meaning.game and not known.intersection(meaning.game):
            raise InputError(
                f"{folder}: has no class {' or '.join(map(repr, meaning.game))}; it has {', '.join(sorted(known))}. "
                "Change --classes."
            )
    return class_maps(folder, taxonomy)


def agreements(
    truth: Iterable[tuple[str, Labels]],
    methods: Mapping[str, Images],
    segment: Callable[[Pixels], Labels],
    classes: int,
) -> tuple[dict[str, Agreement], dict[str, dict[str, bytes]]]:
    """Every method's counts (F, C), frames in the order of the pictures' keys, and the digests of its pictures.

    Args:
        truth: key and classes (H, W) of every frame, in any order.
        methods: by name; the first one is the render.
        segment: picture (H, W, 3) uint8 -> classes (H, W).
        classes: C.

    Raises:
        InputError: pictures of another size than the frame's.
    """
    keys = next(iter(methods.values())).keys
    indices = {key: index for index, key in enumerate(keys)}
    # To the truth and to the render: both, either, truth. Not the confusion matrices: of many classes they are large.
    tables = {name: np.zeros((2, 3, len(keys), classes), np.int64) for name in methods}
    contents: dict[str, dict[str, bytes]] = {name: {} for name in methods}
    for key, labels in truth:
        index, rendered = indices[key], None
        for name, images in methods.items():
            picture = images[index]
            if picture.shape[:2] != labels.shape:
                raise InputError(
                    f"{images.path(index)}: {picture.shape[1]}x{picture.shape[0]} pixels, wanted "
                    f"{labels.shape[1]}x{labels.shape[0]} as the frame has."
                )
            contents[name][key] = pixel_digest(picture)
            seen = segment(picture)
            rendered = seen if rendered is None else rendered
            for table, wanted in zip(tables[name], (labels, rendered), strict=True):
                found = counts(confusion(wanted, seen, classes))
                table[:, index] = found.both, found.either, found.truth
    found_of = {
        name: Agreement(PixelCounts(*to_truth), PixelCounts(*to_render))
        for name, (to_truth, to_render) in tables.items()
    }
    return found_of, contents
