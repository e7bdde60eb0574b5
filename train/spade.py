"""python -m train.spade: learn to make photographs from their label maps alone.

Park, Liu, Wang, Zhu, "Semantic Image Synthesis with Spatially-Adaptive Normalization", CVPR 2019 (SPADE). The same
command again goes on with a run that was stopped, to the same bits. In OUT: model.safetensors, for
`python -m eval.baselines spade`, checkpoint.safetensors, run.yaml, previews/*.png (labels | made | photograph) and
TensorBoard's scalars. VGG16 is in the place of the paper's VGG19.
"""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from datasets.crops import Labelled, LabelledCrops
from datasets.labels import TAXONOMY, read_facts
from datasets.runtime.cache import asset
from datasets.runtime.weights import load_vgg
from epe import models
from epe.losses import hinge_gan
from epe.losses.feature_matching import VGG_LAYERS, VGG_WEIGHTS, feature_distance
from epe.networks.backbones.vgg import VGG16
from epe.networks.translators.spade import PRESETS, Critics, SpadeSpec, Synthesis
from train.loop.checks import check_preset, check_ranges
from train.loop.config import start
from train.loop.preview import ROWS, write_sheet
from train.loop.sampler import stream
from train.loop.solo import Settings, carry_out, check, descend


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """One run. The defaults are the paper's; it trains with 32 crops per step.

    Attributes:
        photos: folder of photographs
        photo_labels: their label maps, by datasets.label
        height: photographs are shrunk to it; best that of the frames whose label maps the model is for
        preset: spade as in the paper, or spade-mini for CPUs
        critic_width: features of each critic's first convolution
        matching_weight: of the distance between the critics' features, against the critics
        perceptual_weight: of the distance between VGG16's features, against the critics
        vgg: VGG16 weights; null: the fetched ones
        rate: learning rate of the generator
        critic_rate: learning rate of the critics
        beta1: Adam's
        beta2: Adam's
    """

    photos: Path
    photo_labels: Path
    height: int = 1080
    preset: str = "spade"
    critic_width: int = 64
    matching_weight: float = 10.0
    perceptual_weight: float = 10.0
    vgg: Path | None = None
    rate: float = 1e-4
    critic_rate: float = 4e-4
    beta1: float = 0.0
    beta2: float = 0.9


@dataclass
class Players:
    """All that a step moves, and the constants it needs."""

    generator: Synthesis
    critics: Critics
    vgg: VGG16
    generator_optimiser: torch.optim.Optimizer
    critics_optimiser: torch.optim.Optimizer
    config: Config


def build_players(config: Config, classes: int) -> Players:
    """Networks and optimisers, seeded."""
    torch.manual_seed(config.seed)
    generator = Synthesis(SpadeSpec(classes, **PRESETS[config.preset])).to(config.device)
    critics = Critics(classes, config.critic_width).to(config.device)
    return Players(
        generator=generator,
        critics=critics,
        vgg=load_vgg(config.vgg, "zeros").to(config.device),
        generator_optimiser=config.adam(config.rate, generator),
        critics_optimiser=config.adam(config.critic_rate, critics),
        config=config,
    )


def step(p: Players, batch: Labelled, n: int) -> dict[str, Tensor]:
    """One update of the critics, on detached fakes, then one of the generator; `n` counts from 1."""
    c = p.config
    c.slow(p.generator_optimiser, c.rate, n)
    c.slow(p.critics_optimiser, c.critic_rate, n)
    photo, labels = (x.to(c.device, non_blocking=True) for x in batch)
    fake = p.generator(labels)

    on_photo, on_fake = p.critics(photo, labels), p.critics(fake.detach(), labels)
    critics = hinge_gan.tell_apart([x[-1] for x in on_photo], [x[-1] for x in on_fake])
    critics_norm = descend(critics, p.critics_optimiser)

    p.critics.requires_grad_(False)
    with torch.no_grad():
        on_photo, target = p.critics(photo, labels), p.vgg(photo, VGG_LAYERS)
    on_fake, features = p.critics(fake, labels), p.vgg(fake, VGG_LAYERS)
    adversarial = hinge_gan.fool([x[-1] for x in on_fake])
    # The last of a critic's results is its verdict.
    pairs = [(a[:-1], b[:-1]) for a, b in zip(on_fake, on_photo, strict=True)]
    matching = torch.stack([feature_distance(a, b, [1.0] * len(a)) for a, b in pairs]).mean()
    ours, theirs = ([x[layer] for layer in VGG_LAYERS] for x in (features, target))
    perceptual = feature_distance(ours, theirs, VGG_WEIGHTS)
    loss = adversarial + c.matching_weight * matching + c.perceptual_weight * perceptual
    norm = descend(loss, p.generator_optimiser)
    p.critics.requires_grad_(True)
    losses = {
        "critics": critics, "critics gradient": critics_norm, "gan": adversarial, "matching": matching,
        "perceptual": perceptual, "gradient": norm,
    }  # fmt: skip
    return {name: value.detach() for name, value in losses.items()}


