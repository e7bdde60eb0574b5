"""One judgement: crops, partners, features, distances and their intervals, put into a record."""

import math
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from datasets.images import Images
from datasets.labels import read_facts
from datasets.photos import to_height
from datasets.weights import load_vgg
from epe import models
from eval import alignment, record
from eval.crops import PhotoSide, Pixels, Side, cut_frames, cut_photos, read_crops, same_size
from eval.distances import UNIT, Layer, draw_resamples, estimate, mean_square, ratio
from eval.features import LAYERS, SMALLEST_CROP, Extractor, Pooling
from eval.gram import Grams, grams
from eval.pairing import Pairing, pair, shown_pairs
from gbuffer_tools.errors import InputError

ABOVE = 0.5
LEVEL = 0.95
SHOWN = 6

POOLING = {"none": "none: every place of the feature map, flattened", "mean": "mean over the places of the map"}
SCALING = {
    "rms": "a layer is divided by its root mean square over the photographs' KVD sample (`scales`)",
    "none": "features as the network gives them",
}
RESAMPLED = "frames, each with its crops and their partners; the photographs are held fixed"


@dataclass(frozen=True)
class Settings:
    """What to judge, and how.

    Attributes:
        methods: name -> folder; the first is what the others are compared with.
        crops: per frame.
        candidates: crops per photograph that partners are chosen from.
        memory: bytes of features to hold at a time.
    """

    methods: dict[str, Path]
    real: Path
    fake_labels: Path
    real_labels: Path
    vgg: Path
    crops: int = 8
    candidates: int = 32
    pooling: Pooling = "none"
    scaling: Literal["rms", "none"] = "rms"
    resamples: int = 1000
    seed: int = 0
    batch: int = 8
    memory: int = 5 * 2**29
    device: str = "cpu"


@dataclass(frozen=True)
class Scene:
    """Both sides before features are computed."""

    methods: dict[str, Images]
    photos: Images
    height: int
    width: int
    side: int
    fake: Side
    real: PhotoSide
    pairing: Pairing


def judge(settings: Settings, *, relative_to: Path, progress: bool = True) -> record.Record:
    """Measure every method on the same crops.

    Args:
        settings: what and how.
        relative_to: the folder that folders in the record are relative to.
        progress: show a bar on stderr.

    Raises:
        InputError: folders, labels, images or weights that do not fit together.
    """
    facts = label_facts(settings.fake_labels, settings.real_labels)
    vgg = load_vgg(settings.vgg, "zeros").to(device_of(settings.device))  # before the pictures: fail early
    scene = set_up(settings)
    pixels, contents = _read(scene)
    extract = Extractor(vgg, settings.pooling, settings.batch, device_of(settings.device))
    products = grams(extract, pixels[0], pixels[1:], layers=LAYERS, memory=settings.memory, progress=progress)
    layers = _layers(settings, scene, products, contents)
    names, folders = list(scene.methods), list(scene.methods.values())
    return record.Record(
        format=record.FORMAT,
        version=record.VERSION,
        tool=f"photorealism-enhancement {version('photorealism-enhancement')}",
        methods=tuple(
            _method(name, _relative(folders[i].folder, relative_to), record.digest(contents[i]), layers, i)
            for i, name in enumerate(names)
        ),
        frames=_frames(scene),
        photos=_photos(scene, relative_to),
        protocol=_protocol(settings, scene.side, {name: found.square**0.5 for name, found in layers.items()}, facts),
        weights=record.Weights(settings.vgg.name, models.digest(settings.vgg)),
        shown=spread(folders[0].keys, SHOWN),
        pairs=shown_pairs(scene.fake, scene.real, scene.pairing.matches, SHOWN),
    )


