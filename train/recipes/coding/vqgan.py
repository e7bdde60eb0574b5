"""The VQGAN recipe: reconstruction, a codebook, and a discriminator that trains before its loss counts.

Esser, Rombach, Ommer, "Taming Transformers for High-Resolution Image Synthesis", CVPR 2021 (section 3.1).

Several processes take the same steps as one with all of their batches. For losses, which are means over samples,
averaging gradients is enough. The rest is averaged, summed or gathered over processes: the gradients whose norms give
the adaptive weight, the critic's normalisation statistics, which latents use which codes, and the latents that restarts
draw from. Every process draws the same random numbers, because the loop seeds each step.
"""

import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from datasets.channels import channel_names
from datasets.coding.autoencoder_crops import AutoencoderCrops, AutoencoderPictures
from datasets.frames import Reading, measure
from datasets.runtime.weights import load_model, load_vgg
from epe import models
from epe.distributed.batch_norm import SharedBatchNorm2d
from epe.distributed.processes import ProcessGroup
from epe.first_stage import Content
from epe.losses.adversarial import hinge_gan
from epe.losses.adversarial.adaptive_weight import adaptive_weight
from epe.losses.codebook import codebook_loss
from epe.losses.perceptual import NAME, perceptual_distance
from epe.networks.autoencoders.codebook_usage import CodebookUsage
from epe.networks.autoencoders.patch_discriminator import PatchDiscriminator, PatchDiscriminatorSpec
from epe.networks.autoencoders.quantiser import Quantised
from epe.networks.autoencoders.vqgan import PRESETS, VQGAN, build_vqgan
from epe.networks.backbones.vgg import VGG16
from gbuffer_tools.errors import InputError
from train.loop.checkpoint import Stateful
from train.loop.config import (
    GanConfig,
    LinearDecayConfig,
    PrecisionConfig,
    autocast,
    check_preset,
    check_ranges,
    frozen_in,
)
from train.loop.optimiser import backward_and_step, set_rate, weighted_sum
from train.loop.preview import ROWS, write_sheet
from train.loop.sampler import StepSampler, process_batches
from train.loop.training import run_training, train_in_group
from train.recipes.coding.vqgan_pictures import (
    check_latents,
    class_names,
    cluster_codes,
    judge_reconstructions,
    open_pictures,
    visible,
)
from train.recipes.features import compared_features
from train.recipes.generator import run_inputs, sha256_by_name

IMAGES_ONLY = ("perceptual_weight", "gan_weight")


