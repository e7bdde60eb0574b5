"""train.realformer unpaired: towards a set of photographs, by critics and matches, as train.epe.

Each sample shows the generator the photograph that it was matched with, and the Gram matrices of what it makes are to
be near that photograph's. A model file keeps the mean style of photographs, for frames without a reference.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from datasets.matched_pairs import Pair
from datasets.photos import Photos
from epe.distributed.processes import joined, processes
from epe.distributed.sequence_parallel import ALONE, Ring
from epe.losses.gram_style import style_distance
from epe.losses.perceptual import LAYERS
from epe.losses.total_variation import total_variation
from epe.networks.enhancers.realformer import PRESETS as REALFORMERS
from epe.networks.generators import Generator
from gbuffer_tools.errors import InputError
from train.epe import train_with
from train.loop.checks import check_ranges
from train.recipes import epe_config
from train.recipes.epe_config import check
from train.recipes.epe_players import PICTURE, Features, Players, as_float
from train.recipes.generator import enhanced, look_at


@dataclass(frozen=True, kw_only=True)
class Config(epe_config.Config):
    """One run: that of train.epe, for generators that look at a photograph.

    Attributes:
        preset: the generator (python -m app.models)
        l1_weight: of the mean absolute difference from the frame
        style_weight: of the difference between the Gram matrices of enhanced frame and matched photograph
        variation_weight: of the mean total variation
        sequence: processes that share the tokens of each sample; those that torchrun starts are teams of so many
    """

    preset: str = "realformer"
    l1_weight: float = 0.0
    style_weight: float = 0.5
    variation_weight: float = 0.0
    sequence: int = 1


@dataclass
class StyledPlayers(Players):
    """Those of train.epe; the generator is shown the matched photographs."""

    command = "train.realformer unpaired"
    config: Config

    def enhanced(self, network: nn.Module, part: Pair, ring: Ring = ALONE) -> Tensor:
        return enhanced(network, *part[:3], part.place, part.photo, ring)

    def terms(self, seen: Features, part: Pair) -> dict[str, tuple[float, Tensor]]:
        with torch.no_grad():
            photo = self.features(part.photo, LAYERS)
        return super().terms(seen, part) | {
            "l1": (self.config.l1_weight, (seen[PICTURE] - part.image).abs().mean()),
            "style": (self.config.style_weight, style_distance(as_float(seen), as_float(photo)).mean()),
            "variation": (self.config.variation_weight, total_variation(seen[PICTURE])),
        }

    def finished(self, photos: Photos) -> Generator:
        network = super().finished(photos)
        look_at(network, photos)
        return network


def train(config: Config, text: str) -> None:
    """Run to the end, or go on to it; one of several processes where torchrun started them."""
    check(config)
    check_ranges(config, least={"l1_weight": 0, "style_weight": 0, "variation_weight": 0, "sequence": 1})
    if config.sequence > 1 and config.preset not in REALFORMERS:
        names = ", ".join(REALFORMERS)
        raise InputError(f"--sequence {config.sequence}: {config.preset} shares no tokens; wanted one of {names}.")
    if processes() % config.sequence:
        raise InputError(
            f"--sequence {config.sequence}: {processes()} processes make no teams of so many; start a multiple of it "
            "with torchrun."
        )
    with joined(config.device, config.sequence) as (group, device):
        train_with(replace(config, device=device), text, group, StyledPlayers)