def set_up(settings: Settings) -> Scene:
    """Draw crops on both sides and find partners.

    Raises:
        InputError: the methods do not show the same frames, or the two sides do not fit together.
    """
    methods = {name: Images(folder) for name, folder in settings.methods.items()}
    frames = next(iter(methods.values()))
    for name, images in methods.items():
        _same_keys(name, images, frames)
    height, width = frames[0].shape[:2]
    side = alignment.crop_side(height, width)
    if side < SMALLEST_CROP:
        raise InputError(
            f"{frames.path(0)}: {width}x{height} pixels give crops of {side} px, wanted {SMALLEST_CROP} or more; "
            "judge larger frames"
        )
    size, seed = (height, width), settings.seed
    fake = cut_frames(frames, settings.fake_labels, size=size, side=side, count=settings.crops, seed=seed)
    photos = Images(settings.real)
    real = cut_photos(photos, settings.real_labels, height=height, side=side, count=settings.candidates, seed=seed)
    # About as many crops stand for the photographs in KVD as for the frames.
    sample = min(settings.candidates, math.ceil(len(fake.crops) / len(np.unique(real.groups))))
    pairing = pair(fake, real, above=ABOVE, sample=sample)
    return Scene(methods, photos, height, width, side, fake, real, pairing)


def label_facts(fake: Path, real: Path) -> tuple[str, int]:
    """Method and number of classes of the label maps.

    Raises:
        InputError: the two sides were not labelled alike.
    """
    ours, theirs = read_facts(fake), read_facts(real)
    for name in ("method", "classes", "digests"):
        if ours.get(name) != theirs.get(name):
            raise InputError(
                f"{real}: {name} of the labels is {theirs.get(name)!r}, wanted {ours.get(name)!r} as in {fake}; "
                "label both folders in one call of `python -m datasets.label`"
            )
    return str(ours.get("method", "unknown")), int(str(ours["classes"]))


def spread(keys: tuple[str, ...], count: int) -> tuple[str, ...]:
    """At most `count` keys, evenly spaced."""
    steps = np.linspace(0, len(keys) - 1, min(count, len(keys)))
    return tuple(keys[round(step)] for step in steps)


def image_numbers(keys: list[str], contents: dict[str, bytes]) -> NDArray[np.int64]:
    """One number per picture (N,), drawn from its pixels: the same picture has the same number on both sides.

    Args:
        keys: picture of each crop.
        contents: SHA-256 of each picture's pixels.
    """
    # 63 of the digest's bits: two different pictures collide with a chance of 1 in 10^18.
    return np.array([int.from_bytes(contents[key][:8], "little") >> 1 for key in keys], dtype=np.int64)


def _read(scene: Scene) -> tuple[list[Pixels], list[dict[str, bytes]]]:
    """Crops of the photographs, then of each method; digests of each method's pictures."""
    used = [scene.real.crops[i] for i in scene.pairing.used]
    real, _ = read_crops(scene.photos, used, side=scene.side, fit=lambda photo, _: to_height(photo, scene.height))
    fit = same_size((scene.height, scene.width))
    fakes = [read_crops(images, scene.fake.crops, side=scene.side, fit=fit) for images in scene.methods.values()]
    return [real] + [pixels for pixels, _ in fakes], [contents for _, contents in fakes]


def _layers(
    settings: Settings, scene: Scene, products: dict[str, Grams], contents: list[dict[str, bytes]]
) -> dict[str, Layer]:
    keys = [crop.key for crop in scene.fake.crops]
    frames = [image_numbers(keys, pixels) for pixels in contents]
    photos = image_numbers([scene.real.crops[i].key for i in scene.pairing.used], scene.real.pixels)
    draws = draw_resamples(scene.fake.groups, count=settings.resamples, seed=settings.seed)
    layers = {}
    for name, found in products.items():
        square = mean_square(found.real, scene.pairing.sample) if settings.scaling == "rms" else 1.0
        if not square > 0:
            raise InputError(
                f"{settings.real}: {name} sees nothing in these photographs, wanted pictures that are not black"
            )
        layers[name] = Layer(found, square, frames, photos, scene.pairing, draws)
    return layers


