"""train.realformer paired: train from cheap to good renderings of the same frames (super-sampling).

To resume a stopped run, run the same command again: on a CPU the result is bit-identical. OUT receives
model.safetensors (the averaged generator), checkpoint.safetensors, run.yaml, previews/*.png (cheap | enhanced | good)
and TensorBoard scalars.
"""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datasets.channels import channel_names
from datasets.frames import Frames, measure
from datasets.pairs.render_pairs import Rendered, RenderPairs, Targets
from datasets.runtime.weights import asset, load_vgg
from epe.generator import Generator
from epe.losses.gram_style import style_distance
from epe.losses.perceptual import NAME, perceptual_distance
from epe.losses.total_variation import total_variation
from epe.networks.backbones.vgg import VGG16
from epe.networks.enhancers.enhancer import every_channel
from epe.networks.generators import preset_names
from train.loop.config import LinearDecayConfig, PrecisionConfig, autocast, check_preset, check_ranges, frozen_in
from train.loop.ema import Average
from train.loop.fine_tuning import trainable_parameters
from train.loop.optimiser import backward_and_step, set_rate, weighted_sum
from train.loop.preview import ROWS, write_sheet
from train.loop.sampler import single_process_batches
from train.loop.training import check_single_process, run_training
from train.recipes.features import compared_features
from train.recipes.generator import as_model, keep_style, new_generator, run_inputs, sha256_by_name


@dataclass(frozen=True, kw_only=True)
class PairedConfig(LinearDecayConfig, PrecisionConfig):
    """Configuration of a run. The defaults are the model card's, but the total variation is a mean instead of a sum.

    Attributes:
        frames: folder of frame files, rendered cheaply
        targets: folder of frame files or images with the same names, rendered well, of the same size or a multiple
        features: frame features that the network reads (datasets/channels.py)
        streams: names of the classes of each class stream; "*" takes the rest
        preset: the generator (python -m app.models)
        initial: model file to start from, with the same preset, features and streams; null: random weights
        trainable: shell patterns of the generator's weights to train ("*.adain*"); "!PATTERN" excludes
        vgg: VGG16 weights; null: those that app.assets fetched
        l1_weight: weight of the mean absolute difference from the target
        perceptual_weight: weight of the perceptual distance to the target, on VGG16 features
        style_weight: weight of the difference between the Gram matrices of result and target
        variation_weight: weight of the mean total variation
        clip: maximum gradient norm; null: not clipped
        ema: decay of the averaged weights
    """

    frames: Path
    targets: Path
    features: tuple[str, ...] = (
        "normal", "reflection", "facing", "log_depth", "albedo", "roughness", "metallic", "emission", "sky",
    )  # fmt: skip
    streams: tuple[tuple[str, ...], ...] = (("*",),)
    preset: str = "realformer"
    initial: Path | None = None
    trainable: tuple[str, ...] = ("*",)
    vgg: Path | None = None
    crop: int = 512
    batch: int = 8
    steps: int = 312_500
    rate: float = 1e-3
    constant: float = 1.0
    beta1: float = 0.9
    l1_weight: float = 1.0
    perceptual_weight: float = 0.1
    style_weight: float = 0.02
    variation_weight: float = 1e-4
    clip: float | None = None
    ema: float = 0.999

    def check(self) -> None:
        super().check()
        weights = ("l1_weight", "perceptual_weight", "style_weight", "variation_weight")
        # VGG16 pools four times.
        check_ranges(self, minimum=dict.fromkeys(weights, 0) | {"crop": 16}, positive=("clip",), fractions=("ema",))
        check_preset(self.preset, preset_names())


@dataclass
class PairedTrainState:
    """Everything that a step updates, and the constants that it needs."""

    generator: Generator
    average: Average[Generator]
    vgg: VGG16
    optimiser: torch.optim.Optimizer
    config: PairedConfig


