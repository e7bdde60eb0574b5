"""cKVD: sKVD of one group of classes at a time, with everything else in the crops hidden.

Stuhr et al., "Masked Discriminators for Content-Consistent Unpaired Image-to-Image Translation", 2023
(https://arxiv.org/abs/2309.13188): a distance of whole crops does not tell which things look wrong. Here both crops of
a pair show only the group's pixels, and one colour elsewhere. Only relu5_3 is measured. It also sees the group's
outline, so values of different groups, or of sKVD, cannot be compared with each other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from eval.features.inner_products import InnerProducts
from eval.features.vgg_features import CropPixels
from eval.kvd.crops import Pixels
from eval.kvd.feamgan import PairIndices
from eval.kvd.layers import Array, Indices, LayerDistances
from eval.kvd.pairing import Pairing
from eval.kvd.protocols import SkvdProtocol
from gbuffer_tools.io.yaml import read_sections

CKVD_LAYER = "relu5_3"
MIN_FRACTION = 0.05
REST = "rest"

LabelGroups = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class GroupsFile:
    """A YAML file of groups of classes.

    Attributes:
        groups: labels of 0 .. 255 by the name of their group; a label is in one group at most.
    """

    groups: LabelGroups = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.groups:
            raise ValueError("groups: none, wanted `groups:` with lines `name: [label, …]`")
        seen: dict[int, str] = {}
        for name, labels in self.groups.items():
            if not labels or not all(0 <= label <= 255 for label in labels):
                raise ValueError(f"groups.{name}: {str(list(labels))[:60]}, wanted labels of 0 .. 255")
            for label in labels:
                if seen.setdefault(label, name) != name:
                    raise ValueError(f"groups.{name}: label {label} is in {seen[label]!r}, too; wanted it in one group")


@dataclass(frozen=True)
class ClassCrops:
    """Crops of one side, with what cKVD needs of them.

    Attributes:
        cells: (N, 256) descriptions.
        labels: (N, S, S) of all pixels.
        pixels: (N, S, S, 3) uint8 sRGB per method; for the photographs, one entry.
    """

    cells: Pixels
    labels: Pixels
    pixels: Sequence[Pixels]


@dataclass(frozen=True)
class ClassDistances:
    """cKVD of all groups of classes.

    Attributes:
        pairs: how many each group has.
        values: each method's distances (1 + B,), by group; groups that were left out are absent.
    """

    pairs: dict[str, int] = field(default_factory=dict)
    values: dict[str, list[Array]] = field(default_factory=dict)


def read_groups(path: Path) -> LabelGroups:
    """Read groups of classes from a YAML file.

    Raises:
        InputError: the file cannot be read, or holds something else.
    """
    return read_sections(path, GroupsFile).groups


def every_label(fake: ClassCrops, real: ClassCrops) -> LabelGroups:
    """One group for each label that both sides show."""
    return {f"label {label}": (int(label),) for label in np.intersect1d(fake.labels, real.labels)}


def distances(
    fake: ClassCrops,
    real: ClassCrops,
    groups: LabelGroups,
    protocol: SkvdProtocol,
    layer: LayerDistances,
    products: Callable[[CropPixels, list[CropPixels]], InnerProducts],
    *,
    progress: bool,
) -> ClassDistances:
    """Distances of each group that has enough pairs, and whose pairs come from more than one frame and photograph.

    Args:
        fake: all rendered crops.
        real: the real crops whose features sKVD needed.
        groups: labels of each group.
        protocol: which crops have a class, and which are compared.
        layer: relu5_3 as in sKVD: its pairs, scale and resamples.
        products: maps real crops and those of each method, with hidden pixels, to inner products.
        progress: show a bar on stderr.
    """
    found = ClassDistances()
    if protocol.rest:
        others = set(range(256)).difference(*groups.values())
        groups = groups | {REST: tuple(others)}
    for name in tqdm(groups, desc="classes", unit="class", disable=not progress):
        shown = [np.isin(side.labels, groups[name]) for side in (fake, real)]
        has = [mask.mean(axis=(1, 2)) > MIN_FRACTION for mask in shown]
        if protocol.rest and name == REST:
            has = [np.ones_like(side_has) for side_has in has]
        pairs = protocol.match_class(
            fake.cells, real.cells, has[0], has[1], (layer.pairing.fake, layer.pairing.partner)
        )
        found.pairs[name] = len(pairs[0])
        if len(pairs[0]) < protocol.min_pairs:
            continue
        used = [np.unique(crops) for crops in pairs]
        fake_crops = [masked(pixels, shown[0], used[0]) for pixels in fake.pixels]
        of_class = _of_pairs(layer, pairs, products(masked(real.pixels[0], shown[1], used[1]), fake_crops))
        values = [of_class.skvd(method) for method in range(len(fake.pixels))]
        if all(np.isfinite(rows[0]) for rows in values):
            found.values[name] = values
    return found


def masked(pixels: Pixels, shown: NDArray[np.bool_], used: Indices) -> CropPixels:
    """Crops (K, S, S, 4) whose fourth channel hides what is not shown.

    Args:
        pixels: (N, S, S, 3) uint8.
        shown: (N, S, S).
        used: (K,) which of the N.
    """
    return np.concatenate([pixels[used], 255 * shown[used, :, :, None].astype(np.uint8)], axis=3)


def _of_pairs(layer: LayerDistances, pairs: PairIndices, products: InnerProducts) -> LayerDistances:
    """The layer with other pairs; the products are those of the crops that are in a pair."""
    (fake, fake_indices), (real, real_indices) = (np.unique(crops, return_inverse=True) for crops in pairs)
    return replace(
        layer,
        products=products,
        frames=[numbers[fake] for numbers in layer.frames],
        photos=layer.photos[real],
        pairing=Pairing([], real, real[:0], real_indices, fake_indices),
        draws=layer.draws[:, fake],
    )