def _method(name: str, folder: str, digest: str, layers: dict[str, Layer], index: int) -> record.Method:
    skvd = {layer: found.skvd(index) for layer, found in layers.items()}
    first = {layer: found.skvd(0) for layer, found in layers.items()}
    return record.Method(
        name=name,
        folder=folder,
        digest=digest,
        skvd={layer: estimate(values, LEVEL) for layer, values in skvd.items()},
        kvd={layer: estimate(found.kvd(index), LEVEL) for layer, found in layers.items()},
        difference={layer: estimate(skvd[layer] - first[layer], LEVEL) for layer in layers},
        ratio={layer: ratio(skvd[layer], first[layer], LEVEL) for layer in layers},
    )


def _frames(scene: Scene) -> record.Frames:
    crops, matched = len(scene.fake.crops), len(scene.pairing.matches)
    return record.Frames(
        images=len(set(scene.fake.groups)),
        height=scene.height,
        width=scene.width,
        crops=crops,
        matched=matched,
        dropped=crops - matched,
        labels=scene.fake.labels,
    )


def _photos(scene: Scene, relative_to: Path) -> record.Photos:
    chosen = scene.pairing.used[scene.pairing.partner]
    partners, served = np.unique(chosen), np.bincount(scene.real.groups[chosen])
    return record.Photos(
        folder=_relative(scene.photos.folder, relative_to),
        images=len(scene.photos),
        dropped=scene.real.dropped,
        resized=scene.real.resized,
        candidates=len(scene.real.crops),
        partners=len(partners),
        partner_images=len(set(scene.real.groups[partners])),
        largest_share=float(served.max() / served.sum()),
        sample=len(scene.pairing.sample),
        digest=record.digest(scene.real.pixels),
        labels=scene.real.labels,
    )


def _protocol(settings: Settings, side: int, scales: dict[str, float], facts: tuple[str, int]) -> record.Protocol:
    return record.Protocol(
        metric="sKVD: rendered crops against real crops of the same label layout; KVD: against all photographs",
        unit=f"{UNIT:.0f} x MMD²",
        estimator="unbiased, float64; pairs of crops out of one image are left out",
        kernel="(x·y / d + 1)³, d the number of features",
        layers=LAYERS,
        pooling=POOLING[settings.pooling],
        scaling=SCALING[settings.scaling],
        scales=scales,
        crop_side=side,
        crops_per_frame=settings.crops,
        crops_per_photo=settings.candidates,
        similarity=f"share of equal labels on {alignment.GRID} x {alignment.GRID} cells",
        similarity_above=ABOVE,
        label_method=facts[0],
        label_classes=facts[1],
        photo_size="reduced to the frames' height by area interpolation where higher, never enlarged",
        seed=settings.seed,
        resamples=settings.resamples,
        resampled=RESAMPLED,
        level=LEVEL,
    )


def _same_keys(name: str, images: Images, frames: Images) -> None:
    missing, extra = set(frames.keys) - set(images.keys), set(images.keys) - set(frames.keys)
    for odd, verb in ((missing, "lacks"), (extra, "has, besides,")):
        if odd:
            raise InputError(
                f"{images.folder}: {name} {verb} {len(odd)} frames, such as {min(odd)!r}; "
                f"wanted the {len(frames.keys)} frames of {frames.folder}"
            )


def device_of(name: str) -> torch.device:
    """The device of that name.

    Raises:
        InputError: this machine has none.
    """
    if name.partition(":")[0] not in ("cpu", "cuda") or (name != "cpu" and not torch.cuda.is_available()):
        raise InputError(f"--device: got {name}, which this machine does not offer; use cpu")
    return torch.device(name)


def _relative(folder: Path, to: Path) -> str:
    return Path(os.path.relpath(folder.resolve(), to)).as_posix()