@dataclass(frozen=True, kw_only=True)
class VQGANConfig(LinearDecayConfig, GanConfig, PrecisionConfig):
    """Configuration of an autoencoder run.

    Attributes:
        images: folder of images, or of frame files for class maps and buffers
        validation: folder of other pictures of the same kind, judged at each preview; null: nothing is judged
        content: image, classes (class maps) or buffers
        labels: for classes: label maps of `images`, made by datasets.label; null: the class ids of the frame files
        validation_labels: label maps of `validation`
        classes: for classes: YAML file that says which class-id names form one class; null: each name is a class
        features: for buffers: features of frame files (datasets/channels.py)
        height: height in pixels that larger pictures are shrunk to; null: they stay as they are
        preset: network sizes
        codes: number of codes; null: the preset's
        code_width: features of a code; null: the preset's
        unit_codes: codes and latents have length 1
        initial: model file to start from; null: random weights
        perceptual_weight: weight of the perceptual distance, on VGG16 features (0.09 equals the published weight of
            LPIPS, which is 11.3 times smaller); images only
        codebook_weight: weight of the codebook loss
        beta: weight of the commitment term within it
        legacy_beta: put beta on the other term, as the release does
        gan_weight: adversarial gradient at the last layer as a share of the reconstruction gradient; images only
        gan_start: steps before the adversarial loss counts
        critic_warmup: steps before gan_start in which the discriminator trains; 0: it starts untrained, as published
        average_codes: codes follow moving averages of their latents with this decay; 0: they follow gradients
        kmeans: crops whose latents are clustered into the initial codebook; 0: random codes
        restart_below: codes used less than this share of even use are replaced by latents of the batch; 0: never
        vgg: VGG16 weights; null: those that app.assets fetched
    """

    images: Path
    validation: Path | None = None
    content: Content = "image"
    labels: Path | None = None
    validation_labels: Path | None = None
    classes: Path | None = None
    features: tuple[str, ...] = ()
    height: int | None = None
    preset: str = "vqgan-f16-1024"
    codes: int | None = None
    code_width: int | None = None
    unit_codes: bool = False
    initial: Path | None = None
    perceptual_weight: float = 0.09
    codebook_weight: float = 1.0
    beta: float = 0.25
    legacy_beta: bool = False
    gan_weight: float = 0.8
    gan_start: int = 50_000
    critic_warmup: int = 10_000
    average_codes: float = 0.0
    kmeans: int = 64
    restart_below: float = 0.05
    vgg: Path | None = None
    batch: int = 12
    steps: int = 250_000
    rate: float = 5.4e-5
    critic_rate: float = 5.4e-5
    beta1: float = 0.5
    beta2: float = 0.9
    constant: float = 1.0

    def check(self) -> None:
        super().check()
        weights = ("perceptual_weight", "codebook_weight", "beta", "gan_weight")
        counts = ("gan_start", "critic_warmup", "kmeans", "restart_below")
        # Of less than 24 pixels, the critic's last features are a single position, which cannot be normalised; VGG16
        # pools four times. Without either, a code is enough.
        crop = 24 if self.gan_weight else 16 if self.perceptual_weight else 1
        minimum = dict.fromkeys((*weights, *counts), 0) | {"crop": crop}
        check_ranges(self, minimum=minimum, fractions=("average_codes",))
        check_preset(self.preset, tuple(PRESETS))
        if self.gan_weight and self.critic_warmup > self.gan_start:
            raise InputError(f"--critic_warmup {self.critic_warmup}: wanted --gan_start {self.gan_start} or less.")
        for name in IMAGES_ONLY:
            if self.content != "image" and getattr(self, name):
                raise InputError(f"--{name} {getattr(self, name)}: is for images; wanted 0 for {self.content}.")
        for name, content in (("labels", "classes"), ("classes", "classes"), ("features", "buffers")):
            if getattr(self, name) and self.content != content:
                raise InputError(f"--{name}: is for --content {content}, not {self.content}; leave it out.")
        if self.legacy_beta and self.average_codes:
            raise InputError("--legacy_beta: weights the loss of codes, which follow --average_codes; leave one out.")
        if self.content == "buffers" and not self.features:
            raise InputError("--features: none; wanted some for --content buffers.")


@dataclass
class VQGANTrainState:
    """Everything that a step updates, and the constants that it needs; a critic only if there is a GAN loss."""

    network: VQGAN
    usage: CodebookUsage
    optimiser: torch.optim.Optimizer
    config: VQGANConfig
    group: ProcessGroup
    vgg: VGG16 | None = None
    critic: PatchDiscriminator | None = None
    critic_optimiser: torch.optim.Optimizer | None = None


def reconstruction_terms(state: VQGANTrainState, made: Tensor, picture: Tensor) -> dict[str, tuple[float, Tensor]]:
    """Return the scalar terms that compare pictures (B, C, H, W) with their reconstructions, each with its weight."""
    c = state.config
    if c.content == "classes":
        return {"classes": (1.0, F.binary_cross_entropy_with_logits(made, picture))}
    # The published loss compares images in [-1, 1].
    terms = {"pixels": (2.0 if c.content == "image" else 1.0, F.l1_loss(made, picture))}
    if state.vgg is not None:
        distance = perceptual_distance(*compared_features(state.vgg, made, picture, c.number_format))
        terms["perceptual"] = c.perceptual_weight, distance.mean()
    return terms


def step(state: VQGANTrainState, batch: Tensor, n: int) -> dict[str, Tensor]:
    """Update the autoencoder, then its discriminator, if it trains already; return the losses of step `n` (from 1)."""
    c = state.config
    set_rate(state.optimiser, c.learning_rate(c.rate, n))
    picture = batch.to(c.device, non_blocking=True)
    state.network.train()
    with autocast(c.number_format, c.device):
        made, found = state.network(picture)
    made, latents, codes = made.float(), found.latents.float(), found.codes.float()
    terms = reconstruction_terms(state, made, picture)
    reconstruction = weighted_sum(terms)
    if c.average_codes:  # codes follow their averages, so only commitment has a gradient
        codes = codes.detach()
    terms["codebook"] = c.codebook_weight, codebook_loss(latents, codes, c.beta, legacy=c.legacy_beta)
    facts = {}
    if state.critic is not None and n > c.gan_start:
        state.critic.requires_grad_(False)
        adversarial = hinge_gan.generator_loss([state.critic(made)])
        state.critic.requires_grad_(True)
        last, average = state.network.last_weight, state.group.average
        facts["adaptive weight"] = adaptive_weight(reconstruction, adversarial, last, average)
        terms["gan"] = c.gan_weight * float(facts["adaptive weight"]), adversarial
    norm = backward_and_step(weighted_sum(terms), state.optimiser, state.group.average)
    losses = state.group.mean([{name: value for name, (_, value) in terms.items()}]) | {"gradient": norm} | facts
    if torch.isfinite(norm):
        losses |= keep_codes(state, found)
    return losses | discriminator_step(state, made.detach(), picture, n)