def step(state: PairedTrainState, batch: Rendered, n: int) -> dict[str, Tensor]:
    """Update the generator, and return the losses of step `n` (from 1)."""
    c = state.config
    set_rate(state.optimiser, c.learning_rate(c.rate, n))
    batch = Rendered(*(x.to(c.device, non_blocking=True) for x in batch))
    with autocast(c.number_format, c.device):
        made = enhance(state.generator, batch).float()
    seen, wanted = compared_features(state.vgg, made, batch.target, c.number_format)
    terms = {
        "l1": (c.l1_weight, (made - batch.target).abs().mean()),
        "perceptual": (c.perceptual_weight, perceptual_distance(seen, wanted).mean()),
        "style": (c.style_weight, style_distance(seen, wanted).mean()),
        "variation": (c.variation_weight, total_variation(made)),
    }
    loss = weighted_sum(terms)
    norm = backward_and_step(loss, state.optimiser, clip=math.inf if c.clip is None else c.clip)
    if torch.isfinite(norm):
        state.average.update(state.generator, n)
    return {name: value.detach() for name, (_, value) in terms.items()} | {"gradient": norm}


def enhance(network: Generator, batch: Rendered) -> Tensor:
    """Return a batch enhanced by a generator, (B, 3, H, W) in [0, 1]."""
    return network.enhance_like(batch.reference, (batch.image, batch.gbuffers, batch.classes, batch.crop_box))


def build_state(config: PairedConfig, network: Generator) -> PairedTrainState:
    """Build the training state around a generator."""
    network = network.to(config.device)
    return PairedTrainState(
        generator=network,
        average=Average(network, config.ema),
        vgg=frozen_in(load_vgg(config.vgg, "replicate"), config.number_format).to(config.device),
        optimiser=torch.optim.Adam(trainable_parameters(network), lr=config.rate, betas=(config.beta1, config.beta2)),
        config=config,
    )


@torch.inference_mode()
def write_preview(state: PairedTrainState, samples: RenderPairs, path: Path) -> None:
    """Write cheap | enhanced | good for the first samples."""
    rows = []
    for index in range(min(ROWS, len(samples))):
        sample = samples[index]
        batch = Rendered(*(x[None].to(state.config.device) for x in sample))
        made = enhance(state.average.network, batch)
        rows.append((sample.image, made[0].cpu(), sample.target))
    write_sheet(path, rows)


def finished(state: PairedTrainState, targets: Targets) -> Generator:
    """Return the averaged generator, ready to be saved: with the mean style of the targets."""
    keep_style(state.average.network, targets)
    return state.average.network


def record(config: PairedConfig, done: int, sha256: dict[str, str]) -> dict[str, Any]:
    """Return the training record after `done` steps; `sha256` holds the digests of the run's input files, by name."""
    return {
        "command": "train.realformer paired", "steps": done, "batch": config.batch, "crop": config.crop,
        "seed": config.seed, "preset": config.preset, "perceptual": NAME, "precision": config.number_format,
        "frames": config.frames.as_posix(), "targets": config.targets.as_posix(), "digests": sha256,
    }  # fmt: skip


def train(config: PairedConfig, text: str) -> None:
    """Train, or resume training, to the last step; `text` is the configuration as YAML."""
    check_single_process(config)
    reading = measure(config.frames, tuple(config.features), tuple(tuple(names) for names in config.streams))
    torch.manual_seed(config.seed)
    stream_channels = every_channel(len(channel_names(reading.features)), len(reading.streams))
    network, reading = new_generator(config.preset, reading, stream_channels, config.initial, config.trainable)
    frames = Frames(config.frames, reading)
    targets = Targets(config.targets, frames)
    samples = RenderPairs(frames, targets, size=config.crop, length=config.samples, seed=config.seed)
    state = build_state(config, network)
    sha256 = sha256_by_name({"vgg": config.vgg or asset("vgg16"), "initial": config.initial})
    run_training(
        config,
        text,
        step=partial(step, state),
        batches=partial(single_process_batches, samples, config.batch, config.workers),
        parts={
            "generator": state.generator,
            "average": state.average.network,
            "optimiser": state.optimiser,
            "inputs": run_inputs(config.out, reading, sha256),
        },
        preview=partial(write_preview, state, samples),
        model=lambda done: as_model(finished(state, targets), reading, config.licence, record(config, done, sha256)),
    )
