"""Values of single frames and their means, for eval.content.

Shapes: F frames, B resamples.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from datasets.images import Images
from datasets.photos import to_height
from eval.digests import pixel_digest
from eval.inputs import picture_like
from eval.measuring.picture_metrics import Compare, Judge
from eval.measuring.run import RealSide
from eval.metrics.lpips import MIN_SIDE
from eval.no_value import value_or_nan
from eval.records.scores_record import Metric
from gbuffer_tools.errors import InputError

Array = NDArray[np.float64]


def frame_values(
    methods: Mapping[str, Images],
    truth: Images | None,
    compare: Mapping[Metric, Compare],
    judge: Mapping[Metric, Judge],
) -> tuple[dict[str, dict[str, Array]], dict[str, dict[str, bytes]]]:
    """By method and metric, one value per frame (F,); by method and key, the digest of each picture.

    Args:
        methods: pictures of the same frames, by method name.
        truth: what all methods are compared with; None: the first method, which then is not compared with anything.
        compare: metrics of a picture and its reference.
        judge: metrics of one picture.

    Raises:
        InputError: a picture that differs in size from its reference, or is too small for the perceptual distances.
    """
    names = list(methods)
    references = methods[names[0]] if truth is None else truth
    keys, compared = methods[names[0]].keys, names[1:] if truth is None else names
    whose = names[0] if truth is None else "the truth"
    found = {
        name: {metric.key: np.full(len(keys), np.nan) for metric in (*(compare if name in compared else ()), *judge)}
        for name in names
    }
    contents: dict[str, dict[str, bytes]] = {name: {} for name in names}
    for i, key in enumerate(tqdm(keys, desc="frames", unit="frame")):
        reference = references[i]
        if min(reference.shape[:2]) < MIN_SIDE:
            raise InputError(
                f"{references.path(i)}: {reference.shape[1]}x{reference.shape[0]} pixels, wanted {MIN_SIDE} or more a "
                "side; compare larger pictures."
            )
        for name in names:
            picture = picture_like(methods[name], i, reference, whose)
            contents[name][key] = pixel_digest(picture)
            for metric, alone in judge.items():
                found[name][metric.key][i] = value_or_nan(alone, picture)
            for metric, distance in compare.items() if name in compared else ():
                found[name][metric.key][i] = value_or_nan(distance, picture, reference)
    return found, contents


def means(frames: Mapping[str, Mapping[str, Array]], draws: Array) -> dict[str, dict[str, Array]]:
    """Means by method and metric, plain and resampled (1 + B,), over the frames for which all methods have a value.

    A method without a value for any frame has no mean, and does not affect the others. If only one frame counts, there
    are no resamples: (1,).

    Args:
        frames: by method and metric, one value per frame (F,).
        draws: (1 + B, F) how often each frame was drawn; row 0 is ones.
    """
    found: dict[str, dict[str, Array]] = {name: {} for name in frames}
    for key in dict.fromkeys(key for values in frames.values() for key in values):
        rows = {name: values[key] for name, values in frames.items() if np.isfinite(values.get(key, np.nan)).any()}
        if not rows:
            continue
        complete = np.isfinite(list(rows.values())).all(axis=0)
        drawn = draws[: 1 if complete.sum() == 1 else None, complete]
        for name, values in rows.items():
            with np.errstate(invalid="ignore"):
                found[name][key] = drawn @ values[complete] / drawn.sum(1)
    return found


def photographs(photos: Images, height: int, judge: Mapping[Metric, Judge]) -> RealSide:
    """The photographs and their own means, each photograph reduced to the frames' height.

    Args:
        photos: the folder.
        height: the frames' height in pixels.
        judge: metrics of one picture.
    """
    contents: dict[str, bytes] = {}
    values: dict[str, list[float]] = {metric.key: [] for metric in judge}
    for key, photo in zip(photos.keys, photos, strict=True):
        contents[key], judged = pixel_digest(photo), to_height(photo, height)
        for metric, alone in judge.items():
            values[metric.key].append(value_or_nan(alone, judged))
    own = {key: float(np.nanmean(found)) for key, found in values.items() if np.isfinite(found).any()}
    return RealSide(photos, contents, own)
