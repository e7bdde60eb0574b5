"""What a step of train.epe moves: generator, critics, their optimisers; how they are built, and saved as a model."""

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.compiler import set_stance

from datasets.channels import channel_names
from datasets.frames import Reading
from datasets.pairs import Pair
from datasets.weights import load_vgg
from epe import models
from epe.group import Group
from epe.losses.perceptual import LAYERS, NAME
from epe.networks.enhancer import every_channel
from epe.networks.generators import Generator, generator
from epe.networks.perceptual_discriminator import DiscriminatorSpec, PerceptualDiscriminator
from epe.networks.vgg import VGG16
from gbuffer_tools.errors import InputError
from train.adaptive import AdaptiveUpdates
from train.compiled import compile_all
from train.ema import Average
from train.epe_config import Config
from train.rematerialise import rematerialise

Features = dict[str, Tensor]
"""VGG16's, by layer."""


@dataclass
class Players:
    """All that a step moves, and the constants it needs."""

    generator: Generator
    average: Average
    critics: PerceptualDiscriminator
    vgg: VGG16
    adaptive: AdaptiveUpdates
    generator_optimiser: torch.optim.Optimizer
    critics_optimiser: torch.optim.Optimizer
    config: Config
    group: Group

    def fake(self, part: Pair) -> Features:
        """What critics and likeness look at of the enhanced images."""
        with self.autocast():
            image = self.generator(part.image, part.gbuffers, part.classes).float()
        return self.features(image, (*self.config.taps, *LAYERS))

    def features(self, image: Tensor, layers: Iterable[str]) -> Features:
        """VGG16's, in the run's precision."""
        with self.autocast():
            return self.vgg(image, tuple(layers))

    def scores(self, features: Features, labels: Tensor, *, twice: bool = False) -> dict[str, Tensor]:
        """The critics' verdicts, in fp32; `twice`: to be differentiated twice, which compiled code cannot be."""
        plain = set_stance("force_eager") if twice and self.config.compile else nullcontext()
        with plain, self.autocast():
            scores = self.critics(features, labels)
        return {tap: score.float() for tap, score in scores.items()}

    def average_gradients(self, network: nn.Module) -> Tensor:
        """Make a network's gradients the means over processes; their norm."""
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        self.group.average(gradients)
        return nn.utils.get_total_norm(gradients)

    def autocast(self) -> torch.autocast | nullcontext[None]:
        """bfloat16 where the run wants it."""
        if self.config.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.config.device.partition(":")[0], torch.bfloat16)


def build_players(config: Config, reading: Reading, label_classes: int, group: Group | None = None) -> Players:
    """Networks and optimisers, seeded: the same in every process."""
    torch.manual_seed(config.seed)
    channels = channel_names(reading.features)
    streams = list(every_channel(len(channels), len(reading.streams)))
    if config.sky_features is not None:
        sky = [i for i, names in enumerate(reading.streams) if "sky" in names]
        read = tuple(i for i, name in enumerate(channels) if name.partition(".")[0] in config.sky_features)
        for index in sky:
            streams[index] = read
    try:
        network = generator(config.preset, len(channels), streams)
        critics_spec = DiscriminatorSpec(tuple(config.taps), label_classes, config.critic_layers, config.critic_width)
    except ValueError as error:
        raise InputError(f"this run's networks cannot be built: {error}") from error
    # Channels last: convolutions of few channels are about a tenth faster that way on CPUs, and faster on GPUs.
    network = network.to(config.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    critics = PerceptualDiscriminator(critics_spec).to(config.device)
    adam = partial(
        torch.optim.Adam, lr=config.rate, betas=(config.beta1, config.beta2), weight_decay=config.weight_decay
    )
    players = Players(
        generator=network,
        average=Average(network, config.ema),
        critics=critics,
        vgg=load_vgg(config.vgg, "replicate").to(config.device),
        adaptive=AdaptiveUpdates(config.taps, config.adaptive_target),
        generator_optimiser=adam(network.parameters()),
        critics_optimiser=adam(critics.parameters()),
        config=config,
        group=group or Group(),
    )
    # After the average has its copy, which is to be as it will be used.
    if config.checkpoint_activations:
        rematerialise(network)
    if config.compile:
        network.to(memory_format=torch.contiguous_format)
        compile_all([network, *critics.critics.values()])
    return players


def as_model(p: Players, reading: Reading, done: int, digests: dict[str, str]) -> models.Model:
    """The averaged generator with all that is needed to feed it; `digests` of the files that it was made from."""
    config = p.config
    network = p.average.network
    assert isinstance(network, Generator)
    record = {
        "command": "train.epe", "steps": done, "batch": config.batch * config.accumulate * p.group.size,
        "crop": config.crop, "seed": config.seed,
        "preset": config.preset, "perceptual": NAME, "precision": config.precision,
        "frames": config.frames.as_posix(), "photos": config.photos.as_posix(),
        "digests": digests,
    }  # fmt: skip
    if config.drop_buffers:
        record["drop_buffers"] = config.drop_buffers
    return models.Model(
        network=network,
        kind=network.kind,
        spec=network.spec.as_dict(),
        channels=channel_names(reading.features),
        mean=reading.mean,
        std=reading.std,
        classes=reading.streams,
        multiple_of=network.spec.multiple_of,
        licence=config.licence,
        record=record,
    )
