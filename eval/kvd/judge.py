"""eval.skvd from settings to record: crops, partners, features, distances and their intervals."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from datasets.runtime.device import device_of
from datasets.runtime.weights import load_vgg
from epe.distributed.processes import ProcessGroup
from eval.digests import folder_digest, picture_numbers
from eval.features.inner_products import InnerProducts, crop_inner_products
from eval.features.vgg_features import CropPixels, Extractor
from eval.inputs import label_facts, relative, spread
from eval.kvd import alignment
from eval.kvd.floor import (
    floor_layers,
    floor_record,
    read_floor,
    set_up_floor,
    sharing_real_crops,
    toward_floor,
)
from eval.kvd.layers import UNIT, Array, LayerDistances, mean_square
from eval.kvd.outliers import worst
from eval.kvd.pairing import as_pair, shown_pairs
from eval.kvd.per_class import (
    CKVD_LAYER,
    MIN_FRACTION,
    REST,
    ClassDistances,
    LabelGroups,
    distances,
    every_label,
    read_groups,
)
from eval.kvd.protocols import SkvdProtocol
from eval.kvd.settings import SkvdSettings
from eval.kvd.setup import SkvdSetup, class_sides, read, set_up
from eval.kvd.vgg_file import VggFile, read_vgg_file
from eval.metrics.bootstrap import draw_resamples
from eval.records import skvd_record
from eval.records.dataclass_json import tool
from eval.records.estimate import LEVEL, estimate, ratio
from gbuffer_tools.errors import InputError

SHOWN, WORST = 6, 6

POOLING = {"none": "none: every place of the feature map, flattened", "mean": "mean over the places of the map"}
SCALING = {
    "rms": "a layer is divided by its root mean square over the photographs' KVD sample (`scales`)",
    "none": "features as the network gives them",
    "as trained": "features as of the network as trained: what the file's layers are divided by is undone (`scales`)",
}


def judge(
    settings: SkvdSettings, *, relative_to: Path, progress: bool = True, group: ProcessGroup | None = None
) -> skvd_record.SkvdRecord:
    """Measure sKVD, KVD and, if asked for, cKVD of every method on the same crops.

    Args:
        settings: what is judged, and how.
        relative_to: the folder that folders in the record are relative to.
        progress: show a bar on stderr.
        group: the processes that share the work; all arrive at the same record.

    Raises:
        InputError: folders, labels, images or weights that do not fit together.
    """
    protocol = settings.protocol
    settings = replace(settings, **protocol.fixed)
    facts = label_facts(settings.fake_labels, settings.real_labels)
    groups = _groups(settings, protocol)
    # Before the pictures: fail early.
    vgg, vgg_file = load_vgg(settings.vgg, "zeros").to(device_of(settings.device)), read_vgg_file(settings.vgg)
    setup = set_up(settings)
    floor = None
    if settings.floor and settings.floor_labels:
        label_facts(settings.fake_labels, settings.floor_labels)
        floor = set_up_floor(settings, setup, settings.floor, settings.floor_labels)
        setup, floor = sharing_real_crops(setup, floor)
    pixels, contents = read(setup)
    others = [read_floor(floor, setup)] if floor else []
    extract = Extractor(
        vgg, settings.pooling, settings.batch, device_of(settings.device), protocol.hidden, settings.precision
    )
    products = partial(crop_inner_products, extract, memory=settings.memory, scratch=settings.scratch, group=group)
    found = products(pixels[0], pixels[1:] + others, layers=protocol.layers, progress=progress)
    layers = _layers(settings, setup, vgg_file, found, contents)
    floors = floor_layers(floor, layers, settings) if floor else {}
    floor_skvd = {name: layer.skvd(0) for name, layer in floors.items()}  # once: every method is compared with it
    classes, by_class = None, None
    if settings.per_class:
        sides = class_sides(setup, pixels)
        groups = groups or every_label(*sides)
        shown = progress and (group is None or group.first)
        by_class = distances(*sides, groups, protocol, layers[CKVD_LAYER], partial(_of_layer, products), progress=shown)
        classes = _classes(groups, by_class, protocol)
    scales = {name: layer.square**0.5 for name, layer in layers.items()}
    return skvd_record.SkvdRecord(
        format=skvd_record.FORMAT,
        version=skvd_record.VERSION,
        tool=tool(),
        methods=tuple(
            _method(setup, i, relative_to, folder_digest(contents[i]), layers, by_class, floor_skvd)
            for i in range(len(contents))
        ),
        frames=_frames(setup),
        photos=_photos(setup, relative_to),
        classes=classes,
        protocol=_protocol(settings, protocol, setup.side, scales, facts),
        weights=vgg_file.weights,
        shown=spread(next(iter(setup.methods.values())).keys, SHOWN),
        pairs=shown_pairs(setup.fake, setup.real, setup.pairing.matches, SHOWN),
        floor=floor_record(floor, floors, floor_skvd, relative_to) if floor else None,
    )


def _groups(settings: SkvdSettings, protocol: SkvdProtocol) -> LabelGroups:
    """Groups of classes that a file names; {} if there is none."""
    path = settings.class_groups or protocol.groups
    groups = read_groups(path) if settings.per_class and path else {}
    if protocol.rest and REST in groups:
        raise InputError(
            f"{path}: the protocol {protocol.name} has a group {REST!r} of its own; give yours another name"
        )
    return groups


def _of_layer(
    products: Callable[..., dict[str, InnerProducts]], real: CropPixels, fakes: list[CropPixels]
) -> InnerProducts:
    """Inner products in cKVD's only layer."""
    return products(real, fakes, layers=(CKVD_LAYER,), progress=False)[CKVD_LAYER]


