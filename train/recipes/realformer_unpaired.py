"""train.realformer unpaired: towards a set of photographs, by critics and matches, as train.epe.

Each sample shows the generator the photograph that it was matched with, and the Gram matrices of what it makes are to
be near that photograph's. A model file keeps the mean style of photographs, for frames without a reference.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from datasets.matched_pairs import MatchedCrops
from datasets.photos import Photos
from epe.distributed.processes import process_group, world_size
from epe.distributed.sequence_parallel import ALONE, SequenceParallel
from epe.generator import Generator
from epe.losses.gram_style import style_distance
from epe.losses.perceptual import LAYERS
from epe.losses.total_variation import total_variation
from epe.networks.generators import find_preset, preset_names
from gbuffer_tools.errors import InputError
from train.loop.config import check_ranges
from train.recipes.epe import EPETrainState, Fake, Terms, as_float
from train.recipes.epe_config import EPEConfig
from train.recipes.epe_run import train_with
from train.recipes.generator import keep_style


@dataclass(frozen=True, kw_only=True)
class UnpairedConfig(EPEConfig):
    """One run: that of train.epe, for generators that look at a photograph.

    Attributes:
        preset: the generator (python -m app.models)
        l1_weight: of the mean absolute difference from the frame
        style_weight: of the difference between the Gram matrices of enhanced frame and matched photograph
        variation_weight: of the mean total variation
        sequence: processes that share the tokens of each sample; torchrun starts a multiple of so many
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
            raise InputError(f"--sequence {self.sequence}: {self.preset} shares no tokens; wanted one of {sharing}.")
        if world_size() % self.sequence:
            raise InputError(
                f"--sequence {self.sequence}: {world_size()} processes make no groups of so many; start a multiple of "
                "it with torchrun."
            )


@dataclass
class UnpairedTrainState(EPETrainState):
    """The state of train.epe, with a generator that is shown the matched photographs."""

    command = "train.realformer unpaired"
    config: UnpairedConfig

    def enhance(self, network: Generator, batch: MatchedCrops, sequence: SequenceParallel = ALONE) -> Tensor:
        return network.enhance_like(
            batch.photo, batch.image, batch.gbuffers, batch.classes, batch.crop_box, sequence=sequence
        )

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
    """Run to the end, or go on to it; as one of several processes where torchrun started them."""
    config.check()
    with process_group(config.device, config.sequence) as (group, device):
        train_with(replace(config, device=device), text, group, UnpairedTrainState)
