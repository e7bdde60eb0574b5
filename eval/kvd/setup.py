"""Both sides of a judgement before features are computed: pictures, crops, label maps, pairs."""

import math
from dataclasses import dataclass

import numpy as np

from datasets.images import Images
from eval.features.vgg_features import SMALLEST_CROP
from eval.inputs import opened
from eval.kvd import alignment
from eval.kvd.crops import (
    Maps,
    PhotoPictures,
    Pictures,
    Pixels,
    Side,
    check_size,
    cut,
    look_through,
    read_crops,
    read_labels,
    same_size,
)
from eval.kvd.pairing import Pairing, pair
from eval.kvd.per_class import ClassSide
from eval.kvd.protocols import SkvdProtocol
from eval.kvd.settings import Settings
from gbuffer_tools.errors import InputError


@dataclass(frozen=True)
class Scene:
    """Both sides before features are computed.

    Attributes:
        own: height and width of the frames' files; `size` of frames as judged.
        side: of a crop.
        maps: label maps of both sides.
    """

    methods: dict[str, Images]
    photos: Images
    protocol: SkvdProtocol
    own: tuple[int, int]
    size: tuple[int, int]
    side: int
    found: PhotoPictures
    maps: tuple[Maps, Maps]
    fake: Side
    real: Side
    pairing: Pairing


def set_up(settings: Settings) -> Scene:
    """Draw crops on both sides and find partners.

    Raises:
        InputError: the methods do not show the same frames, or the two sides do not fit together.
    """
    protocol, methods = settings.protocol, opened(settings.methods)
    frames = next(iter(methods.values()))
    height, width = frames[0].shape[:2]
    own, size = (height, width), protocol.judged_size((height, width))
    side = alignment.crop_side(*size)
    if side < SMALLEST_CROP:
        raise InputError(
            f"{frames.path(0)}: {width}x{height} pixels give crops of {side} px, wanted {SMALLEST_CROP} or more; "
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
    pictures = Pictures(dict.fromkeys(frames.keys, own), dict.fromkeys(frames.keys, size))
    found = look_through(photos, min_size=protocol.min_photo(size, side), fit=lambda photo: protocol.fit(photo, size))
    maps = tuple(
        Maps(folder, seen, lambda label, own: protocol.fit_label(label, own, size))
        for folder, seen in ((settings.fake_labels, pictures), (settings.real_labels, found))
    )
    drawn = protocol.draw(
        pictures.sizes, found.sizes, side, crops=settings.crops, candidates=settings.candidates, seed=settings.seed
    )
    fake, real = (
        cut(crops, of_side, lambda label, crop, shape: protocol.describe(label, crop, side, shape))
        for crops, of_side in zip(drawn, maps, strict=True)
    )
    # About as many crops stand for the photographs in KVD as for the frames.
    sample = math.ceil(len(fake.crops) / len(np.unique(real.groups)))
    pairing = pair(fake, real, protocol.match(fake, real), sample=sample)
    return Scene(methods, photos, protocol, own, size, side, found, (maps[0], maps[1]), fake, real, pairing)


def read(scene: Scene) -> tuple[list[Pixels], list[dict[str, bytes]]]:
    """Crops of the photographs, then of each method; digests of each method's pictures.

    Raises:
        InputError: pictures that cannot be read, or a side whose partners are copies of one picture.
    """

    def fit(picture: Pixels) -> Pixels:
        return scene.protocol.fit(picture, scene.size)

    used = [scene.real.crops[i] for i in scene.pairing.used]
    real, _ = read_crops(scene.photos, used, side=scene.side, fit=lambda photo, _: fit(photo))
    frames = same_size(scene.own, fit)
    fakes = [read_crops(images, scene.fake.crops, side=scene.side, fit=frames) for images in scene.methods.values()]
    contents = [parts for _, parts in fakes]
    if scene.protocol.by_image:
        frames_in = {scene.fake.crops[i].key for i in scene.pairing.fake}
        photos_in = {used[i].key for i in scene.pairing.partner}
        for (name, images), parts in zip(scene.methods.items(), contents, strict=True):
            _check_different(f"{images.folder}: all frames of {name}", {parts[key] for key in frames_in})
        _check_different(f"{scene.photos.folder}: all photographs", {scene.found.pixels[key] for key in photos_in})
    return [real] + [pixels for pixels, _ in fakes], contents


def _check_different(whose: str, pictures: set[bytes]) -> None:
    """Refuse a side without two different pictures: pairs of crops of one picture say nothing about a distribution."""
    if len(pictures) < 2:
        raise InputError(f"{whose} that have partners are the same picture, wanted two that differ; make them again")


def class_sides(scene: Scene, pixels: list[Pixels]) -> tuple[ClassSide, ClassSide]:
    """What cKVD needs: all rendered crops, and the real ones whose features sKVD needed."""
    used = scene.pairing.used
    fake = read_labels(scene.fake.crops, scene.maps[0], side=scene.side)
    real = read_labels([scene.real.crops[i] for i in used], scene.maps[1], side=scene.side)
    return ClassSide(scene.fake.cells, fake, pixels[1:]), ClassSide(scene.real.cells[used], real, pixels[:1])
