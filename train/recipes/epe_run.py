"""A run of train/recipes/epe.py: builds data, networks and optimisers, trains, and saves the model."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datasets.channels import CLASS, channel_names, feature
from datasets.flaws import Flaw
from datasets.frames import Frames, Reading, measure
from datasets.matched_pairs import MatchedCrops, MatchedPairs
from datasets.photos import Photos
from datasets.runtime.weights import asset, load_vgg
from epe.distributed.processes import ProcessGroup
from epe.generator import Generator
from epe.losses.perceptual import NAME
from epe.networks.enhancers.enhancer import every_channel
from epe.networks.perceptual_discriminator import DiscriminatorSpec, PerceptualDiscriminator
from gbuffer_tools.errors import InputError
from train.loop.activation_checkpointing import checkpoint_activations
from train.loop.checkpoint import Stateful
from train.loop.compiled import compile_all, explained
from train.loop.config import frozen_in
from train.loop.ema import Average
from train.loop.fine_tuning import trainable_parameters
from train.loop.preview import ROWS, write_sheet
from train.loop.sampler import StepSampler
from train.loop.training import run_training, train_in_group
from train.recipes.adaptive_updates import AdaptiveUpdates
from train.recipes.epe import EPETrainState, step
from train.recipes.epe_config import EPEConfig
from train.recipes.generator import as_model, new_generator, run_inputs, sha256_by_name
from train.recipes.matched_batches import LeftOut, batches


def train(config: EPEConfig, text: str) -> None:
    """Train to the last step, alone or as one of torchrun's processes; `text` is the configuration as YAML."""
    train_in_group(config, text, train_with)


def train_with(
    config: EPEConfig, text: str, group: ProcessGroup, state_type: type[EPETrainState] = EPETrainState
) -> None:
    """Train this process's part of a run.

    Args:
        config: configuration of the run.
        text: the same as YAML.
        group: the process group.
        state_type: class of the state, which defines how crops are enhanced and which losses the generator has.
    """
    flawed: list[Flaw] = []
    reading = measure(
        config.frames, tuple(config.features), tuple(tuple(names) for names in config.streams), left_out=flawed
    )
    reading = withholding(reading, config.withheld)
    torch.manual_seed(config.seed)
    stream_channels = channels_of_streams(config, reading)
    network, reading = new_generator(config.preset, reading, stream_channels, config.initial, config.trainable)
    frames = Frames(config.frames, reading)
    sampler = StepSampler(config.batch, config.accumulate, group.replica, group.replicas)
    pairs = MatchedPairs(
        frames,
        Photos(config.photos, frames.sizes[0][0], config.photo_filter),
        config.matches,
        frame_labels=config.frame_labels,
        photo_labels=config.photo_labels,
        size=config.crop,
        length=config.steps * sampler.samples_per_step,
        seed=config.seed,
        drop_buffers=config.drop_buffers,
    )
    state = build_state(config, network, pairs.label_classes, group, state_type)
    sha256 = sha256_by_name({"matches": config.matches, "vgg": config.vgg or asset("vgg16"), "initial": config.initial})
    parts: dict[str, Stateful] = {
        "generator": state.generator, "average": state.average.network, "critics": state.critics,
        "adaptive": state.adaptive, "generator_optimiser": state.generator_optimiser,
        "critics_optimiser": state.critics_optimiser, "inputs": run_inputs(config.out, reading, sha256),
    }  # fmt: skip
    left_out = LeftOut(config.out / "left_out.txt")

    def note_flawed_frames() -> None:
        for flaw in flawed:
            left_out.note(flaw)

    run_training(
        config,
        text,
        step=explained(partial(step, state)) if config.compile else partial(step, state),
        batches=partial(batches, pairs, sampler, config.workers, left_out.note),
        parts=parts,
        preview=lambda path: write_preview(
            path, partial(state.enhance, state.average.network), pairs, device=config.device
        ),
        model=lambda done: as_model(state.finished(pairs.photos), reading, config.licence, record(state, done, sha256)),
        group=group,
        samples_per_step=sampler.samples_per_step,
        scalars=lambda: {f"update probability/{tap}": state.adaptive.probability(tap) for tap in config.taps},
        begun=note_flawed_frames,
    )


