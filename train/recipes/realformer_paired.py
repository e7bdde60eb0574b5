"""train.realformer paired: from cheap renderings to good ones of the same frames (super-sampling).

The same command again goes on with a run that was stopped, to the same bits. In OUT: model.safetensors (the averaged
generator), checkpoint.safetensors, run.yaml, previews/*.png (cheap | made | good) and TensorBoard's scalars.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from datasets.channels import channel_names
from datasets.frames import Frames, measure
from datasets.render_pairs import Rendered, RenderPairs, Targets
from datasets.runtime.cache import asset
from datasets.runtime.weights import load_vgg
from epe.losses.gram_style import style_distance
from epe.losses.perceptual import LAYERS, NAME, perceptual_distance
from epe.losses.total_variation import total_variation
from epe.networks.backbones.vgg import VGG16
from epe.networks.enhancers.enhancer import every_channel
from epe.networks.generators import NAMES, Generator
from train.loop.autocast import autocast
from train.loop.checks import check_preset, check_ranges
from train.loop.ema import Average
from train.loop.fine_tuning import learning
from train.loop.preview import ROWS, write_sheet
from train.loop.sampler import stream
from train.loop.solo import Descent, carry_out, check_descent, descend
from train.recipes.epe_players import as_float
from train.recipes.generator import as_model, build_generator, digests, enhanced, look_at


@dataclass(frozen=True, kw_only=True)
class Config(Descent):
    """One run. The defaults are the model card's, but for means in place of sums in the total variation.

    Attributes:
        frames: folder of frame files, rendered cheaply
        targets: folder of frame files or pictures of the same names, rendered well, of the same size or a multiple
        features: what the network reads of a frame (datasets/channels.py)
        streams: per class stream the names of its classes; "*" takes the rest
        preset: the generator (python -m app.models)
        initial: model file to begin with, of the same preset, features and streams; null: weights drawn at random
        trainable: names of the generator's weights that learn, as shell patterns ("*.adain*"); "!PATTERN" takes away
        vgg: VGG16 weights; null: the fetched ones
        l1_weight: of the mean absolute difference from the target
        perceptual_weight: of the distance of VGG16's features from the target's
        style_weight: of the difference between their Gram matrices
        variation_weight: of the mean total variation
        ema: decay of the averaged weights
        precision: bf16 runs the networks in bfloat16; weights and losses stay fp32
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
    ema: float = 0.999
    precision: Literal["fp32", "bf16"] = "fp32"


@dataclass
class Players:
    """All that a step moves, and the constants it needs."""

    generator: Generator
    average: Average
    vgg: VGG16
    optimiser: torch.optim.Optimizer
    config: Config


def step(p: Players, batch: Rendered, n: int) -> dict[str, Tensor]:
    """One update; `n` counts from 1."""
    c = p.config
    c.slow(p.optimiser, c.rate, n)
    batch = Rendered(*(x.to(c.device, non_blocking=True) for x in batch))
    with autocast(c.precision, c.device):
        made = enhanced(p.generator, *batch[:3], batch.place, batch.style).float()
        seen = as_float(p.vgg(made, LAYERS))
        with torch.no_grad():
            wanted = as_float(p.vgg(batch.target, LAYERS))
    terms = {
        "l1": (c.l1_weight, (made - batch.target).abs().mean()),
        "likeness": (c.perceptual_weight, perceptual_distance(seen, wanted).mean()),
        "style": (c.style_weight, style_distance(seen, wanted).mean()),
        "variation": (c.variation_weight, total_variation(made)),
    }
    norm = descend(torch.stack([weight * value for weight, value in terms.values()]).sum(), p.optimiser)
    if torch.isfinite(norm):
        p.average.update(p.generator, n)
    return {name: value.detach() for name, (_, value) in terms.items()} | {"gradient": norm}


def build_players(config: Config, network: Generator) -> Players:
    """Networks and optimiser."""
    network = network.to(config.device)
    return Players(
        generator=network,
        average=Average(network, config.ema),
        vgg=load_vgg(config.vgg, "replicate").to(config.device),
        optimiser=torch.optim.Adam(learning(network), lr=config.rate, betas=(config.beta1, config.beta2)),
        config=config,
    )


@torch.inference_mode()
def write_preview(p: Players, samples: RenderPairs, path: Path) -> None:
    """Cheap | made | good, of the first samples."""
    rows = []
    for index in range(min(ROWS, len(samples))):
        sample = samples[index]
        batch = Rendered(*(x[None].to(p.config.device) for x in sample))
        made = enhanced(p.average.network, *batch[:3], batch.place, batch.style)
        rows.append((sample.image, made[0].cpu(), sample.target))
    write_sheet(path, rows)


def finished(p: Players, targets: Targets) -> Generator:
    """The averaged generator as it is kept: its look is the mean style of targets."""
    network = p.average.network
    assert isinstance(network, Generator)
    look_at(network, targets)
    return network


def record(config: Config, done: int, digests: dict[str, str]) -> dict[str, Any]:
    """How the generator came to be; `digests` of the files that it was made from."""
    return {
        "command": "train.realformer paired", "steps": done, "batch": config.batch, "crop": config.crop,
        "seed": config.seed, "preset": config.preset, "perceptual": NAME, "precision": config.precision,
        "frames": config.frames.as_posix(), "targets": config.targets.as_posix(), "digests": digests,
    }  # fmt: skip


def train(config: Config, text: str) -> None:
    """Run to the end, or go on to it; `text` is the run as YAML."""
    check_descent(config)
    weights = ("l1_weight", "perceptual_weight", "style_weight", "variation_weight")
    check_ranges(config, least=dict.fromkeys(weights, 0), shares=("ema",))
    check_preset(config.preset, NAMES)
    if config.device == "cpu":
        torch.use_deterministic_algorithms(True)
    reading = measure(config.frames, tuple(config.features), tuple(tuple(names) for names in config.streams))
    torch.manual_seed(config.seed)
    streams = every_channel(len(channel_names(reading.features)), len(reading.streams))
    network, reading = build_generator(config.preset, reading, streams, config.initial, config.trainable)
    frames = Frames(config.frames, reading)
    targets = Targets(config.targets, frames)
    samples = RenderPairs(frames, targets, size=config.crop, length=config.samples, seed=config.seed)
    p = build_players(config, network)
    made_from = digests({"vgg": config.vgg or asset("vgg16"), "initial": config.initial})
    carry_out(
        config,
        text,
        step=partial(step, p),
        batches=partial(stream, samples, config.batch, config.workers),
        parts={"generator": p.generator, "average": p.average.network, "optimiser": p.optimiser},
        preview=partial(write_preview, p, samples),
        model=lambda done: as_model(finished(p, targets), reading, config.licence, record(config, done, made_from)),
    )
