"""A miniature of everything that train.epe reads: two frame files, photographs, labels, matches."""

from pathlib import Path
from typing import Any

import numpy as np

from datasets.images import Images
from datasets.match import write
from epe.matching.matching import CropPairs as Matched
from epe.matching.matching import Crops
from tests.datasets.made import write_frames, write_labels, write_photos
from train.recipes.epe_config import EPEConfig

SIZE = (200, 208)
STEPS = 8


def write_data(folder: Path) -> Path:
    """Three frames and three photographs of 208x200 and more, random labels of 4 classes, twenty matches."""
    write_frames(folder / "frames", size=SIZE)
    write_photos(folder / "photos", size=SIZE)
    write_labels(folder / "labels" / "frames", folder / "frames")
    write_labels(folder / "labels" / "photos", folder / "photos", seed=6)
    rng = np.random.default_rng(7)

    def crops() -> Crops:
        return Crops(rng.integers(0, 3, 20), rng.integers(0, 5, 20), rng.integers(0, 13, 20))

    pairs = Matched(np.arange(20), np.arange(20), np.ones(20), rng.uniform(1, 3, 20))
    frames, photos = (Images(folder / name).keys for name in ("frames", "photos"))
    write(folder / "matches.npz", frames, photos, crops(), crops(), pairs, SIZE[0])
    return folder


def settings(data: Path, vgg: Path, out: Path) -> dict[str, Any]:
    """A run of a few seconds that has all parts of a long one."""
    return {
        "frames": data / "frames", "photos": data / "photos", "matches": data / "matches.npz",
        "frame_labels": data / "labels" / "frames", "photo_labels": data / "labels" / "photos", "out": out,
        "features": ("normal", "reflection", "log_depth", "sky"), "streams": (("sky",), ("*",)),
        "sky_features": ("log_depth", "sky"), "preset": "hr-tiny", "taps": ("relu1_2", "relu3_3"),
        "critic_layers": 2, "critic_width": 64, "vgg": vgg, "crop": 32, "batch": 2, "steps": STEPS, "rate": 1e-3,
        "critic_rate": 1e-3, "decay_every": 3, "penalty_every": 2, "ema": 0.9, "workers": 0, "log_every": 1,
        "preview_every": STEPS, "save_every": 1,
    }  # fmt: skip


def configured(data: Path, vgg: Path, out: Path, **changes: Any) -> EPEConfig:
    return EPEConfig(**(settings(data, vgg, out) | changes))