def colours(labels: Tensor) -> Tensor:
    """Label ids (H, W) -> a colour for each, (3, H, W) in [0, 1]: hues a golden section of the circle apart."""
    turns = 0.618034 * labels.float() + torch.tensor([0.0, 1 / 3, 2 / 3]).view(3, 1, 1)
    return 0.5 + 0.5 * torch.cos(2 * torch.pi * turns)


@torch.inference_mode()
def write_preview(p: Players, crops: LabelledCrops, path: Path) -> None:
    """Labels | made | photograph of the first samples, by the statistics that the model file will hold."""
    samples = [crops[index] for index in range(min(ROWS, len(crops)))]
    p.generator.eval()
    fakes = [p.generator(sample.labels[None].to(p.config.device))[0].cpu() for sample in samples]
    p.generator.train()
    pairs = zip(samples, fakes, strict=True)
    write_sheet(path, [(colours(sample.labels), fake, sample.photo) for sample, fake in pairs])


def as_model(p: Players, facts: dict[str, object], digest: str, done: int) -> models.Model:
    """The generator of the last step: averages of weights would not fit its batch statistics.

    Args:
        p: has it.
        facts: of the label maps (`labels.json`).
        digest: of VGG16's file.
        done: steps.
    """
    config, network = p.config, p.generator
    record = {
        "command": "train.spade", "steps": done, "batch": config.batch, "crop": config.crop, "seed": config.seed,
        "preset": config.preset, "height": config.height,
        "photos": config.photos.as_posix(), "photo_labels": config.photo_labels.as_posix(),
        "labels": {name: facts.get(name) for name in TAXONOMY},
        "digests": {"vgg": digest},
    }  # fmt: skip
    return models.Model(
        network=network,
        kind=network.kind,
        spec=network.spec.as_dict(),
        multiple_of=network.spec.multiple_of,
        licence=config.licence,
        record=record,
    )


def train(config: Config, text: str) -> None:
    """Run to the end, or go on to it; `text` is the run as YAML."""
    check(config)
    # 32 pixels are one place at the coarsest scale, which has no deviation to be normalised by.
    least = {"crop": 33, "height": 1, "critic_width": 1, "matching_weight": 0, "perceptual_weight": 0}
    check_ranges(config, least=least)
    check_preset(config.preset, PRESETS)
    if config.device == "cpu":
        torch.use_deterministic_algorithms(True)
    crops = LabelledCrops(
        config.photos,
        config.photo_labels,
        height=config.height,
        size=config.crop,
        length=config.samples,
        seed=config.seed,
    )
    facts = read_facts(config.photo_labels)
    p = build_players(config, crops.classes)
    carry_out(
        config,
        text,
        step=partial(step, p),
        batches=partial(stream, crops, config.batch, config.workers),
        parts={
            "generator": p.generator, "critics": p.critics,
            "generator_optimiser": p.generator_optimiser, "critics_optimiser": p.critics_optimiser,
        },
        preview=partial(write_preview, p, crops),
        model=partial(as_model, p, facts, models.digest(config.vgg or asset("vgg16"))),
    )  # fmt: skip


def main() -> int:
    """The command."""
    return start(Config, "python -m train.spade", __doc__ or "", train)


if __name__ == "__main__":
    sys.exit(main())
