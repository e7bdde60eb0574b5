"""The floor of sKVD: other photographs, judged as if they were frames.

No enhancer can be expected to come closer to photographs than other photographs do. Their distance is 0 if both sets
come from one distribution (the estimator is unbiased), and above 0 if they do not: another camera, another town. A
method's value can then be read as a fraction of the way from the render to the floor.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets.images import Images
from datasets.labels import other_class
from eval.digests import folder_digest, picture_numbers
from eval.features.inner_products import InnerProducts
from eval.inputs import relative
from eval.kvd.crops import DrawnCrops, LabelMaps, Pixels, UsablePhotos, cut, read_crops, usable_photos
from eval.kvd.layers import LayerDistances
from eval.kvd.pairing import Pairing, pair
from eval.kvd.settings import SkvdSettings
from eval.kvd.setup import UNLIKE, SkvdSetup
from eval.metrics.bootstrap import draw_resamples
from eval.records import skvd_record
from eval.records.estimate import Estimate, estimate
from gbuffer_tools.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FloorSetup:
    """The other photographs before features are computed.

    Attributes:
        photos: their folder.
        usable: those that are large enough.
        drawn: crops, as many per photograph as per frame.
        pairing: which crops are compared; real crops are indexed as in `SkvdSetup.real`.
    """

    photos: Images
    usable: UsablePhotos
    drawn: DrawnCrops
    pairing: Pairing


def set_up_floor(settings: SkvdSettings, setup: SkvdSetup, folder: Path, labels: Path) -> FloorSetup:
    """Draw crops of other photographs and find their partners among the same real crops that frames choose from.

    Args:
        settings: the judgement's settings.
        setup: the frames' setup; its protocol, crop side and real crops are used.
        folder, labels: the other photographs and their label maps.

    Raises:
        InputError: photographs that are also among those they are compared with, or that find no partners.
    """
    protocol = setup.protocol
    photos = Images(folder)
    usable = usable_photos(
        photos,
        min_size=protocol.min_photo(setup.size, setup.side),
        fit=lambda photo: protocol.fit(photo, setup.size),
    )
    real = set(setup.usable.pixels.values())
    copies = sorted(key for key, digest in usable.pixels.items() if digest in real)
    if copies:
        raise InputError(
            f"{folder}: {len(copies)} photographs, such as {copies[0]!r}, are in {setup.photos.folder}, too; "
            "wanted other photographs for --floor, since a copy's distance is 0 by itself"
        )
    crops, _ = protocol.draw(
        usable.sizes, {}, setup.side, crops=settings.crops, candidates=settings.candidates, seed=settings.seed
    )
    # They take the frames' side: an unnamed pixel matches none of the photographs'.
    maps = LabelMaps(
        labels, usable, lambda label, own: protocol.fit_label(label, own, setup.size), other_class(labels), UNLIKE[0]
    )
    drawn = cut(crops, maps, lambda label, crop, shape: protocol.describe(label, crop, setup.side, shape))
    return FloorSetup(photos, usable, drawn, pair(drawn, setup.real, protocol.match(drawn, setup.real), sample=1))


def read_floor(floor: FloorSetup, setup: SkvdSetup) -> Pixels:
    """Crops of the other photographs: (N, S, S, 3) uint8."""
    pixels, _ = read_crops(
        floor.photos, floor.drawn.crops, side=setup.side, fit=lambda photo, _: setup.protocol.fit(photo, setup.size)
    )
    return pixels


def sharing_real_crops(setup: SkvdSetup, floor: FloorSetup) -> tuple[SkvdSetup, FloorSetup]:
    """Both, with real crops indexed alike: among those that either needs."""
    used = np.union1d(setup.pairing.used, floor.pairing.used)
    ours, theirs = setup.pairing.within(used), floor.pairing.within(used)
    # KVD compares both with the same sample of the photographs.
    return replace(setup, pairing=ours), replace(floor, pairing=replace(theirs, sample=ours.sample))


def floor_layers(
    floor: FloorSetup, layers: dict[str, LayerDistances], settings: SkvdSettings
) -> dict[str, LayerDistances]:
    """Layers with the other photographs as the only method, at the scale of the frames' layers.

    Args:
        floor: their crops; they are the last set in the layers' products.
        layers: the frames' layers.
        settings: resamples and their seed.
    """
    keys = [crop.key for crop in floor.drawn.crops]
    numbers = picture_numbers(keys, floor.usable.pixels)
    draws = draw_resamples(floor.drawn.groups, count=settings.resamples, seed=settings.seed, stream=2)
    found = {}
    for name, layer in layers.items():
        products = InnerProducts(layer.products.real, layer.products.fake[-1:], layer.products.across[-1:])
        found[name] = replace(layer, products=products, frames=[numbers], pairing=floor.pairing, draws=draws)
    return found


def floor_record(
    floor: FloorSetup, layers: dict[str, LayerDistances], skvd: dict[str, Array], relative_to: Path
) -> skvd_record.SkvdFloor:
    """What a record says about the other photographs.

    Args:
        floor: their crops.
        layers: by name, with the other photographs as the only method.
        skvd: their sKVD by layer, (1 + B,).
        relative_to: the folder that folders in the record are relative to.
    """
    return skvd_record.SkvdFloor(
        folder=relative(floor.photos.folder, relative_to),
        images=len(floor.usable.sizes),
        crops=len(floor.drawn.crops),
        matched=len(floor.pairing.matches),
        digest=folder_digest(floor.usable.pixels),
        labels=floor.drawn.labels,
        skvd={name: estimate(values) for name, values in skvd.items()},
        kvd={name: estimate(layer.kvd(0)) for name, layer in layers.items()},
    )


def toward_floor(values: Array, first: Array, floor: Array) -> Estimate | None:
    """The fraction of the way from the first method to the floor: 0 is the first method, 1 the floor.

    Args:
        values, first: (1 + B,) of a method and of the first one, from the same resamples of frames.
        floor: (1 + B,) of the other photographs, resampled by themselves.

    Returns:
        None if the first method's distance to the floor may be 0 or less: there is no way to go.
    """
    low = estimate(first - floor).low
    return None if low is None or low <= 0 else estimate((first - values) / (first - floor))
