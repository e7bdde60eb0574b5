"""What eval.sets measures with each network.

Names belong to features: FID and KID are Inception v3's, CMMD is CLIP's. Of VGG16 the same formulas are called by what
they are.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from datasets.cache import asset
from datasets.weights import load_vgg
from epe import models
from eval.features import LAYERS
from eval.methods import device_of
from eval.scores import Metric
from eval.set_distances import (
    Array,
    Sides,
    frechet_of,
    gaussian_of,
    kid_of,
    mean_square,
    neighbours_of,
    style_distance,
)
from eval.store import Embedding
from eval.style import MEANS, Statistics, part


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
    """Those that the command's options name weights for.

    Raises:
        InputError: weights that are missing or unusable.
    """
    return [vgg_family(args, device)]


def vgg_family(args: argparse.Namespace, device: str) -> Family:
    """VGG16's, which everybody has."""
    place = device_of(device)
    path = args.vgg or asset("vgg16")
    network = Statistics(load_vgg(path, "zeros").to(place), models.digest(path), place)
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
            for layer in LAYERS
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
        } | {f"style_{layer}": style_distance(sides[part(layer)]) for layer in LAYERS}

    protocol = (
        f"{path.name}, sha256 {network.weights}; whole pictures at their own size, photographs reduced to the frames' "
        "height; kernel distances unbiased, their features divided by the root mean square over the photographs"
    )
    return Family(network, metrics, measure, True, protocol)
