"""All measures of a trial: those whose weights are available."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import torch

from datasets.runtime.device import device_of
from datasets.runtime.weights import asset, asset_path, load_vgg
from epe import models
from eval.features.embeddings import clip, inception
from eval.features.spectra import Spectra
from eval.features.vgg_features import LAYERS, Extractor
from eval.features.vgg_statistics import VggStatistics
from eval.kvd.alignment import crop_side
from eval.measuring.picture_metrics import paired, single
from eval.measuring.set_metrics import (
    CLIP,
    CLIP_METRICS,
    INCEPTION,
    INCEPTION_METRICS,
    SPECTRAL_METRICS,
    VGG_METRICS,
)
from eval.metrics.lpips import LPIPS
from eval.trials.crop_scorer import CropScorer
from eval.trials.frame_scorer import FrameScorer
from eval.trials.pictures import PictureSet
from eval.trials.scorer import Scorer
from eval.trials.set_scorer import SetScorer
from eval.trials.settings import TrialSettings

BATCH = 8
"""Crops per forward pass."""
KEPT = 32
"""Originals whose features LPIPS keeps: every degradation is compared with the same ones."""


@dataclass(frozen=True)
class Scorers:
    """The measures against some photographs.

    Attributes:
        settings: the trial's settings.
        photos: the photographs.
        height: the trial's height.
    """

    settings: TrialSettings
    photos: PictureSet
    height: int

    @cached_property
    def side(self) -> int:
        """Side of a crop in pixels: an eighth of the area of a 4:3 frame."""
        return crop_side(self.height, round(self.height * 4 / 3))

    @cached_property
    def weights(self) -> str:
        """SHA-256 of VGG16's file."""
        return models.digest(self.settings.vgg or asset("vgg16"))

    @cached_property
    def _device(self) -> torch.device:
        return device_of(self.settings.device)

    @cached_property
    def _extract(self) -> Extractor:
        vgg = load_vgg(self.settings.vgg or asset("vgg16"), "zeros").to(self._device)
        return Extractor(vgg, "none", BATCH, self._device)

    @cached_property
    def everywhere(self) -> tuple[Scorer, ...]:
        """The measures that do not depend on the folder that is judged."""
        statistics = VggStatistics(self._extract.vgg, self.weights, self._device)
        found: list[Scorer] = [
            SetScorer(statistics, VGG_METRICS, LAYERS, self.photos),
            SetScorer(Spectra(), SPECTRAL_METRICS, (), self.photos),
        ]
        for path, name, load, rows in (
            (self.settings.inception, INCEPTION, inception, INCEPTION_METRICS),
            (self.settings.clip, CLIP, clip, CLIP_METRICS),
        ):
            if path or asset_path(name).exists():
                found.append(SetScorer(load(path, self._device), rows, (), self.photos))
        # The metrics depend on which files are present, and the files are checked by digest when they are fetched.
        present = [name for name in ("niqe", "st-lpips", "lpips-vgg", "vgg16-torchvision") if asset_path(name).exists()]
        weights = hashlib.sha256(str(present).encode()).hexdigest()
        compare = paired(self._device, truth=True)
        for measure in compare.values():
            if isinstance(measure, LPIPS):
                measure.kept = KEPT
        found.append(FrameScorer(single(), compare, weights))
        return tuple(found)

    def of(self, judged: PictureSet) -> tuple[Scorer, ...]:
        """All measures for the pictures of one folder.

        Raises:
            InputError: pictures that are too small, or too few pairs of one layout.
        """
        crops = CropScorer(
            self._extract, self.weights, self.photos, judged,
            side=self.side, crops=self.settings.crops, candidates=self.settings.candidates, seed=self.settings.seed,
        )  # fmt: skip
        return (crops, *self.everywhere)
