"""Values of whole sets of pictures, one network at a time, for eval.sets."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from datasets.images import Images
from datasets.photos import PhotoFilter, to_height
from epe.distributed.processes import ProcessGroup
from eval.digests import picture_numbers
from eval.features.store import Pixels, embed
from eval.measuring.set_distances import FeatureSets
from eval.measuring.set_metrics import Family

Array = NDArray[np.float64]


def set_values(
    methods: Mapping[str, Images],
    photos: Images,
    family: Family,
    photo_filter: PhotoFilter = "area",
    *,
    cache: Path,
    group: ProcessGroup,
    draws: Array,
) -> tuple[dict[str, dict[str, Array]], dict[str, dict[str, bytes]], dict[str, bytes]]:
    """Values of all metrics of one network, one method after the other.

    Memory holds the features of the photographs and of one method at a time.

    Args:
        methods: N pictures each, by the method's name.
        photos: M photographs.
        family: the network and its metrics.
        photo_filter: how photographs are reduced, if the family wants it.
        cache: the folder that features are kept in.
        group: the processes that share the work; each gets all values.
        draws: (1 + B, N) how often each picture was drawn; row 0 is ones.

    Returns:
        By method and metric, values (1 + B,) or (1,); by method, the digests of its pictures; the digests of the
        photographs.

    Raises:
        InputError: a picture that the network cannot take, or a cache that is damaged or not shared.
    """
    height = next(iter(methods.values()))[0].shape[0]

    def same(picture: Pixels) -> Pixels:
        return picture

    def reduced(picture: Pixels) -> Pixels:
        return to_height(picture, height, photo_filter)

    found: dict[str, dict[str, Array]] = {}
    contents: dict[str, dict[str, bytes]] = {}
    total = len(photos) + sum(len(images) for images in methods.values())
    with tqdm(total=total, desc=family.embedding.name, unit="picture", disable=not group.first) as bar:
        fit = reduced if family.reduced else same
        real = embed(photos, family.embedding, cache, fit=fit, group=group, bar=bar)
        real_numbers = picture_numbers(photos.keys, real.contents)
        for name, images in methods.items():
            judged = embed(images, family.embedding, cache, fit=same, group=group, bar=bar)
            contents[name], numbers = judged.contents, picture_numbers(images.keys, judged.contents)
            sides = {
                part: FeatureSets(rows, real.parts[part], numbers, real_numbers, draws)
                for part, rows in judged.parts.items()
            }
            found[name] = {row.metric.key: row.measure(sides[row.part]) for row in family.metrics}
    return found, contents, real.contents
