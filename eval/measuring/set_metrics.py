"""The metrics of eval.sets: a table for each network whose features they are measured with.

To add a set metric, write it in eval/metrics and add a row to a table. Names belong to features: FID and KID are
Inception v3's, CMMD is CLIP's. On VGG16, the same formulas are named after what they are.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from datasets.runtime.device import device_of
from datasets.runtime.weights import asset, asset_path, load_vgg
from epe import models
from eval.features.embeddings import VECTOR, clip, inception
from eval.features.spectra import SPECTRUM, Spectra
from eval.features.store import Embedding
from eval.features.vgg_features import LAYERS
from eval.features.vgg_statistics import MEANS, VggStatistics, part
from eval.measuring.set_distances import (
    KID_PAIRS,
    Array,
    FeatureSets,
    gram_mmd,
    plain,
    resampled_kid,
    scaled_kid,
    spectral_distance,
    spectral_excess,
    style_distance,
    unit_cmmd,
)
from eval.metrics.frechet import frechet_distance
from eval.metrics.precision_recall import precision, recall
from eval.records.scores_record import Metric

INCEPTION, CLIP = "inception", "clip-vit-l-14-336"
"""Assets."""
GRAM_LAYER = "relu3_3"
"""The layer of Gram-MMD unless all are asked for (--style)."""


@dataclass(frozen=True)
class SetMetric:
    """A row of a table.

    Attributes:
        metric: its key, name, and which side is better.
        measure: both sides' features -> values (1,), or with resamples (1 + B,).
        part: which of the network's features it takes.
    """

    metric: Metric
    measure: Callable[[FeatureSets], Array]
    part: str = VECTOR


@dataclass(frozen=True)
class Family:
    """A network and the metrics of its features.

    Attributes:
        embedding: makes features.
        metrics: its table.
        reduced: whether photographs are reduced to the frames' height first.
        protocol: what the values depend on, in words.
    """

    embedding: Embedding
    metrics: tuple[SetMetric, ...]
    reduced: bool
    protocol: str


_VGG = "of VGG16's relu5_3, averaged over a picture"
VGG_METRICS = (
    SetMetric(
        Metric("frechet_vgg16", "Fréchet, VGG16", "lower", f"FID's formula {_VGG}; not FID"),
        plain(frechet_distance),
        MEANS,
    ),
    SetMetric(
        Metric("kernel_vgg16", "kernel, VGG16", "lower", f"KID's formula {_VGG}, × 1000; not KID"), scaled_kid, MEANS
    ),
    SetMetric(
        Metric("gaussian_vgg16", "Gaussian, VGG16", "lower", f"CMMD's formula {_VGG}, unit length; not CMMD"),
        plain(unit_cmmd),
        MEANS,
    ),
    SetMetric(
        Metric(
            "precision_vgg16",
            "precision, VGG16",
            "higher",
            f"share of pictures inside the photographs' manifold {_VGG}",
        ),
        plain(precision),
        MEANS,
    ),
    SetMetric(
        Metric("recall_vgg16", "recall, VGG16", "higher", f"share of photographs inside the pictures' manifold {_VGG}"),
        plain(recall),
        MEANS,
    ),
)
SPECTRAL_METRICS = (
    SetMetric(
        Metric("spectral", "spectral distance (dB)", "lower", "RMS over bands of the power spectra's difference"),
        spectral_distance,
        SPECTRUM,
    ),
    SetMetric(
        Metric(
            "spectral_excess",
            "high-frequency excess (dB)",
            "",
            "power at 0.3 to 0.5 cycles per pixel more (+: sharper, noisier) or less (−: softer) than in photographs",
        ),
        spectral_excess,
        SPECTRUM,
    ),
)
INCEPTION_METRICS = (
    SetMetric(
        Metric("fid", "FID", "lower", "Fréchet distance of Inception v3's features (Heusel et al. 2017)"),
        plain(frechet_distance),
    ),
    SetMetric(
        Metric("kid", "KID × 1000", "lower", "cubic kernel distance of the same features (Binkowski et al. 2018)"),
        resampled_kid,
    ),
    SetMetric(
        Metric(
            "precision_inception", "precision, Inception", "higher", "share of pictures in the photographs' manifold"
        ),
        plain(precision),
    ),
    SetMetric(
        Metric("recall_inception", "recall, Inception", "higher", "share of photographs in the pictures' manifold"),
        plain(recall),
    ),
)
CLIP_METRICS = (
    SetMetric(
        Metric("cmmd", "CMMD", "lower", "Gaussian kernel distance of CLIP's embeddings (Jayasumana et al. 2024)"),
        plain(unit_cmmd),
    ),
)


def style_metric(layer: str) -> SetMetric:
    """The row for the style distance at a VGG16 layer (--style)."""
    what = "squared distance of mean Gram matrices, as a share"
    return SetMetric(Metric(f"style_{layer}", f"style, {layer}", "lower", what), style_distance, part(layer))


def gram_metric(layer: str) -> SetMetric:
    """The row for Gram-MMD at a VGG16 layer."""
    what = "Gaussian kernel distance of Gram matrices (Napolitano, Nguyen 2026), × 1000"
    return SetMetric(Metric(f"gram_mmd_{layer}", f"Gram-MMD, VGG16 {layer}", "lower", what), gram_mmd, part(layer))


def families(args: argparse.Namespace, device_name: str) -> list[Family]:
    """The families of VGG16, of spectra, and of the networks whose weights are named or have been fetched.

    Args:
        args: options of eval.sets.
        device_name: where the networks run.

    Raises:
        InputError: weights that are missing or unusable.
    """
    device = device_of(device_name)
    found = [vgg_family(args.vgg or asset("vgg16"), device, LAYERS if args.style else ()), spectral_family()]
    for path, name, family in ((args.inception, INCEPTION, inception_family), (args.clip, CLIP, clip_family)):
        fetched = asset_path(name)
        if path or fetched.exists():
            found.append(family(path or fetched, device))
    return found


def vgg_family(path: Path, device: torch.device, styles: tuple[str, ...]) -> Family:
    """VGG16's family, whose weights everybody has: style distances and Gram-MMD at `styles`, else Gram-MMD at one."""
    grams = styles or (GRAM_LAYER,)
    network = VggStatistics(load_vgg(path, "zeros").to(device), models.digest(path), device, grams)
    protocol = (
        f"{path.name}, sha256 {network.weights}; whole pictures at their own size, photographs reduced to the frames' "
        "height; kernel distances unbiased, their features divided by the root mean square over the photographs; KID's "
        f"formula {KID_PAIRS}; Gram-MMD's bandwidth is the median distance between photographs"
    )
    return Family(network, (*VGG_METRICS, *map(gram_metric, grams), *map(style_metric, styles)), True, protocol)


def spectral_family() -> Family:
    """The family of power spectra, compared with the photographs'."""
    protocol = (
        "luma in 64 x 64 patches under a Hann window, rings of half an octave, decibels averaged over patches and "
        "pictures; photographs reduced to the frames' height"
    )
    return Family(Spectra(), SPECTRAL_METRICS, True, protocol)


def inception_family(path: Path, device: torch.device) -> Family:
    """Inception's family: FID, KID, and precision and recall of the same features."""
    protocol = (
        f"{path.name}, sha256 {models.digest(path)}; whole pictures as they are, resized as TensorFlow 1 does; "
        f"KID {KID_PAIRS}; FID is biased upward by small sets: compare equal numbers of pictures, 10,000 or more"
    )
    return Family(inception(path, device), INCEPTION_METRICS, False, protocol)


def clip_family(path: Path, device: torch.device) -> Family:
    """CLIP's family: CMMD."""
    protocol = (
        f"{path.name}, sha256 {models.digest(path)}; the middle square of whole pictures; 1000 x biased MMD², σ = 10"
    )
    return Family(clip(path, device), CLIP_METRICS, False, protocol)