def withholding(reading: Reading, names: tuple[str, ...]) -> Reading:
    """Return the reading without some buffers.

    Raises:
        InputError: a name is not that of a buffer that the features need.
    """
    needed = {CLASS} | {buffer for name in reading.features for buffer in feature(name).needs}
    unknown = [name for name in names if name not in needed]
    if unknown:
        raise InputError(f"--withheld: got {unknown[0]!r}, wanted some of {', '.join(sorted(needed))}.")
    return dataclasses.replace(reading, withheld=tuple(names))


def channels_of_streams(config: EPEConfig, reading: Reading) -> list[tuple[int, ...]]:
    """Return the indices of the channels that each class stream reads."""
    channels = channel_names(reading.features)
    found = list(every_channel(len(channels), len(reading.streams)))
    if config.sky_features is not None:
        read = tuple(i for i, name in enumerate(channels) if name.partition(".")[0] in config.sky_features)
        found = [read if "sky" in names else every for names, every in zip(reading.streams, found, strict=True)]
    return found


def build_state(
    config: EPEConfig,
    network: Generator,
    label_classes: int,
    group: ProcessGroup,
    state_type: type[EPETrainState] = EPETrainState,
) -> EPETrainState:
    """Build the training state around a generator; it is the same in every process.

    Args:
        config: configuration of the run.
        network: the generator, on the CPU.
        label_classes: number of robust labels.
        group: the process group.
        state_type: class of the state.

    Raises:
        InputError: the critics cannot be built with these settings.
    """
    try:
        critics_spec = DiscriminatorSpec(
            tuple(config.taps), label_classes, config.critic_layers, config.critic_width, config.critic_labels
        )
    except ValueError as error:
        raise InputError(f"this run's critics cannot be built: {error}") from error
    # Channels last makes convolutions with few channels about a tenth faster on CPUs, and faster on GPUs, too.
    network.to(config.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    critics = PerceptualDiscriminator(critics_spec).to(config.device)
    adam = partial(
        torch.optim.Adam, lr=config.rate, betas=(config.beta1, config.beta2), weight_decay=config.weight_decay
    )
    state = state_type(
        generator=network,
        average=Average(network, config.ema),
        critics=critics,
        vgg=frozen_in(load_vgg(config.vgg, "replicate"), config.number_format).to(config.device),
        adaptive=AdaptiveUpdates(config.taps, config.adaptive_target, config.adaptive_start),
        generator_optimiser=adam(trainable_parameters(network)),
        critics_optimiser=adam(critics.parameters()),
        config=config,
        group=group,
    )
    # Done after the average was copied, because the copy must stay as it is when the model is used.
    if config.checkpoint_activations:
        checkpoint_activations(network, network.checkpointed)
    if config.compile:
        network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        compile_all([network, *critics.critics.values()])
    return state


@torch.inference_mode()
def write_preview(path: Path, enhance: Callable[[MatchedCrops], Tensor], pairs: MatchedPairs, device: str) -> None:
    """Write input | enhanced | matched photograph for the first samples.

    The samples are the same each time, so previews can be compared.

    Args:
        path: path of the PNG.
        enhance: turns a batch into images (B, 3, H, W).
        pairs: the samples.
        device: device that `enhance` runs on.
    """
    rows = []
    for index in range(min(ROWS, len(pairs))):
        pair = pairs[index]
        made = enhance(MatchedCrops(*(x[None].to(device) for x in pair)))
        rows.append((pair.image, made[0].cpu(), pair.photo))
    write_sheet(path, rows)


def record(state: EPETrainState, done: int, sha256: dict[str, str]) -> dict[str, Any]:
    """Return the training record after `done` steps; `sha256` holds the digests of the run's input files, by name."""
    config = state.config
    facts: dict[str, Any] = {
        "command": state.command, "steps": done, "batch": config.batch * config.accumulate * state.group.replicas,
        "crop": config.crop, "seed": config.seed,
        "preset": config.preset, "perceptual": NAME, "precision": config.number_format,
        "frames": config.frames.as_posix(), "photos": config.photos.as_posix(),
        "digests": sha256,
    }  # fmt: skip
    if config.drop_buffers:
        facts["drop_buffers"] = config.drop_buffers
    if config.withheld:
        facts["withheld"] = list(config.withheld)
    return facts
