"""What tests of single steps share: a train state on the miniature, a batch, and which weights a step moved."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from datasets.frames import measure
from datasets.matched_pairs import MatchedCrops
from epe.distributed.processes import ProcessGroup
from tests.train.made import configured
from train.recipes.epe import EPETrainState
from train.recipes.epe_run import build_state, channels_of_streams
from train.recipes.generator import new_generator


def train_state(data: Path, vgg_file: Path, **changes: Any) -> EPETrainState:
    """Of train.epe, on the data of tests/train/made.py."""
    config = configured(data, vgg_file, Path("unused"), **changes)
    reading = measure(config.frames, config.features, config.streams)
    torch.manual_seed(config.seed)
    stream_channels = channels_of_streams(config, reading)
    network, _ = new_generator(config.preset, reading, stream_channels, config.initial, config.trainable)
    return build_state(config, network, 4, ProcessGroup())


def batch(seed: int = 0) -> MatchedCrops:
    """Two random samples of 32 px with 8 channels, 2 streams and 4 labels."""
    generator = torch.Generator().manual_seed(seed)
    images = [torch.rand(2, n, 32, 32, generator=generator) for n in (3, 8, 3)]
    ids = [torch.randint(k, (2, 32, 32), generator=generator) for k in (2, 4, 4)]
    crop_box = torch.tensor([[0.1, 0.2, 0.4, 0.5]]).expand(len(ids[0]), -1)
    return MatchedCrops(images[0], images[1], ids[0], ids[1], images[2], ids[2], crop_box)


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """A copy of a network's parameters."""
    return {name: value.detach().clone() for name, value in module.named_parameters()}


def moved(before: dict[str, Tensor], module: nn.Module) -> set[str]:
    """Names of the parameters that are not as they were."""
    return {name for name, value in module.named_parameters() if not torch.equal(value, before[name])}
