"""sKVD's two protocols, and what a protocol decides.

"ours" is the definition, with several crops per picture and pairs from one picture left out; "feamgan" is the procedure
behind the published rows (`eval.kvd.feamgan`). `eval.kvd.judge` follows either in the same steps.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from datasets.photos import PhotoFilter, to_height
from epe.networks.backbones.vgg import IMAGENET_MEAN
from eval.features.vgg_features import LAYERS
from eval.kvd import alignment, feamgan
from eval.kvd.alignment import Crop, CropMatch
from eval.kvd.crops import DrawnCrops, Pixels, Size, Sizes
from eval.kvd.feamgan import Has, PairIndices
from gbuffer_tools.errors import InputError


class DrawCrops(Protocol):
    """Draws the crops of both sides."""

    def __call__(
        self, frames: Sizes, photos: Sizes, side: int, *, crops: int, candidates: int, seed: int
    ) -> tuple[list[Crop], list[Crop]]:
        """Crops of all frames, and of all photographs.

        Args:
            frames, photos: heights and widths as judged, by key.
            side: a crop's side in pixels.
            crops, candidates: how many per frame and per photograph.
            seed: seed for the draws.
        """
        ...


@dataclass(frozen=True)
class ProtocolText:
    """What a report says about a protocol, in words; see `eval.records.skvd_record.ProtocolFacts`."""

    metric: str
    estimator: str
    similarity: str
    photo_size: str
    resampled: str
    seeking: str
    class_partners: str
    hidden: str


@dataclass(frozen=True)
class SkvdProtocol:
    """What an sKVD protocol decides.

    Attributes:
        name: as --protocol takes it.
        asset: the weights that it is defined with.
        layers: layers of VGG16.
        fixed: settings that the user cannot choose, by name.
        judged_size: size of a frame's file -> size of the frame as judged.
        fit: picture of either side, judged size of frames -> the picture as judged.
        fit_label: label map, size of its picture's file, judged size of frames -> label map of the picture as judged.
        min_photo: judged size of frames, side of a crop -> the smallest photograph that is used.
        draw: draws the crops of both sides.
        describe: label map, crop, side of a crop, size of the picture as judged -> (256,) labels.
        match: the crops of both sides -> partners.
        match_class: partners for a class: descriptions of both sides, which of them have the class, sKVD's pairs ->
            pairs.
        by_image: whether pairs of crops of one image are left out; otherwise each entry of a list is its own sample.
        groups: file of class groups if the user names none; None: each label is a group.
        rest: whether labels in no group form a group of their own, for which all crops count.
        hidden: colour of pixels that are not of the class, RGB in [0, 1].
        min_pairs: a class with fewer pairs is left out.
        text: what a report says about the protocol.
    """

    name: str
    asset: str
    layers: tuple[str, ...]
    judged_size: Callable[[Size], Size]
    fit: Callable[[Pixels, Size], Pixels]
    fit_label: Callable[[Pixels, Size, Size], Pixels]
    min_photo: Callable[[Size, int], Size]
    draw: DrawCrops
    describe: Callable[[Pixels, Crop, int, Size], Pixels]
    match: Callable[[DrawnCrops, DrawnCrops], list[CropMatch]]
    match_class: Callable[[Pixels, Pixels, Has, Has, PairIndices], PairIndices]
    by_image: bool
    groups: Path | None
    rest: bool
    hidden: tuple[float, float, float]
    min_pairs: int
    text: ProtocolText
    fixed: Mapping[str, Any] = field(default_factory=dict)


def protocol_named(name: str) -> SkvdProtocol:
    """The protocol that --protocol or a record names.

    Raises:
        InputError: there is no such protocol.
    """
    if name not in PROTOCOLS:
        raise InputError(f"protocol {name[:40]!r}: no such protocol, wanted {' or '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def with_photo_filter(protocol: SkvdProtocol, photo_filter: PhotoFilter) -> SkvdProtocol:
    """A protocol that shrinks photographs with a filter other than area; see `datasets.photos.to_height`.

    Raises:
        InputError: the protocol has a filter of its own.
    """
    if photo_filter == "area":
        return protocol
    if protocol.name != OURS.name:
        raise InputError(f"--photo-filter: the protocol {protocol.name} has a filter of its own; leave the option out")
    size = "reduced to the frames' height by area after a camera's blur where higher, never enlarged"
    return replace(
        protocol,
        fit=lambda picture, size: to_height(picture, size[0], photo_filter),
        text=replace(protocol.text, photo_size=size),
    )


def _draw(
    frames: Sizes, photos: Sizes, side: int, *, crops: int, candidates: int, seed: int
) -> tuple[list[Crop], list[Crop]]:
    """Several crops per picture, which do not depend on what other pictures there are."""
    fake, real = (
        [
            crop
            for key, size in sizes.items()
            for crop in alignment.draw_crops(key, *size, side=side, count=count, seed=seed)
        ]
        for sizes, count in ((frames, crops), (photos, candidates))
    )
    return fake, real


def _draw_feamgan(
    frames: Sizes, photos: Sizes, side: int, *, crops: int, candidates: int, seed: int
) -> tuple[list[Crop], list[Crop]]:
    """One crop of each picture, whatever `crops` and `candidates` say: the protocol fixes both."""
    return feamgan.draw(frames, photos, side, seed)


def _match(fake: DrawnCrops, real: DrawnCrops) -> list[CropMatch]:
    """The nearest real crop of each rendered crop; tickets decide between equally near ones."""
    return alignment.match(
        fake.cells,
        real.cells,
        fake_tickets=[crop.ticket for crop in fake.crops],
        real_tickets=[crop.ticket for crop in real.crops],
    )


def _match_class(fake: Pixels, real: Pixels, fake_has: Has, real_has: Has, pairs: PairIndices) -> PairIndices:
    """The sKVD pairs in which both crops have the class."""
    both = fake_has[pairs[0]] & real_has[pairs[1]]
    return pairs[0][both], pairs[1][both]


OURS = SkvdProtocol(
    name="ours",
    asset="vgg16",
    layers=LAYERS,
    judged_size=lambda own: own,
    # A crop has to show as much of a scene in a photograph as in a frame: photographs taller than the frames are
    # reduced by area, so every source pixel counts. Shorter ones stay as they are: enlarging would invent blur.
    fit=lambda picture, size: to_height(picture, size[0]),
    fit_label=lambda label, own, size: label,
    min_photo=lambda size, side: (side, side),
    draw=_draw,
    describe=alignment.describe,
    match=_match,
    match_class=_match_class,
    by_image=True,
    groups=None,
    rest=False,
    hidden=IMAGENET_MEAN,
    min_pairs=10,
    text=ProtocolText(
        metric="sKVD: rendered crops against real crops of the same label layout; KVD: against all photographs",
        estimator="unbiased, float64; sKVD: over two pairs of crops that have no image in common; KVD: over two crops "
        "that are not of one image",
        similarity=f"share of equal labels on {alignment.GRID} x {alignment.GRID} cells",
        photo_size="reduced to the frames' height by area interpolation where higher, never enlarged",
        resampled="frames, each with its crops and their partners; the photographs are held fixed",
        seeking="rendered",
        class_partners="the pairs of sKVD of which both crops have the class",
        hidden="ImageNet's mean colour (0 to the network)",
    ),
)

FEAMGAN = SkvdProtocol(
    name="feamgan",
    asset="vgg16-torchvision",
    layers=("relu5_3",),
    fixed={"crops": 1, "candidates": 1, "pooling": "none", "scaling": "as trained", "seed": feamgan.SEED},
    judged_size=feamgan.judged_size,
    fit=feamgan.fit,
    fit_label=feamgan.fit_label,
    min_photo=lambda size, side: size,
    draw=_draw_feamgan,
    describe=feamgan.describe,
    match=feamgan.match,
    match_class=feamgan.match_class,
    by_image=False,
    groups=Path(__file__).with_name("mseg_groups.yaml"),
    rest=True,
    hidden=(0.5, 0.5, 0.5),
    min_pairs=2,
    text=ProtocolText(
        metric="sKVD as FeaMGAN's evaluation script has it: real crops against rendered crops of the same label layout",
        estimator="unbiased, float64; a crop that serves twice counts as two samples",
        similarity=f"share of equal labels on {alignment.GRID} x {alignment.GRID} pixels, the first of equal ones",
        photo_size=(
            f"as the frames: resized to {feamgan.HEIGHT} rows (cubic, a = -1/2, no filter against aliasing), the "
            "middle cut out; as many as frames, from the first again where there are fewer"
        ),
        resampled="frames, each with the pairs that it is in; the photographs are held fixed; no part of the procedure",
        seeking="real",
        class_partners="crops that have the class, matched anew among themselves",
        hidden="mid grey",
    ),
)

PROTOCOLS: Mapping[str, SkvdProtocol] = {protocol.name: protocol for protocol in (OURS, FEAMGAN)}
