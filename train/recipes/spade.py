"""SPADE: photographs out of their label maps alone: state, terms, step, and its run.

Park, Liu, Wang, Zhu, "Semantic Image Synthesis with Spatially-Adaptive Normalization", CVPR 2019. VGG16 is in the place
of the paper's VGG19.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from datasets.crops import Labelled, LabelledCrops
from datasets.labels import TAXONOMY, read_facts
from datasets.runtime.weights import asset, load_vgg
from epe import models
from epe.losses import hinge_gan
from epe.losses.feature_matching import VGG_LAYERS, VGG_WEIGHTS, feature_distance
from epe.networks.backbones.vgg import VGG16
from epe.networks.translators.spade import PRESETS, Critics, SpadeSpec, Synthesis
from train.loop.config import GanConfig, LinearDecayConfig, check_preset, check_ranges
from train.loop.optimiser import backward_and_step, set_rate
from train.loop.preview import ROWS, write_sheet
from train.loop.sampler import single_process_batches
from train.loop.training import check_single_process, run_training


@dataclass(frozen=True, kw_only=True)
class SpadeConfig(LinearDecayConfig, GanConfig):
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

    def check(self) -> None:
        super().check()
        # 32 pixels are one place at the coarsest scale, which has no deviation to be normalised by.
        minimum = {"crop": 33, "height": 1, "critic_width": 1, "matching_weight": 0, "perceptual_weight": 0}
        check_ranges(self, minimum=minimum)
        check_preset(self.preset, PRESETS)


@dataclass
class SpadeTrainState:
    """All that a step moves, and the constants it needs."""

    generator: Synthesis
    critics: Critics
    vgg: VGG16
    generator_optimiser: torch.optim.Optimizer
    critics_optimiser: torch.optim.Optimizer
    config: SpadeConfig


def build_state(config: SpadeConfig, classes: int) -> SpadeTrainState:
    """Networks and optimisers, seeded."""
    torch.manual_seed(config.seed)
    generator = Synthesis(SpadeSpec(classes, **PRESETS[config.preset])).to(config.device)
    critics = Critics(classes, config.critic_width).to(config.device)
    return SpadeTrainState(
        generator=generator,
        critics=critics,
        vgg=load_vgg(config.vgg, "zeros").to(config.device),
        generator_optimiser=config.adam(config.rate, generator),
        critics_optimiser=config.adam(config.critic_rate, critics),
        config=config,
    )


def step(state: SpadeTrainState, batch: Labelled, n: int) -> dict[str, Tensor]:
    """One update of the critics, on detached fakes, then one of the generator; `n` counts from 1."""
    c = state.config
    set_rate(state.generator_optimiser, c.learning_rate(c.rate, n))
    set_rate(state.critics_optimiser, c.learning_rate(c.critic_rate, n))
    photo, labels = (x.to(c.device, non_blocking=True) for x in batch)
    fake = state.generator(labels)

    on_photo, on_fake = state.critics(photo, labels), state.critics(fake.detach(), labels)
    critics = hinge_gan.discriminator_loss([x[-1] for x in on_photo], [x[-1] for x in on_fake])
    critics_norm = backward_and_step(critics, state.critics_optimiser)

    state.critics.requires_grad_(False)
    with torch.no_grad():
        on_photo, target = state.critics(photo, labels), state.vgg(photo, VGG_LAYERS)
    on_fake, features = state.critics(fake, labels), state.vgg(fake, VGG_LAYERS)
    adversarial = hinge_gan.generator_loss([x[-1] for x in on_fake])
    # The last of a critic's results is its verdict.
    pairs = [(a[:-1], b[:-1]) for a, b in zip(on_fake, on_photo, strict=True)]
    matching = torch.stack([feature_distance(a, b, [1.0] * len(a)) for a, b in pairs]).mean()
    ours, theirs = ([x[layer] for layer in VGG_LAYERS] for x in (features, target))
    perceptual = feature_distance(ours, theirs, VGG_WEIGHTS)
    loss = adversarial + c.matching_weight * matching + c.perceptual_weight * perceptual
    norm = backward_and_step(loss, state.generator_optimiser)
    state.critics.requires_grad_(True)
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
def write_preview(state: SpadeTrainState, crops: LabelledCrops, path: Path) -> None:
    """Labels | made | photograph of the first samples, by the statistics that the model file will hold."""
    samples = [crops[index] for index in range(min(ROWS, len(crops)))]
    state.generator.eval()
    fakes = [state.generator(sample.labels[None].to(state.config.device))[0].cpu() for sample in samples]
    state.generator.train()
    pairs = zip(samples, fakes, strict=True)
    write_sheet(path, [(colours(sample.labels), fake, sample.photo) for sample, fake in pairs])


def as_model(state: SpadeTrainState, facts: dict[str, object], digest: str, done: int) -> models.Model:
    """The generator of the last step: averages of weights would not fit its batch statistics.

    Args:
        state: has it.
        facts: of the label maps (`labels.json`).
        digest: of VGG16's file.
        done: steps.
    """
    config, network = state.config, state.generator
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


def train(config: SpadeConfig, text: str) -> None:
    """Run to the end, or go on to it; `text` is the run as YAML."""
    check_single_process(config)
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
    state = build_state(config, crops.classes)
    run_training(
        config,
        text,
        step=partial(step, state),
        batches=partial(single_process_batches, crops, config.batch, config.workers),
        parts={
            "generator": state.generator, "critics": state.critics,
            "generator_optimiser": state.generator_optimiser, "critics_optimiser": state.critics_optimiser,
        },
        preview=partial(write_preview, state, crops),
        model=partial(as_model, state, facts, models.digest(config.vgg or asset("vgg16"))),
    )  # fmt: skip