def _layers(
    settings: SkvdSettings,
    setup: SkvdSetup,
    vgg_file: VggFile,
    products: dict[str, InnerProducts],
    contents: list[dict[str, bytes]],
) -> dict[str, LayerDistances]:
    keys = [crop.key for crop in setup.fake.crops]
    frames = [picture_numbers(keys, pixels) for pixels in contents]
    photos = picture_numbers([setup.real.crops[i].key for i in setup.pairing.used], setup.usable.pixels)
    draws = draw_resamples(setup.fake.groups, count=settings.resamples, seed=settings.seed)
    layers = {}
    for name, found in products.items():
        square = {
            "rms": mean_square(found.real, setup.pairing.sample),
            "none": 1.0,
            "as trained": vgg_file.scale(name) ** 2,
        }[settings.scaling]
        if not square > 0:
            raise InputError(
                f"{settings.real}: {name} sees nothing in these photographs, wanted pictures that are not black"
            )
        layers[name] = LayerDistances(found, square, frames, photos, setup.pairing, draws, setup.protocol.by_image)
    return layers


def _method(
    setup: SkvdSetup,
    index: int,
    relative_to: Path,
    digest: str,
    layers: dict[str, LayerDistances],
    by_class: ClassDistances | None,
    floor_skvd: dict[str, Array],
) -> skvd_record.SkvdMethod:
    name, images = list(setup.methods.items())[index]
    skvd = {layer: found.skvd(index) for layer, found in layers.items()}
    first = {layer: found.skvd(0) for layer, found in layers.items()}
    return skvd_record.SkvdMethod(
        name=name,
        folder=relative(images.folder, relative_to),
        digest=digest,
        skvd={layer: estimate(values) for layer, values in skvd.items()},
        kvd={layer: estimate(found.kvd(index)) for layer, found in layers.items()},
        difference={layer: estimate(skvd[layer] - first[layer]) for layer in layers},
        ratio={layer: ratio(skvd[layer], first[layer]) for layer in layers},
        ckvd=_class_estimates(by_class, index) if by_class else None,
        worst=_worst(layers, index, setup),
        toward_floor=(
            {layer: toward_floor(skvd[layer], first[layer], floor_skvd[layer]) for layer in layers}
            if floor_skvd
            else None
        ),
    )