def keep_codes(state: VQGANTrainState, found: Quantised) -> dict[str, Tensor]:
    """Record which codes a batch used, and move and restart codes if configured; return the values to log."""
    c, quantiser = state.config, state.network.quantiser
    vectors = found.latents.detach().movedim(1, -1).flatten(0, 2).float()
    state.usage.update(quantiser, vectors, found.ids.flatten(), state.group.sum)
    if c.average_codes:
        state.usage.move_codes(quantiser)
    facts = {"codes used": state.usage.used(), "perplexity": state.usage.perplexity()}
    if c.restart_below:
        facts["codes restarted"] = state.usage.restart(quantiser, state.group.gather(vectors), c.restart_below)
    return facts


def discriminator_step(state: VQGANTrainState, made: Tensor, picture: Tensor, n: int) -> dict[str, Tensor]:
    """Update the discriminator on pictures and their reconstructions, once it trains; return its losses."""
    c = state.config
    if state.critic is None or state.critic_optimiser is None or n <= c.gan_start - c.critic_warmup:
        return {}
    set_rate(state.critic_optimiser, c.learning_rate(c.critic_rate, n))
    loss = hinge_gan.discriminator_loss([state.critic(picture)], [state.critic(made)]) / 2  # halved as published
    norm = backward_and_step(loss, state.critic_optimiser, state.group.average)
    return state.group.mean([{"critic": loss}]) | {"critic gradient": norm}


def build_state(config: VQGANConfig, network: VQGAN, group: ProcessGroup) -> VQGANTrainState:
    """Build the training state around an autoencoder; discriminator and VGG16 only if their losses count."""
    network, spec = network.to(config.device), network.spec
    trained = [p for name, p in network.named_parameters() if not (config.average_codes and "codebook" in name)]
    state = VQGANTrainState(
        network=network,
        usage=CodebookUsage(spec.codes, spec.code_width, config.average_codes or 0.99).to(config.device),
        optimiser=torch.optim.Adam(trained, lr=config.rate, betas=(config.beta1, config.beta2)),
        config=config,
        group=group,
    )
    if config.perceptual_weight:
        vgg = frozen_in(load_vgg(config.vgg, "replicate"), config.number_format)
        state = replace(state, vgg=vgg.to(config.device))
    if config.gan_weight:
        norm = nn.BatchNorm2d if group.size == 1 else partial(SharedBatchNorm2d, total=group.sum)
        critic = PatchDiscriminator(PatchDiscriminatorSpec(spec.channels), norm).to(config.device).train()
        state = replace(state, critic=critic, critic_optimiser=config.adam(config.critic_rate, critic))
    return state


def new_network(config: VQGANConfig, channels: int) -> VQGAN:
    """Build a run's autoencoder, with seeded weights or those of the initial model.

    Raises:
        InputError: the sizes are invalid, or differ from the initial model's.
    """
    chosen = {"codes": config.codes, "code_width": config.code_width}
    sizes: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    sizes |= {"content": config.content, "channels": channels, "unit_codes": config.unit_codes}
    torch.manual_seed(config.seed)
    try:
        network = build_vqgan(config.preset, **sizes)
    except ValueError as error:
        raise InputError(f"--preset {config.preset}: {error}") from error
    if config.crop % network.factor:
        raise InputError(f"--crop {config.crop}: wanted a multiple of {network.factor}, the pixels of a code.")
    if config.initial is not None:
        model = load_model(config.initial, network.kind, "train.vqgan, app.convert")
        if model.network.spec != network.spec:
            raise InputError(f"--initial {config.initial}: has other sizes than --preset {config.preset}.")
        network.load_state_dict(model.network.state_dict())
    return network


