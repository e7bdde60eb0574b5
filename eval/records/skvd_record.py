"""The record of eval.skvd: values with intervals, counts, protocol and digests, as JSON.

    format, version   "skvd-record", 2
    tool              name and version of this project
    methods           per method: name, folder, digest of its pictures, and per layer
        skvd, kvd     {value, low, high}, 1000 x unbiased MMD²; low and high are null where there were too few images
        difference    {value, low, high} of sKVD minus the first method's, both from the same resamples: what the real
                      crops share among themselves cancels, so this separates methods whose own intervals overlap
        ratio         {value, low, high} of sKVD over the first method's, likewise; null if that may be 0
        worst         pairs whose rendered crop moved farthest away from photographs (eval/kvd/outliers.py), worst first
        ckvd          the same by groups of classes: value, difference, their means; null if not asked for
        toward_floor  {value, low, high} of the fraction of the way from the first method to the floor, by layer; null
                      if there is no way to go, or no floor
    frames, photos    what was judged and what was dropped (class docstrings below)
    classes           groups of classes and how many pairs each has; null if not asked for
    protocol          everything that a number depends on
    weights           name and SHA-256 of the feature network's file, and what it was made from
    floor             other photographs, judged as if they were frames (eval/kvd/floor.py); null if not asked for
    shown, pairs      which frames and which matched crops the page shows; folders are relative to the record's own

Digests of picture folders depend only on keys and pixels, not on the order, dates or compression of files.
"""

from dataclasses import dataclass
from pathlib import Path

from eval.records.dataclass_json import read_record, write_record
from eval.records.estimate import Estimate

FORMAT, VERSION = "skvd-record", 2


@dataclass(frozen=True)
class ClassEstimates:
    """cKVD of one method; groups of classes that were left out are absent.

    Attributes:
        value: by group, in sKVD's unit.
        difference: value minus the first method's, from the same resamples.
        mean, mean_difference: over the groups that are present; None if none is.
    """

    value: dict[str, Estimate]
    difference: dict[str, Estimate]
    mean: Estimate | None
    mean_difference: Estimate | None


@dataclass(frozen=True)
class SkvdMethod:
    """One method's pictures of the frames (the render itself, a baseline, an enhancer's output), and its values."""

    name: str
    folder: str
    digest: str
    skvd: dict[str, Estimate]
    kvd: dict[str, Estimate]
    difference: dict[str, Estimate]
    ratio: dict[str, Estimate | None]
    ckvd: ClassEstimates | None
    worst: tuple["CropPair", ...]
    toward_floor: dict[str, Estimate | None] | None = None


@dataclass(frozen=True)
class SkvdFloor:
    """Other photographs, judged as if they were frames: as near as anything real gets.

    Attributes:
        folder: where they are.
        images: those that are large enough.
        crops, matched: crops drawn from them, and those that found a partner.
        digest, labels: digests of the photographs and of their label maps.
        skvd, kvd: by layer.
    """

    folder: str
    images: int
    crops: int
    matched: int
    digest: str
    labels: str
    skvd: dict[str, Estimate]
    kvd: dict[str, Estimate]


@dataclass(frozen=True)
class SkvdFrames:
    """The frames of a judgement, common to all methods, and what was used of them.

    Attributes:
        images: frames judged; each is `height` x `width` pixels as judged.
        crops: crops drawn from them.
        matched: pairs. The `dropped` crops that found no partner do not enter sKVD.
        labels: digest of the frames' label maps.
    """

    images: int
    height: int
    width: int
    crops: int
    matched: int
    dropped: int
    labels: str


@dataclass(frozen=True)
class SkvdPhotos:
    """The photographs of a judgement, and what was used of them.

    Attributes:
        folder: where the photographs are.
        images: photographs found; `dropped` of them are too small.
        resized: photographs that were resized to the frames' height.
        candidates: crops drawn from them.
        partners: distinct crops that are in a pair, from `partner_images` photographs.
        largest_fraction: fraction of the pairs that the busiest photograph serves.
        sample: crops that represent the photographs in KVD.
        digest: digest of the photographs.
        labels: digest of their label maps.
    """

    folder: str
    images: int
    dropped: int
    resized: int
    candidates: int
    partners: int
    partner_images: int
    largest_fraction: float
    sample: int
    digest: str
    labels: str


@dataclass(frozen=True)
class ClassGroups:
    """Groups of classes that cKVD looks at.

    Attributes:
        groups: labels of each group.
        pairs: how many pairs each group has; also of "rest", what belongs to no group, if the protocol has it.
        min_pairs: a group with fewer is left out, and so is one whose pairs all come from one frame or photograph.
        min_fraction: fraction of a crop that a group has to cover; "rest" need not.
        layer: the network's layer.
        partners: what makes pairs, in words.
        hidden: what replaces other classes, in words.
    """

    groups: dict[str, tuple[int, ...]]
    pairs: dict[str, int]
    min_pairs: int
    min_fraction: float
    layer: str
    partners: str
    hidden: str


@dataclass(frozen=True)
class ProtocolFacts:
    """What a number depends on besides the pictures. The strings say it in words, for readers.

    Attributes:
        name: the protocol's name in `eval.kvd.protocols`.
        seeking: whose crops look for partners, "rendered" or "real"; `SkvdFrames.dropped` are those that found none.
        precision: the features' precision, "fp32" or "bf16"; older records lack it and are fp32.
    """

    name: str
    seeking: str
    metric: str
    unit: str
    estimator: str
    kernel: str
    layers: tuple[str, ...]
    pooling: str
    scaling: str
    scales: dict[str, float]
    crop_side: int
    crops_per_frame: int
    crops_per_photo: int
    similarity: str
    similarity_above: float
    label_method: str
    label_classes: int
    photo_size: str
    seed: int
    resamples: int
    resampled: str
    level: float
    precision: str = "fp32"


@dataclass(frozen=True)
class VggWeights:
    """The file of the feature network.

    Attributes:
        file, sha256: name and digest of the file.
        what: what the file says it is, in words; "" if it says nothing.
        source_sha256: digest of the file that it was made from; "" if it says nothing.
    """

    file: str
    sha256: str
    what: str
    source_sha256: str


@dataclass(frozen=True)
class CropPair:
    """A rendered crop and its real partner; rows and columns in pixels as judged."""

    frame: str
    top: int
    left: int
    photo: str
    photo_top: int
    photo_left: int
    similarity: float


@dataclass(frozen=True)
class SkvdRecord:
    """Everything about one judgement by eval.skvd."""

    format: str
    version: int
    tool: str
    methods: tuple[SkvdMethod, ...]
    frames: SkvdFrames
    photos: SkvdPhotos
    classes: ClassGroups | None
    protocol: ProtocolFacts
    weights: VggWeights
    shown: tuple[str, ...]
    pairs: tuple[CropPair, ...]
    floor: SkvdFloor | None = None


def write(record: SkvdRecord, path: Path) -> None:
    """Write a record of eval.skvd as a JSON file."""
    write_record(record, path)


def read(path: Path) -> SkvdRecord:
    """Read a record of eval.skvd.

    Raises:
        InputError: the file is not a record of this version; the message names the first entry that does not fit.
    """
    return read_record(SkvdRecord, path, FORMAT, VERSION, "eval.skvd")
