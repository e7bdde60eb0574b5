"""The settings of eval.trial."""

from dataclasses import dataclass
from pathlib import Path

from datasets.photos import PhotoFilter
from eval.trials.degradations import Degradation
from eval.trials.orders import Order


@dataclass(frozen=True)
class TrialSettings:
    """What is put on trial, with which pictures.

    Attributes:
        photos: folder of the photographs that everything is measured against.
        degrade: folder of the pictures that are degraded; None: every second photograph, which is then not a reference.
        degradations: kinds; none for orders alone.
        orders: known orders.
        labels: folder of label maps by folder of pictures, resolved.
        height: the height that taller pictures are reduced to; None: that of the shortest picture.
        max_photos, max_pictures: how many photographs, and pictures of any other folder, are used at most; None: all.
        photo_filter: how photographs are reduced.
        crops, candidates: crops per picture and per photograph, for sKVD and KVD.
        vgg, inception, clip: files of weights; None: the fetched ones, if any.
        resamples: number of bootstrap resamples.
        subsets: number of subsets of each size, for the number of frames that are needed.
        seed: seed for crops, noise, resamples and subsets.
        cache: folder that results are kept in; None keeps nothing.
        device: where networks run.
    """

    photos: Path
    degrade: Path | None
    degradations: tuple[Degradation, ...]
    orders: tuple[Order, ...]
    labels: dict[Path, Path]
    height: int | None = None
    max_photos: int | None = None
    max_pictures: int | None = None
    photo_filter: PhotoFilter = "area"
    crops: int = 4
    candidates: int = 16
    vgg: Path | None = None
    inception: Path | None = None
    clip: Path | None = None
    resamples: int = 200
    subsets: int = 100
    seed: int = 0
    cache: Path | None = None
    device: str = "cpu"