def _worst(layers: dict[str, LayerDistances], index: int, setup: SkvdSetup) -> tuple[skvd_record.CropPair, ...]:
    """The pairs whose rendered crop moved farthest away from photographs, over all layers, at most one per frame.

    For the first method, which did not move: the pairs whose crop is farthest away.
    """
    matches = setup.pairing.matches
    values = np.sum([layer.remoteness(index) for layer in layers.values()], axis=0)
    if index:
        values = values - np.sum([layer.remoteness(0) for layer in layers.values()], axis=0)
    frames = setup.fake.groups[setup.pairing.fake]
    return tuple(as_pair(setup.fake, setup.real, matches[i]) for i in worst(values, frames, WORST))


def _classes(groups: LabelGroups, found: ClassDistances, protocol: SkvdProtocol) -> skvd_record.ClassGroups:
    return skvd_record.ClassGroups(
        groups=groups,
        pairs=found.pairs,
        min_pairs=protocol.min_pairs,
        min_fraction=MIN_FRACTION,
        layer=CKVD_LAYER,
        partners=protocol.text.class_partners,
        hidden=protocol.text.hidden,
    )


def _class_estimates(found: ClassDistances, index: int) -> skvd_record.ClassEstimates:
    values = {name: rows[index] for name, rows in found.values.items()}
    differences = {name: rows[index] - rows[0] for name, rows in found.values.items()}
    means = [np.mean(list(rows.values()), axis=0) if rows else None for rows in (values, differences)]
    mean, mean_difference = (None if rows is None else estimate(rows) for rows in means)
    return skvd_record.ClassEstimates(
        value={name: estimate(rows) for name, rows in values.items()},
        difference={name: estimate(rows) for name, rows in differences.items()},
        mean=mean,
        mean_difference=mean_difference,
    )


def _frames(setup: SkvdSetup) -> skvd_record.SkvdFrames:
    crops, matched = len(setup.fake.crops), len(setup.pairing.matches)
    return skvd_record.SkvdFrames(
        images=len(set(setup.fake.groups)),
        height=setup.size[0],
        width=setup.size[1],
        crops=crops,
        matched=matched,
        dropped=(crops if setup.protocol.text.seeking == "rendered" else len(setup.real.crops)) - matched,
        labels=setup.fake.labels,
    )


def _photos(setup: SkvdSetup, relative_to: Path) -> skvd_record.SkvdPhotos:
    chosen = setup.pairing.used[setup.pairing.partner]
    partners, served = np.unique(chosen), np.bincount(setup.real.groups[chosen])
    return skvd_record.SkvdPhotos(
        folder=relative(setup.photos.folder, relative_to),
        images=len(setup.photos),
        dropped=setup.usable.dropped,
        resized=setup.usable.resized,
        candidates=len(setup.real.crops),
        partners=len(partners),
        partner_images=len(set(setup.real.groups[partners])),
        largest_fraction=float(served.max() / served.sum()),
        sample=len(setup.pairing.sample),
        digest=folder_digest(setup.usable.pixels),
        labels=setup.real.labels,
    )


def _protocol(
    settings: SkvdSettings, protocol: SkvdProtocol, side: int, scales: dict[str, float], facts: tuple[str, int]
) -> skvd_record.ProtocolFacts:
    return skvd_record.ProtocolFacts(
        name=protocol.name,
        seeking=protocol.text.seeking,
        metric=protocol.text.metric,
        unit=f"{UNIT:.0f} x MMD²",
        estimator=protocol.text.estimator,
        kernel="(x·y / d + 1)³, d the number of features",
        layers=protocol.layers,
        pooling=POOLING[settings.pooling],
        precision=settings.precision,
        scaling=SCALING[settings.scaling],
        scales=scales,
        crop_side=side,
        crops_per_frame=settings.crops,
        crops_per_photo=settings.candidates,
        similarity=protocol.text.similarity,
        similarity_above=alignment.ABOVE,
        label_method=facts[0],
        label_classes=facts[1],
        photo_size=protocol.text.photo_size,
        seed=settings.seed,
        resamples=settings.resamples,
        resampled=protocol.text.resampled,
        level=LEVEL,
    )
