"""train.realformer unpaired: train towards a set of photographs, with critics and matches, as train.epe does.

The generator receives each sample's matched photograph as its reference, and a loss brings the Gram matrices of the
enhanced frame close to those of the photograph. The model file keeps the mean style of the photographs, for frames
without a reference.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from datasets.matched_pairs import MatchedCrops
from datasets.photos import Photos
from epe.distributed.processes import world_size
from epe.distributed.sequence_parallel import ALONE, SequenceParallel
from epe.generator import Generator
from epe.losses.gram_style import style_distance
from epe.losses.perceptual import LAYERS
from epe.losses.total_variation import total_variation
from epe.networks.generators import find_preset, preset_names
from gbuffer_tools.errors import InputError
from train.loop.config import check_ranges
from train.loop.training import train_in_group
from train.recipes.epe import EPETrainState, Fake, Terms
from train.recipes.epe_config import EPEConfig
from train.recipes.epe_run import train_with
from train.recipes.features import as_float
from train.recipes.generator import keep_style


@dataclass(frozen=True, kw_only=True)
class UnpairedConfig(EPEConfig):
    """Configuration of a run: that of train.epe, for generators that take a photograph as their reference.

    Attributes:
        preset: the generator (python -m app.models)
        l1_weight: weight of the mean absolute difference from the frame
        style_weight: weight of the difference between the Gram matrices of enhanced frame and matched photograph
        variation_weight: weight of the mean total variation
        sequence: processes that share the tokens of each sample; torchrun must start a multiple of it
    """

    preset: str = "realformer"
    l1_weight: float = 0.0
    style_weight: float = 0.5
    variation_weight: float = 0.0
    sequence: int = 1

    def check(self) -> None:
        super().check()
        check_ranges(self, minimum={"l1_weight": 0, "style_weight": 0, "variation_weight": 0, "sequence": 1})
        if self.sequence > 1 and not find_preset(self.preset).shares_tokens:
            sharing = ", ".join(name for name in preset_names() if find_preset(name).shares_tokens)
            raise InputError(f"--sequence {self.sequence}: {self.preset} cannot share tokens; wanted one of {sharing}.")
        if world_size() % self.sequence:
            raise InputError(
                f"--sequence {self.sequence}: {world_size()} processes cannot be divided into groups of that size; "
                "start a multiple of it with torchrun."
            )


@dataclass
class UnpairedTrainState(EPETrainState):
    """The state of train.epe, with a generator that receives the matched photographs as references."""

    command = "train.realformer unpaired"
    config: UnpairedConfig

    def enhance(self, network: Generator, batch: MatchedCrops, sequence: SequenceParallel = ALONE) -> Tensor:
        crops = batch.image, batch.gbuffers, batch.classes, batch.crop_box
        return network.enhance_like(batch.photo, crops, sequence)

    def terms(self, fake: Fake, batch: MatchedCrops) -> Terms:
        with torch.no_grad():
            photo = self.features(batch.photo, LAYERS)
        return super().terms(fake, batch) | {
            "l1": (self.config.l1_weight, (fake.image - batch.image).abs().mean()),
            "style": (self.config.style_weight, style_distance(as_float(fake.features), as_float(photo)).mean()),
            "variation": (self.config.variation_weight, total_variation(fake.image)),
        }

    def finished(self, photos: Photos) -> Generator:
        keep_style(self.average.network, photos)
        return self.average.network


def train(config: UnpairedConfig, text: str) -> None:
    """Train to the last step, alone or as one of torchrun's processes; `text` is the configuration as YAML."""
    train_in_group(config, text, partial(train_with, state_type=UnpairedTrainState), config.sequence)
