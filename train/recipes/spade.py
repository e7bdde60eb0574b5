"""The recipe of SPADE, which synthesises photographs from label maps alone: state, terms, step and run.

Park, Liu, Wang, Zhu, "Semantic Image Synthesis with Spatially-Adaptive Normalization", CVPR 2019, with VGG16 instead
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
from epe.losses.adversarial import hinge_gan
from epe.losses.feature_matching import VGG_LAYERS, VGG_WEIGHTS, feature_distance
from epe.networks.backbones.vgg import VGG16
from epe.networks.translators.spade import PRESETS, Critics, SpadeSpec, Synthesis
from train.loop.config import GanConfig, LinearDecayConfig, check_preset, check_ranges
from train.loop.optimiser import backward_and_step, set_rate
from train.loop.preview import ROWS, colours, write_sheet
from train.loop.sampler import single_process_batches
from train.loop.training import check_single_process, run_training


@dataclass(frozen=True, kw_only=True)
class SpadeConfig(LinearDecayConfig, GanConfig):
    """Configuration of a SPADE run. The defaults are the paper's, apart from the batch: the paper uses 32 crops.

    Attributes:
        photos: folder of photographs
        photo_labels: label maps of the photographs, made by datasets.label
        height: height in pixels that photographs are shrunk to; ideally that of the frames the model will be used on
        preset: spade as in the paper, or spade-mini for CPUs
        critic_width: features of each critic's first convolution
        matching_weight: weight of the feature matching loss on the critics' features, relative to the adversarial loss
        perceptual_weight: weight of the perceptual loss on VGG16 features, relative to the adversarial loss
        vgg: VGG16 weights; null: those that app.assets fetched
        rate: learning rate of the generator
        critic_rate: learning rate of the critics
        beta1: beta1 of Adam
        beta2: beta2 of Adam
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
        # At the coarsest scale 32 pixels are a single position, which has no deviation to normalise by.
        minimum = {"crop": 33, "height": 1, "critic_width": 1, "matching_weight": 0, "perceptual_weight": 0}
        check_ranges(self, minimum=minimum)
        check_preset(self.preset, PRESETS)


@dataclass
class SpadeTrainState:
    """Everything that a step updates, and the constants that it needs."""

    generator: Synthesis
    critics: Critics
    vgg: VGG16
    generator_optimiser: torch.optim.Optimizer
    critics_optimiser: torch.optim.Optimizer
    config: SpadeConfig


def build_state(config: SpadeConfig, classes: int) -> SpadeTrainState:
    """Build the networks, with seeded weights, and their optimisers; `classes` is the number of labels."""
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
    """Update the critics on detached fakes, then the generator; return the losses of step `n` (from 1)."""
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
    # The last result of a critic is its scores; the others are features.
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


@torch.inference_mode()
def write_preview(state: SpadeTrainState, crops: LabelledCrops, path: Path) -> None:
    """Write labels | synthesised | photograph for the first samples, in evaluation mode (the model's statistics)."""
    samples = [crops[index] for index in range(min(ROWS, len(crops)))]
    state.generator.eval()
    fakes = [state.generator(sample.labels[None].to(state.config.device))[0].cpu() for sample in samples]
    state.generator.train()
    pairs = zip(samples, fakes, strict=True)
    write_sheet(path, [(colours(sample.labels), fake, sample.photo) for sample, fake in pairs])


def as_model(state: SpadeTrainState, facts: dict[str, object], digest: str, done: int) -> models.Model:
    """Return the generator of the last step as a model; averaged weights would not match its batch statistics.

    Args:
        state: state of the run.
        facts: facts about the label maps (`labels.json`).
        digest: SHA-256 of the VGG16 file.
        done: number of completed steps.
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
    """Train, or resume training, to the last step; `text` is the configuration as YAML."""
    check_single_process(config)
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
