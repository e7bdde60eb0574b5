"""One judgement: crops, partners, features, distances and their intervals, put into a record."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets.runtime.device import device_of
from datasets.runtime.weights import load_vgg
from epe.distributed.processes import ProcessGroup
from eval.features.inner_products import Grams, grams
from eval.features.vgg_features import Crops, Extractor
from eval.inputs import relative, spread
from eval.kvd import alignment
from eval.kvd.layers import UNIT, Layer, draw_resamples, estimate, mean_square, ratio
from eval.kvd.outliers import worst
from eval.kvd.pairing import as_pair, shown_pairs
from eval.kvd.per_class import LAYER, REST, SHARE, ClassDistances, Groups, distances, every_label, read_groups
from eval.kvd.protocols import Rules, rules_of
from eval.kvd.settings import Settings
from eval.kvd.setup import Scene, class_sides, label_facts, read, set_up
from eval.records import skvd_record
from eval.records.feature_weights import Origin, read_origin
from gbuffer_tools.errors import InputError

LEVEL = 0.95
SHOWN, WORST = 6, 6

POOLING = {"none": "none: every place of the feature map, flattened", "mean": "mean over the places of the map"}
SCALING = {
    "rms": "a layer is divided by its root mean square over the photographs' KVD sample (`scales`)",
    "none": "features as the network gives them",
    "as trained": "features as of the network as trained: what the file's layers are divided by is undone (`scales`)",
}


def judge(
    settings: Settings, *, relative_to: Path, progress: bool = True, group: ProcessGroup | None = None
) -> skvd_record.Record:
    """Measure every method on the same crops.

    Args:
        settings: what and how.
        relative_to: the folder that folders in the record are relative to.
        progress: show a bar on stderr.
        group: the processes that share the work; all come to the same record.

    Raises:
        InputError: folders, labels, images or weights that do not fit together.
    """
    rules = rules_of(settings.protocol)
    settings = replace(settings, **rules.fixed)
    facts = label_facts(settings.fake_labels, settings.real_labels)
    groups = _groups(settings, rules)
    # Before the pictures: fail early.
    vgg, origin = load_vgg(settings.vgg, "zeros").to(device_of(settings.device)), read_origin(settings.vgg)
    scene = set_up(settings)
    pixels, contents = read(scene)
    extract = Extractor(vgg, settings.pooling, settings.batch, device_of(settings.device), rules.hidden)
    products = partial(grams, extract, memory=settings.memory, group=group)
    found = products(pixels[0], pixels[1:], layers=rules.layers, progress=progress)
    layers = _layers(settings, scene, origin, found, contents)
    classes, by_class = None, None
    if settings.per_class:
        sides = class_sides(scene, pixels)
        groups = groups or every_label(*sides)
        shown = progress and (group is None or group.first)
        by_class = distances(*sides, groups, rules, layers[LAYER], partial(_of_layer, products), progress=shown)
        classes = _classes(groups, by_class, rules)
    scales = {name: layer.square**0.5 for name, layer in layers.items()}
    return skvd_record.Record(
        format=skvd_record.FORMAT,
        version=skvd_record.VERSION,
        tool=f"photorealism-enhancement {version('photorealism-enhancement')}",
        methods=tuple(
            _method(scene, i, relative_to, skvd_record.digest(contents[i]), layers, by_class)
            for i in range(len(contents))
        ),
        frames=_frames(scene),
        photos=_photos(scene, relative_to),
        classes=classes,
        protocol=_protocol(settings, rules, scene.side, scales, facts),
        weights=origin.weights,
        shown=spread(next(iter(scene.methods.values())).keys, SHOWN),
        pairs=shown_pairs(scene.fake, scene.real, scene.pairing.matches, SHOWN),
    )


def image_numbers(keys: list[str], contents: dict[str, bytes]) -> NDArray[np.int64]:
    """One number per picture (N,), drawn from its pixels: the same picture has the same number on both sides.

    Args:
        keys: picture of each crop.
        contents: SHA-256 of each picture's pixels.
    """
    # 63 of the digest's bits: two different pictures collide with a chance of 1 in 10^18.
    return np.array([int.from_bytes(contents[key][:8], "little") >> 1 for key in keys], dtype=np.int64)


def _groups(settings: Settings, rules: Rules) -> Groups:
    """Groups of classes that a file names; {} where there is none."""
    path = settings.class_groups or rules.groups
    groups = read_groups(path) if settings.per_class and path else {}
    if rules.rest and REST in groups:
        raise InputError(f"{path}: the protocol {rules.name} has a group {REST!r} of its own; give yours another name")
    return groups


def _of_layer(products: Callable[..., dict[str, Grams]], real: Crops, fakes: list[Crops]) -> Grams:
    """Products of the one layer that cKVD looks at."""
    return products(real, fakes, layers=(LAYER,), progress=False)[LAYER]


def _layers(
    settings: Settings, scene: Scene, origin: Origin, products: dict[str, Grams], contents: list[dict[str, bytes]]
) -> dict[str, Layer]:
    keys = [crop.key for crop in scene.fake.crops]
    frames = [image_numbers(keys, pixels) for pixels in contents]
    photos = image_numbers([scene.real.crops[i].key for i in scene.pairing.used], scene.found.pixels)
    draws = draw_resamples(scene.fake.groups, count=settings.resamples, seed=settings.seed)
    layers = {}
    for name, found in products.items():
        square = {
            "rms": mean_square(found.real, scene.pairing.sample),
            "none": 1.0,
            "as trained": origin.scale(name) ** 2,
        }[settings.scaling]
        if not square > 0:
            raise InputError(
                f"{settings.real}: {name} sees nothing in these photographs, wanted pictures that are not black"
            )
        layers[name] = Layer(found, square, frames, photos, scene.pairing, draws, scene.rules.by_image)
    return layers


def _method(
    scene: Scene,
    index: int,
    relative_to: Path,
    digest: str,
    layers: dict[str, Layer],
    by_class: ClassDistances | None,
) -> skvd_record.Method:
    name, images = list(scene.methods.items())[index]
    skvd = {layer: found.skvd(index) for layer, found in layers.items()}
    first = {layer: found.skvd(0) for layer, found in layers.items()}
    return skvd_record.Method(
        name=name,
        folder=relative(images.folder, relative_to),
        digest=digest,
        skvd={layer: estimate(values, LEVEL) for layer, values in skvd.items()},
        kvd={layer: estimate(found.kvd(index), LEVEL) for layer, found in layers.items()},
        difference={layer: estimate(skvd[layer] - first[layer], LEVEL) for layer in layers},
        ratio={layer: ratio(skvd[layer], first[layer], LEVEL) for layer in layers},
        ckvd=_class_estimates(by_class, index) if by_class else None,
        worst=_worst(layers, index, scene),
    )


def _worst(layers: dict[str, Layer], index: int, scene: Scene) -> tuple[skvd_record.Pair, ...]:
    """The pairs whose rendered crop went farthest away from photographs, over all layers, one of a frame.

    Of the first method: whose crop is farthest away.
    """
    matches = scene.pairing.matches
    values = np.sum([layer.remoteness(index) for layer in layers.values()], axis=0)
    if index:
        values = values - np.sum([layer.remoteness(0) for layer in layers.values()], axis=0)
    frames = scene.fake.groups[scene.pairing.fake]
    return tuple(as_pair(scene.fake, scene.real, matches[i]) for i in worst(values, frames, WORST))


def _classes(groups: Groups, found: ClassDistances, rules: Rules) -> skvd_record.Classes:
    return skvd_record.Classes(
        groups=groups,
        pairs=found.pairs,
        least_pairs=rules.least_pairs,
        share_above=SHARE,
        layer=LAYER,
        partners=rules.words.class_partners,
        hidden=rules.words.hidden,
    )


def _class_estimates(found: ClassDistances, index: int) -> skvd_record.ClassEstimates:
    values = {name: rows[index] for name, rows in found.values.items()}
    differences = {name: rows[index] - rows[0] for name, rows in found.values.items()}
    means = [np.mean(list(rows.values()), axis=0) if rows else None for rows in (values, differences)]
    mean, mean_difference = (None if rows is None else estimate(rows, LEVEL) for rows in means)
    return skvd_record.ClassEstimates(
        value={name: estimate(rows, LEVEL) for name, rows in values.items()},
        difference={name: estimate(rows, LEVEL) for name, rows in differences.items()},
        mean=mean,
        mean_difference=mean_difference,
    )


def _frames(scene: Scene) -> skvd_record.Frames:
    crops, matched = len(scene.fake.crops), len(scene.pairing.matches)
    return skvd_record.Frames(
        images=len(set(scene.fake.groups)),
        height=scene.size[0],
        width=scene.size[1],
        crops=crops,
        matched=matched,
        dropped=(crops if scene.rules.words.seeking == "rendered" else len(scene.real.crops)) - matched,
        labels=scene.fake.labels,
    )


def _photos(scene: Scene, relative_to: Path) -> skvd_record.Photos:
    chosen = scene.pairing.used[scene.pairing.partner]
    partners, served = np.unique(chosen), np.bincount(scene.real.groups[chosen])
    return skvd_record.Photos(
        folder=relative(scene.photos.folder, relative_to),
        images=len(scene.photos),
        dropped=scene.found.dropped,
        resized=scene.found.resized,
        candidates=len(scene.real.crops),
        partners=len(partners),
        partner_images=len(set(scene.real.groups[partners])),
        largest_share=float(served.max() / served.sum()),
        sample=len(scene.pairing.sample),
        digest=skvd_record.digest(scene.found.pixels),
        labels=scene.real.labels,
    )


def _protocol(
    settings: Settings, rules: Rules, side: int, scales: dict[str, float], facts: tuple[str, int]
) -> skvd_record.Protocol:
    return skvd_record.Protocol(
        name=rules.name,
        seeking=rules.words.seeking,
        metric=rules.words.metric,
        unit=f"{UNIT:.0f} x MMD²",
        estimator=rules.words.estimator,
        kernel="(x·y / d + 1)³, d the number of features",
        layers=rules.layers,
        pooling=POOLING[settings.pooling],
        scaling=SCALING[settings.scaling],
        scales=scales,
        crop_side=side,
        crops_per_frame=settings.crops,
        crops_per_photo=settings.candidates,
        similarity=rules.words.similarity,
        similarity_above=alignment.ABOVE,
        label_method=facts[0],
        label_classes=facts[1],
        photo_size=rules.words.photo_size,
        seed=settings.seed,
        resamples=settings.resamples,
        resampled=rules.words.resampled,
        level=LEVEL,
    )
