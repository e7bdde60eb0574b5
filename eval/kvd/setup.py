"""Both sides of a judgement before features are computed: pictures, crops, label maps, pairs."""

import math
from dataclasses import dataclass

import numpy as np

from datasets.images import Images
from datasets.labels import other_class
from eval.features.vgg_features import MIN_CROP_SIDE
from eval.inputs import opened
from eval.kvd import alignment
from eval.kvd.crops import (
    DrawnCrops,
    LabelMaps,
    Pixels,
    UsablePhotos,
    UsablePictures,
    check_size,
    cut,
    read_crops,
    read_labels,
    same_size,
    usable_photos,
)
from eval.kvd.pairing import Pairing, pair
from eval.kvd.per_class import ClassCrops
from eval.kvd.protocols import SkvdProtocol
from eval.kvd.settings import SkvdSettings
from gbuffer_tools.errors import InputError

UNLIKE = (254, 255)
"""Labels of pixels without a class, in frames and in photographs; `datasets.label` gives no class such an id."""


@dataclass(frozen=True)
class SkvdSetup:
    """Both sides of a judgement before features are computed.

    Attributes:
        methods: folders of rendered frames, by the method's name.
        photos: the folder of photographs.
        protocol: decides about crops and partners.
        own: height and width of the frames' files, in pixels.
        size: height and width of the frames as judged.
        side: a crop's side, in pixels as judged.
        usable: the photographs that are large enough.
        maps: label maps of the frames and of the photographs.
        fake, real: the crops drawn on both sides.
        pairing: which crops are compared.
    """

    methods: dict[str, Images]
    photos: Images
    protocol: SkvdProtocol
    own: tuple[int, int]
    size: tuple[int, int]
    side: int
    usable: UsablePhotos
    maps: tuple[LabelMaps, LabelMaps]
    fake: DrawnCrops
    real: DrawnCrops
    pairing: Pairing


def set_up(settings: SkvdSettings) -> SkvdSetup:
    """Draw crops on both sides and find partners.

    Raises:
        InputError: the methods do not show the same frames, or the two sides do not fit together.
    """
    protocol, methods = settings.protocol, opened(settings.methods)
    frames = next(iter(methods.values()))
    height, width = frames[0].shape[:2]
    own, size = (height, width), protocol.judged_size((height, width))
    side = alignment.crop_side(*size)
    if side < MIN_CROP_SIDE:
        raise InputError(
            f"{frames.path(0)}: {width}x{height} pixels give crops of {side} px, wanted {MIN_CROP_SIDE} or more; "
            "judge larger frames"
        )
    if min(size) <= side:
        raise InputError(
            f"{frames.folder}: frames of {width}x{height} pixels are too narrow for their crops, of an eighth of the "
            f"area ({side} px of {size[1]}x{size[0]}); wanted sides of less than 8 to 1"
        )
    for index in range(len(frames)):
        check_size(frames.path(index), frames.size(index), own)  # or its label map would be blamed
    photos = Images(settings.real)
    pictures = UsablePictures(dict.fromkeys(frames.keys, own), dict.fromkeys(frames.keys, size))
    usable = usable_photos(photos, min_size=protocol.min_photo(size, side), fit=lambda photo: protocol.fit(photo, size))
    maps = tuple(
        LabelMaps(folder, seen, lambda label, own: protocol.fit_label(label, own, size), other_class(folder), unlike)
        for folder, seen, unlike in zip(
            (settings.fake_labels, settings.real_labels), (pictures, usable), UNLIKE, strict=True
        )
    )
    drawn = protocol.draw(
        pictures.sizes, usable.sizes, side, crops=settings.crops, candidates=settings.candidates, seed=settings.seed
    )
    fake, real = (
        cut(crops, of_side, lambda label, crop, shape: protocol.describe(label, crop, side, shape))
        for crops, of_side in zip(drawn, maps, strict=True)
    )
    # In KVD, about as many crops represent the photographs as the frames.
    sample = math.ceil(len(fake.crops) / len(np.unique(real.groups)))
    pairing = pair(fake, real, protocol.match(fake, real), sample=sample)
    return SkvdSetup(methods, photos, protocol, own, size, side, usable, (maps[0], maps[1]), fake, real, pairing)


def read(setup: SkvdSetup) -> tuple[list[Pixels], list[dict[str, bytes]]]:
    """Crops of the photographs, then of each method; digests of each method's pictures.

    Raises:
        InputError: pictures that cannot be read, or a side whose partners are copies of one picture.
    """

    def fit(picture: Pixels) -> Pixels:
        return setup.protocol.fit(picture, setup.size)

    used = [setup.real.crops[i] for i in setup.pairing.used]
    real, _ = read_crops(setup.photos, used, side=setup.side, fit=lambda photo, _: fit(photo))
    frames = same_size(setup.own, fit)
    fakes = [read_crops(images, setup.fake.crops, side=setup.side, fit=frames) for images in setup.methods.values()]
    contents = [parts for _, parts in fakes]
    if setup.protocol.by_image:
        frames_in = {setup.fake.crops[i].key for i in setup.pairing.fake}
        photos_in = {used[i].key for i in setup.pairing.partner}
        for (name, images), parts in zip(setup.methods.items(), contents, strict=True):
            _check_different(f"{images.folder}: all frames of {name}", {parts[key] for key in frames_in})
        _check_different(f"{setup.photos.folder}: all photographs", {setup.usable.pixels[key] for key in photos_in})
    return [real] + [pixels for pixels, _ in fakes], contents


def _check_different(whose: str, pictures: set[bytes]) -> None:
    """Refuse a side without two different pictures: pairs of crops of one picture say nothing about a distribution."""
    if len(pictures) < 2:
        raise InputError(f"{whose} that have partners are the same picture, wanted two that differ; make them again")


def class_sides(setup: SkvdSetup, pixels: list[Pixels]) -> tuple[ClassCrops, ClassCrops]:
    """What cKVD needs: all rendered crops, and the real ones whose features sKVD needed."""
    used = setup.pairing.used
    fake = read_labels(setup.fake.crops, setup.maps[0], side=setup.side)
    real = read_labels([setup.real.crops[i] for i in used], setup.maps[1], side=setup.side)
    return ClassCrops(setup.fake.cells, fake, pixels[1:]), ClassCrops(setup.real.cells[used], real, pixels[:1])