def make_first_codes(state: VQGANTrainState, crops: AutoencoderCrops) -> None:
    """Make the initial codebook from the run's first samples, in the first process, which sends it to the others.

    Raises:
        InputError: the samples have fewer latents than there are codes.
    """
    c, count = state.config, min(state.config.kmeans, len(crops))
    check_latents(state.network, count, c.crop)  # in all processes: an error in just one leaves the others waiting
    if state.group.first:
        cluster_codes(state.network, [crops[i] for i in range(count)], c.seed)
    state.group.broadcast(state.network.quantiser.codebook)


def validate(state: VQGANTrainState, pictures: AutoencoderPictures | None, done: int) -> dict[str, float]:
    """Judge reconstructions of the validation pictures after `done` steps; return nothing if there are none."""
    if pictures is None:
        return {}
    values = judge_reconstructions(state.network, pictures, state.vgg, state.config.number_format)
    text = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
    tqdm.write(f"step {done}: {text} on {pictures.folder}", file=sys.stderr)
    return values


@torch.inference_mode()
def write_preview(state: VQGANTrainState, crops: AutoencoderCrops, path: Path) -> None:
    """Write picture | reconstruction for the first samples, the same each time."""
    network, rows = state.network.eval(), []
    for index in range(min(ROWS, len(crops))):
        picture = crops[index]
        made = network(picture[None].to(state.config.device))[0][0].float().cpu()
        rows.append([visible(x, state.config.content) for x in (picture, made)])
    write_sheet(path, rows)


def as_model(state: VQGANTrainState, reading: Reading | None, names: tuple[str, ...], done: int) -> models.Model:
    """Return the autoencoder as a model, with its training record after `done` steps."""
    c, network = state.config, state.network
    record = {
        "command": "train.vqgan", "steps": done, "batch": c.batch * state.group.replicas, "crop": c.crop,
        "seed": c.seed, "preset": c.preset, "perceptual": NAME if c.perceptual_weight else "", "gan": c.gan_weight,
        "gan_start": c.gan_start, "critic_warmup": c.critic_warmup, "beta": c.beta, "legacy_beta": c.legacy_beta,
        "precision": c.number_format, "images": c.images.as_posix(), "height": c.height,
    }  # fmt: skip
    return models.Model(
        network=network,
        kind=network.kind,
        spec=network.spec.as_dict(),
        channels=channel_names(reading.features) if reading else (),
        mean=reading.mean if reading else (),
        std=reading.std if reading else (),
        classes=tuple((name,) for name in names),
        multiple_of=network.spec.multiple_of,
        licence=c.licence,
        record=record,
    )


def train(config: VQGANConfig, text: str) -> None:
    """Train to the last step, alone or as one of torchrun's processes; `text` is the configuration as YAML."""
    train_in_group(config, text, train_with)


def train_with(config: VQGANConfig, text: str, group: ProcessGroup) -> None:
    """Train this process's part of a run; arguments as for `train`, and the process group."""
    reading = None
    if config.content == "buffers":
        reading = measure(config.images, tuple(config.features), ())
    opened = partial(
        open_pictures, content=config.content, classes=config.classes, height=config.height, reading=reading
    )
    pictures = opened(config.images, labels=config.labels)
    names = class_names(pictures)
    validation = opened(config.validation, labels=config.validation_labels) if config.validation else None
    if validation is not None and class_names(validation) != names:
        raise InputError(f"--validation {config.validation}: has other classes than {config.images}.")
    channels = len(names) or (len(channel_names(reading.features)) if reading else 3)
    state = build_state(config, new_network(config, channels), group)
    sampler = StepSampler(config.batch, 1, group.replica, group.replicas)
    length = config.steps * sampler.samples_per_step
    crops = AutoencoderCrops(pictures, size=config.crop, length=length, seed=config.seed)
    if config.kmeans and config.initial is None and not (config.out / "checkpoint.safetensors").exists():
        make_first_codes(state, crops)
    inputs = run_inputs(config.out, reading, sha256_by_name({"initial": config.initial}))
    parts: dict[str, Stateful] = {
        "network": state.network, "usage": state.usage, "optimiser": state.optimiser, "inputs": inputs
    }  # fmt: skip
    if state.critic is not None and state.critic_optimiser is not None:
        parts |= {"critic": state.critic, "critic_optimiser": state.critic_optimiser}
    run_training(
        config,
        text,
        step=partial(step, state),
        batches=partial(process_batches, crops, sampler, config.workers),
        parts=parts,
        preview=partial(write_preview, state, crops),
        model=partial(as_model, state, reading, names),
        group=group,
        samples_per_step=sampler.samples_per_step,
        validation=partial(validate, state, validation),
    )
