"""The settings of eval.skvd."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from eval.features.vgg_features import FeaturePooling, Precision
from eval.kvd.protocols import OURS, SkvdProtocol


@dataclass(frozen=True)
class SkvdSettings:
    """What eval.skvd judges, and how.

    Attributes:
        methods: folders by name; the first is what the others are compared with.
        real: folder of photographs.
        fake_labels, real_labels: folders of label maps.
        vgg: file of VGG16 weights.
        crops: crops per frame.
        candidates: crops per photograph that partners are chosen from.
        scaling: "as trained" undoes the constants that the file's layers are divided by.
        pooling: see `eval.features.vgg_features.Extractor`.
        resamples: number of bootstrap resamples.
        seed: seed for crops and resamples.
        batch: crops per forward pass.
        memory: bytes of features to hold at a time.
        scratch: folder for the features that do not fit; None: the system's folder for temporary files.
        precision: precision of the network and its features.
        device: where the network runs.
        protocol: one of `eval.kvd.protocols`; it overrides the settings that it fixes.
        per_class: whether to measure cKVD as well.
        class_groups: file of class groups; None: the protocol's.
        floor, floor_labels: folders of other photographs, judged as if they were frames, and of their label maps.
    """

    methods: dict[str, Path]
    real: Path
    fake_labels: Path
    real_labels: Path
    vgg: Path
    crops: int = 8
    candidates: int = 32
    pooling: FeaturePooling = "none"
    scaling: Literal["rms", "none", "as trained"] = "rms"
    resamples: int = 1000
    seed: int = 0
    batch: int = 8
    memory: int = 5 * 2**29
    scratch: Path | None = None
    precision: Precision = "fp32"
    device: str = "cpu"
    protocol: SkvdProtocol = OURS
    per_class: bool = False
    class_groups: Path | None = None
    floor: Path | None = None
    floor_labels: Path | None = None
