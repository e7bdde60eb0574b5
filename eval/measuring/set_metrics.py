"""What eval.sets measures with each network.

Names belong to features: FID and KID are Inception v3's, CMMD is CLIP's. Of VGG16 the same formulas are called by what
they are.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from datasets.runtime.device import device_of
from datasets.runtime.weights import asset, load_vgg
from epe import models
from eval.features.embeddings import VECTOR, clip, inception
from eval.features.store import Embedding
from eval.features.vgg_features import LAYERS
from eval.measuring.set_distances import (
    PAIRS,
    Array,
    Sides,
    frechet_of,
    gaussian_of,
    kid_of,
    mean_square,
    neighbours_of,
    style_distance,
)
from eval.metrics.style_distance import MEANS, Statistics, part
from eval.records.scores import Metric
from gbuffer_tools.io.cache import cache_folder

INCEPTION, CLIP = "inception", "clip-vit-l-14-336"
"""Assets."""


@dataclass(frozen=True)
class Family:
    """A network and its measures.

    Attributes:
        embedding: makes features.
        metrics: what is measured.
        measure: by part of the features, both sides -> by measure, values (1,) or with resamples (1 + B,).
        reduced: whether photographs are reduced to the frames' height first.
        protocol: what the values depend on.
    """

    embedding: Embedding
    metrics: tuple[Metric, ...]
    measure: Callable[[Mapping[str, Sides]], dict[str, Array]]
    reduced: bool
    protocol: str


def families(args: argparse.Namespace, device: str) -> list[Family]:
    """VGG16's, and those of the networks whose weights are named or have been fetched.

    Raises:
        InputError: weights that are missing or unusable.
    """
    place = device_of(device)
    found = [vgg_family(args.vgg or asset("vgg16"), place, LAYERS if args.style else ())]
    for path, name, family in ((args.inception, INCEPTION, inception_family), (args.clip, CLIP, clip_family)):
        fetched = cache_folder() / f"{name}.safetensors"
        if path or fetched.exists():
            found.append(family(path or fetched, place))
    return found


def vgg_family(path: Path, place: torch.device, styles: tuple[str, ...]) -> Family:
    """VGG16's, which everybody has; style distances of some layers."""
    network = Statistics(load_vgg(path, "zeros").to(place), models.digest(path), place, styles)
    of = "of VGG16's relu5_3, averaged over a picture"
    metrics = (
        Metric("frechet_vgg16", "Fréchet, VGG16", "lower", f"FID's formula {of}; not FID"),
        Metric("kernel_vgg16", "kernel, VGG16", "lower", f"KID's formula {of}, × 1000; not KID"),
        Metric("gaussian_vgg16", "Gaussian, VGG16", "lower", f"CMMD's formula {of}, unit length; not CMMD"),
        Metric(
            "precision_vgg16", "precision, VGG16", "higher", f"share of pictures inside the photographs' manifold {of}"
        ),
        Metric("recall_vgg16", "recall, VGG16", "higher", f"share of photographs inside the pictures' manifold {of}"),
        *(
            Metric(f"style_{layer}", f"style, {layer}", "lower", "squared distance of mean Gram matrices, as a share")
            for layer in styles
        ),
    )

    def measure(sides: Mapping[str, Sides]) -> dict[str, Array]:
        means = sides[MEANS]
        precision, recall = neighbours_of(means)
        return {
            "frechet_vgg16": frechet_of(means),
            "kernel_vgg16": kid_of(means, mean_square(means.y)),
            "gaussian_vgg16": gaussian_of(means),
            "precision_vgg16": precision,
            "recall_vgg16": recall,
        } | {f"style_{layer}": style_distance(sides[part(layer)]) for layer in styles}

    protocol = (
        f"{path.name}, sha256 {network.weights}; whole pictures at their own size, photographs reduced to the frames' "
        "height; kernel distances unbiased, their features divided by the root mean square over the photographs; KID's "
        f"formula {PAIRS}"
    )
    return Family(network, metrics, measure, True, protocol)


def inception_family(path: Path, place: torch.device) -> Family:
    """FID, KID, and precision and recall of the same features."""
    metrics = (
        Metric("fid", "FID", "lower", "Fréchet distance of Inception v3's features (Heusel et al. 2017)"),
        Metric("kid", "KID × 1000", "lower", "cubic kernel distance of the same features (Binkowski et al. 2018)"),
        Metric(
            "precision_inception", "precision, Inception", "higher", "share of pictures in the photographs' manifold"
        ),
        Metric("recall_inception", "recall, Inception", "higher", "share of photographs in the pictures' manifold"),
    )

    def measure(sides: Mapping[str, Sides]) -> dict[str, Array]:
        vectors = sides[VECTOR]
        precision, recall = neighbours_of(vectors)
        return {
            "fid": frechet_of(vectors),
            "kid": kid_of(vectors, 1.0),
            "precision_inception": precision,
            "recall_inception": recall,
        }

    protocol = (
        f"{path.name}, sha256 {models.digest(path)}; whole pictures as they are, resized as TensorFlow "
        f"1 does; KID {PAIRS}; FID is biased upward by small sets: compare equal numbers of pictures, 10,000 or more"
    )
    return Family(inception(path, place), metrics, measure, False, protocol)


def clip_family(path: Path, place: torch.device) -> Family:
    """CMMD."""
    metrics = (
        Metric("cmmd", "CMMD", "lower", "Gaussian kernel distance of CLIP's embeddings (Jayasumana et al. 2024)"),
    )

    def measure(sides: Mapping[str, Sides]) -> dict[str, Array]:
        return {"cmmd": gaussian_of(sides[VECTOR])}

    protocol = (
        f"{path.name}, sha256 {models.digest(path)}; the middle square of whole pictures; 1000 x biased MMD², σ = 10"
    )
    return Family(clip(path, place), metrics, measure, False, protocol)
