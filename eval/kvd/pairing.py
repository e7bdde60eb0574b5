"""From the crops of both sides to the lists that are compared: pairs for sKVD, a plain sample for KVD."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eval.kvd.alignment import CropMatch
from eval.kvd.crops import DrawnCrops
from eval.records import skvd_record
from gbuffer_tools.errors import InputError

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Pairing:
    """Which crops are compared.

    Attributes:
        matches: rendered crops with their partners; `real` indexes all candidates.
        used: (M,) candidates whose features are needed, ascending. `sample` and `partner` index into these.
        sample: (S,) crops that represent the photographs in KVD.
        partner: (P,) partner of each match.
        fake: (P,) rendered crop of each match, out of all rendered crops.
    """

    matches: list[CropMatch]
    used: Indices
    sample: Indices
    partner: Indices
    fake: Indices

    def within(self, used: Indices) -> "Pairing":
        """These pairs, with real crops indexed within more candidates: `used`, ascending, contains all of them."""
        places = np.searchsorted(used, self.used)
        return replace(self, used=used, sample=places[self.sample], partner=places[self.partner])


def pair(fake: DrawnCrops, real: DrawnCrops, matches: list[CropMatch], *, sample: int) -> Pairing:
    """The real crops whose features are needed, and the pairs among them.

    Args:
        fake: all crops are judged.
        real: all real crops.
        matches: the pairs.
        sample: how many of each photograph's first crops represent it in KVD.

    Raises:
        InputError: partners in fewer than two frames or two photographs.
    """
    chosen = np.array([found.real for found in matches], dtype=np.int64)
    origin = np.array([found.fake for found in matches], dtype=np.int64)
    frames, photos = len(set(fake.groups[origin])), len(set(real.groups[chosen]))
    if frames < 2 or photos < 2:
        raise InputError(
            f"{len(matches)} pairs of one layout among {len(fake.crops)} rendered and {len(real.crops)} real crops, "
            f"from {frames} frames and {photos} photographs, wanted 2 of each or more; "
            "add photographs of such scenes, raise --candidates, or label both sides with fewer classes"
        )
    first = first_crops(real, sample)
    used = np.union1d(first, chosen)
    return Pairing(matches, used, np.searchsorted(used, first), np.searchsorted(used, chosen), origin)


def unpaired(real: DrawnCrops, *, sample: int) -> Pairing:
    """No pairs: the sample alone, for KVD where there are no label maps.

    Args:
        real, sample: as for `pair`.
    """
    first = first_crops(real, sample)
    none = np.zeros(0, np.int64)
    return Pairing([], first, np.arange(len(first)), none, none)


def first_crops(real: DrawnCrops, count: int) -> Indices:
    """The first `count` crops of each photograph, as indices among all real crops, photograph by photograph."""
    return np.concatenate([np.flatnonzero(real.groups == image)[:count] for image in np.unique(real.groups)])


def shown_pairs(
    fake: DrawnCrops, real: DrawnCrops, matches: list[CropMatch], count: int
) -> tuple[skvd_record.CropPair, ...]:
    """At most `count` random pairs for the report, no frame and no photograph twice: not the best ones, but any."""
    pairs: list[skvd_record.CropPair] = []
    for found in sorted(matches, key=lambda found: fake.crops[found.fake].ticket):
        ours, theirs = fake.crops[found.fake], real.crops[found.real]
        if len(pairs) < count and not any(pair.frame == ours.key or pair.photo == theirs.key for pair in pairs):
            pairs.append(as_pair(fake, real, found))
    return tuple(pairs)


def as_pair(fake: DrawnCrops, real: DrawnCrops, found: CropMatch) -> skvd_record.CropPair:
    """A pair as a record stores it."""
    ours, theirs = fake.crops[found.fake], real.crops[found.real]
    return skvd_record.CropPair(ours.key, ours.top, ours.left, theirs.key, theirs.top, theirs.left, found.similarity)
