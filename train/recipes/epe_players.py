"""What a step of train.epe moves: generator, critics, their optimisers; how they are built, and saved as a model."""

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.compiler import set_stance

from datasets.channels import channel_names
from datasets.frames import Reading
from datasets.matched_pairs import Pair
from datasets.photos import Photos
from datasets.runtime.weights import load_vgg
from epe.distributed.processes import Group
from epe.distributed.sequence_parallel import ALONE, Ring
from epe.losses.perceptual import LAYERS, NAME, perceptual_distance
from epe.networks.backbones.vgg import VGG16
from epe.networks.enhancers.enhancer import every_channel
from epe.networks.generators import Generator
from epe.networks.perceptual_discriminator import DiscriminatorSpec, PerceptualDiscriminator
from gbuffer_tools.errors import InputError
from train.loop.activation_checkpointing import rematerialise
from train.loop.adaptive import AdaptiveUpdates
from train.loop.autocast import autocast
from train.loop.compiled import compile_all
from train.loop.ema import Average
from train.loop.fine_tuning import learning
from train.recipes.epe_config import Config
from train.recipes.generator import enhanced

Features = dict[str, Tensor]
"""VGG16's, by layer; of enhanced images also the images themselves, as PICTURE."""
PICTURE = "picture"


@dataclass
class Players:
    """All that a step moves, the constants it needs, and what becomes of a sample."""

    command: ClassVar[str] = "train.epe"
    generator: Generator
    average: Average
    critics: PerceptualDiscriminator
    vgg: VGG16
    adaptive: AdaptiveUpdates
    generator_optimiser: torch.optim.Optimizer
    critics_optimiser: torch.optim.Optimizer
    config: Config
    group: Group

    def enhanced(self, network: nn.Module, part: Pair, ring: Ring = ALONE) -> Tensor:
        """What a generator makes of a batch; `ring`: the processes that do the same, where it can share the work."""
        return enhanced(network, *part[:3], part.place, ring=ring)

    def fake(self, part: Pair) -> Features:
        """What critics and `terms` look at of the enhanced images."""
        with self.autocast():
            picture = self.enhanced(self.generator, part, self.group.ring).float()
        return {PICTURE: picture} | self.features(picture, (*self.config.taps, *LAYERS))

    def terms(self, seen: Features, part: Pair) -> dict[str, tuple[float, Tensor]]:
        """What the generator minimises beside the critics' verdict, with weights: still the same scene.

        Args:
            seen: `fake` of the part.
            part: a batch.
        """
        with torch.no_grad():
            target = self.features(part.image, LAYERS)
        return {
            "likeness": (self.config.perceptual_weight, perceptual_distance(as_float(seen), as_float(target)).mean())
        }

    def finished(self, photos: Photos) -> Generator:
        """The averaged generator as it is kept; `photos` as it was trained on."""
        network = self.average.network
        assert isinstance(network, Generator)
        return network

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
        return autocast(self.config.precision, self.config.device)


def as_float(features: Features) -> Features:
    """Features in fp32: sums of squares lose too much in bfloat16."""
    return {name: value.float() for name, value in features.items()}


def streams_of(config: Config, reading: Reading) -> list[tuple[int, ...]]:
    """Per class stream, the channels that it reads."""
    channels = channel_names(reading.features)
    streams = list(every_channel(len(channels), len(reading.streams)))
    if config.sky_features is not None:
        read = tuple(i for i, name in enumerate(channels) if name.partition(".")[0] in config.sky_features)
        streams = [read if "sky" in names else every for names, every in zip(reading.streams, streams, strict=True)]
    return streams


def build_players(
    config: Config, network: Generator, label_classes: int, group: Group, kind: type[Players] = Players
) -> Players:
    """All that moves around a generator: the same in every process.

    Args:
        config: of the run.
        network: the generator, on the CPU.
        label_classes: number of robust labels.
        group: of processes.
        kind: of players.
    """
    try:
        critics_spec = DiscriminatorSpec(tuple(config.taps), label_classes, config.critic_layers, config.critic_width)
    except ValueError as error:
        raise InputError(f"this run's critics cannot be built: {error}") from error
    # Channels last: convolutions of few channels are about a tenth faster that way on CPUs, and faster on GPUs.
    network.to(config.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    critics = PerceptualDiscriminator(critics_spec).to(config.device)
    adam = partial(
        torch.optim.Adam, lr=config.rate, betas=(config.beta1, config.beta2), weight_decay=config.weight_decay
    )
    players = kind(
        generator=network,
        average=Average(network, config.ema),
        critics=critics,
        vgg=load_vgg(config.vgg, "replicate").to(config.device),
        adaptive=AdaptiveUpdates(config.taps, config.adaptive_target),
        generator_optimiser=adam(learning(network)),
        critics_optimiser=adam(critics.parameters()),
        config=config,
        group=group,
    )
    # After the average has its copy, which is to be as it will be used.
    if config.checkpoint_activations:
        rematerialise(network)
    if config.compile:
        network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        compile_all([network, *critics.critics.values()])
    return players


def record(p: Players, done: int, digests: dict[str, str]) -> dict[str, Any]:
    """How the generator came to be; `digests` of the files that it was made from."""
    config = p.config
    facts: dict[str, Any] = {
        "command": p.command, "steps": done, "batch": config.batch * config.accumulate * p.group.teams,
        "crop": config.crop, "seed": config.seed,
        "preset": config.preset, "perceptual": NAME, "precision": config.precision,
        "frames": config.frames.as_posix(), "photos": config.photos.as_posix(),
        "digests": digests,
    }  # fmt: skip
    if config.drop_buffers:
        facts["drop_buffers"] = config.drop_buffers
    return facts
