"""The metrics of eval.segmentation as a table, and the pixel counts that they are made from.

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
from datasets.labelling.segmenter import Pixels, Segmenter, open_segmenter
from datasets.labelling.taxonomy import Labels, SegmenterTaxonomy
from eval.digests import pixel_digest
from eval.metrics.iou import PixelCounts, accuracy, confusion, counts, iou, mean_iou
from eval.records.scores_record import Metric
from gbuffer_tools.errors import InputError

Array = NDArray[np.float64]
LabelledPictures = tuple[str, int]
"""Pictures that a segmenter labelled: the name of a method or of segmenters, and which of those with that name."""


@dataclass(frozen=True)
class Agreement:
    """How a method's labels agree, as pixel counts: (F, C) by frame, or (R, C) by resample.

    Attributes:
        truth: with the class ids of the frame files.
        render: with the segmenter's labels of the render.
    """

    truth: PixelCounts
    render: PixelCounts

    def weighted(self, draws: Array) -> "Agreement":
        """Sums over frames (R, C), where `draws` (R, F) says how often each frame counts."""
        return Agreement(self.truth.weighted(draws), self.render.weighted(draws))


@dataclass(frozen=True)
class AgreementMetric:
    """A row of the table.

    Attributes:
        metric: its key, name, and which side is better.
        measure: counts (R, C) -> values (R,), NaN where there is none.
        of_render: whether the first method also has a value: the render is not compared with itself.
    """

    metric: Metric
    measure: Callable[[Agreement], Array]
    of_render: bool = True


def segmentation_metrics(classes: Sequence[str], *, of_methods: bool = True) -> tuple[AgreementMetric, ...]:
    """The table: means over the classes, then each class.

    Args:
        classes: their names.
        of_methods: whether methods are judged; otherwise segmenters are, none of which has to agree with the first.
    """
    of = "of the segmenter's labels with the frames' classes"
    table = (
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
    return tuple(row for row in table if of_methods or row.of_render)


def _of_class(index: int, name: str, of: str) -> AgreementMetric:
    metric = Metric(f"iou_{name}", f"IoU, {name}", "higher", f"intersection over union {of}")
    return AgreementMetric(metric, lambda found: iou(found.truth.of_class(index)))


def values(
    found: Mapping[LabelledPictures, Agreement], rows: Sequence[AgreementMetric]
) -> dict[LabelledPictures, dict[str, Array]]:
    """A value for each row of the counts, (F,) or (R,), by what was labelled and by metric."""
    first = next(iter(found))
    return {
        which: {row.metric.key: row.measure(agreement) for row in rows if row.of_render or which != first}
        for which, agreement in found.items()
    }


def averaged(found: Mapping[LabelledPictures, Mapping[str, Array]]) -> dict[str, dict[str, Array]]:
    """The means over the seeds of each name, by name and metric."""
    seeds: dict[str, list[Mapping[str, Array]]] = {}
    for (name, _), rows in found.items():
        seeds.setdefault(name, []).append(rows)
    return {
        name: {key: np.mean([rows[key] for rows in several], axis=0) for key in several[0]}
        for name, several in seeds.items()
    }


def open_alike(paths: Sequence[Path], classes: Path | None) -> tuple[dict[Path, Segmenter], SegmenterTaxonomy]:
    """Open segmenters that know the same classes; return them by file, and the taxonomy of the classes.

    Args:
        paths: their files.
        classes: YAML file of a taxonomy; None: the segmenters' own classes.

    Raises:
        InputError: a file is not a segmenter, or one has other classes than the first.
    """
    opened = {path: open_segmenter(path, classes) for path in paths}
    taxonomy = opened[paths[0]].taxonomy
    for path, segmenter in opened.items():
        if list(segmenter.taxonomy.classes) != list(taxonomy.classes):
            raise InputError(
                f"{path}: has the classes {', '.join(segmenter.taxonomy.classes)}, wanted those of {paths[0]}, "
                f"{', '.join(taxonomy.classes)}; pass a YAML file as --classes that says which are one."
            )
    return opened, taxonomy


def check_names(folder: Path, taxonomy: SegmenterTaxonomy) -> None:
    """Check that frame files have the names that a taxonomy lists: at least one for each class.

    Raises:
        InputError: they do not, or a file has no class ids.
    """
    known = set(class_names(folder))
    for meaning in taxonomy.classes.values():
        if meaning.game and not known.intersection(meaning.game):
            there = ", ".join(sorted(known)) or "none"
            raise InputError(
                f"{folder}: has no class {' or '.join(map(repr, meaning.game))}; it has {there}. Change --classes."
            )


def true_labels(folder: Path, taxonomy: SegmenterTaxonomy) -> Iterator[tuple[str, Labels]]:
    """Key and classes (H, W) of every frame of a folder of frame files.

    Raises:
        InputError: a file has no class ids.
    """
    class_names(folder)
    return class_maps(folder, taxonomy)


def agreements(
    truth: Iterable[tuple[str, Labels]],
    labelled: Mapping[LabelledPictures, tuple[Images, Callable[[Pixels], Labels]]],
    classes: int,
) -> tuple[dict[LabelledPictures, Agreement], dict[LabelledPictures, dict[str, bytes]]]:
    """All counts (F, C), frames in the order of the pictures' keys, and the digests of all pictures.

    Args:
        truth: key and classes (H, W) of every frame, in any order.
        labelled: pictures, and what labels them: picture (H, W, 3) uint8 -> classes (H, W). With methods, the first are
            the render's.
        classes: C.

    Raises:
        InputError: pictures whose size is not the frame's.
    """
    keys = next(iter(labelled.values()))[0].keys
    indices = {key: index for index, key in enumerate(keys)}
    # Against the truth and the render: both, either, truth. Not confusion matrices: with many classes they are large.
    tables = {which: np.zeros((2, 3, len(keys), classes), np.int64) for which in labelled}
    contents: dict[LabelledPictures, dict[str, bytes]] = {which: {} for which in labelled}
    for key, labels in truth:
        index, rendered = indices[key], None
        for which, (images, segment) in labelled.items():
            picture = images[index]
            if picture.shape[:2] != labels.shape:
                raise InputError(
                    f"{images.path(index)}: {picture.shape[1]}x{picture.shape[0]} pixels, wanted "
                    f"{labels.shape[1]}x{labels.shape[0]} as the frame has."
                )
            contents[which][key] = pixel_digest(picture)
            seen = segment(picture)
            rendered = seen if rendered is None else rendered
            for table, wanted in zip(tables[which], (labels, rendered), strict=True):
                found = counts(confusion(wanted, seen, classes))
                table[:, index] = found.both, found.either, found.truth
    found_of = {
        which: Agreement(PixelCounts(*to_truth), PixelCounts(*to_render))
        for which, (to_truth, to_render) in tables.items()
    }
    return found_of, contents
