"""The upscaler recipe: L1 at edges first, then, optionally, against a discriminator. State, terms, step and run.

Wang et al., "Real-ESRGAN", ICCVW 2021 (terms, weights, averaging; the discriminator judges unsharpened pictures);
Craap's transformerSR, 2023 (`pixels: edge_weighted`).
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from datasets.channels import channel_names
from datasets.crops import as_pixels
from datasets.degradations.degradations import DEGRADATIONS
from datasets.degradations.resizing import resized
from datasets.frames import Frames, Reading, measure
from datasets.images import Images
from datasets.pairs.upscaler_crops import LargePictures, UpscalerCrop, UpscalerCrops
from datasets.runtime.weights import load_model, load_vgg
from epe import models
from epe.inference.tiling import run_tiled
from epe.losses import perceptual
from epe.losses.adversarial import logistic_gan
from epe.losses.adversarial.logistic_gan import Rule
from epe.losses.edge_l1 import edge_l1, edge_weighted_l1
from epe.networks.backbones.vgg import VGG16
from epe.networks.generators import build_upscaler, find_upscaler, upscaler_names
from epe.networks.upscalers.unet_sn import UNetSN, UNetSNSpec
from epe.upscaler import Upscaler
from eval.measuring.enlargements import Niqe, measured, worded
from eval.metrics.niqe import fetched_niqe
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
from train.loop.ema import Average
from train.loop.fine_tuning import select_trainable, trainable_parameters
from train.loop.optimiser import backward_and_step, set_rate, weighted_sum
from train.loop.power_iteration import rest_norms
from train.loop.preview import ROWS, write_sheet
from train.loop.sampler import single_process_batches
from train.loop.training import check_single_process, run_training
from train.recipes.features import Features, compared_features
from train.recipes.generator import run_inputs, sha256_by_name


@dataclass(frozen=True, kw_only=True)
class UpscalerConfig(LinearDecayConfig, GanConfig, PrecisionConfig):
    """Configuration of an upscaler run.

    Attributes:
        images: folder of pictures or frame files at the large size
        small: folder of the same frames, rendered small, matched by name; null: `images` are degraded
        held_out: shell patterns of pictures, or of whole sub-folders, that are not trained on; PSNR and NIQE of what
            the averaged network makes of them are logged at each preview
        degradation: resampled, second_order (as in Real-ESRGAN) or render (what small rendered frames lack)
        guides: features of the large frame files that guide the network (datasets/channels.py)
        preset: the upscaler (python -m app.models)
        initial: model file to start from, of the same preset; guides may be new; null: random weights
        trainable: shell patterns of the weights to train ("conv_last.*"); "!PATTERN" excludes
        critic: model file of a discriminator to start from; null: random weights
        sharpen: sharpen pictures before they are degraded, and as targets of pixels and features, as Real-ESRGAN does
        pixels: l1, edge_weighted (differences, weighted by the original's edges), or edges (differences of edges)
        pixel_weight: weight of the pixel loss
        perceptual_weight: weight of the perceptual distance, on VGG16 features
        perceptual: unit (features after the ReLU, of length 1), or before_relu, as in Real-ESRGAN (much larger values)
        gan_weight: weight of the adversarial loss; 0: no discriminator
        gan_rule: vanilla, or relativistic
        vgg: VGG16 weights; null: those that app.assets fetched
        ema: decay of the averaged weights
    """

    images: Path
    small: Path | None = None
    held_out: tuple[str, ...] = ()
    degradation: Literal["resampled", "second_order", "render"] = "render"
    guides: tuple[str, ...] = ()
    preset: str = "dual-attention-x4"
    initial: Path | None = None
    trainable: tuple[str, ...] = ("*",)
    critic: Path | None = None
    sharpen: bool = False
    pixels: Literal["l1", "edge_weighted", "edges"] = "edge_weighted"
    pixel_weight: float = 1.0
    perceptual_weight: float = 0.0
    perceptual: Literal["unit", "before_relu"] = "unit"
    gan_weight: float = 0.0
    gan_rule: Rule = "vanilla"
    vgg: Path | None = None
    batch: int = 8
    steps: int = 100_000
    rate: float = 2e-4
    critic_rate: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.99
    constant: float = 1.0
    ema: float = 0.999

    def check(self) -> None:
        super().check()
        weights = ("pixel_weight", "perceptual_weight", "gan_weight")
        # VGG pools four times.
        check_ranges(self, minimum=dict.fromkeys(weights, 0) | {"crop": 16}, fractions=("ema",))
        check_preset(self.preset, upscaler_names())
        if self.crop % self.scale:
            raise InputError(f"--crop {self.crop}: wanted a multiple of the scale, {self.scale}.")
        if self.critic and not self.gan_weight:
            raise InputError(f"--critic {self.critic}: is not used without a --gan_weight.")

    @property
    def scale(self) -> int:
        """How many times larger the results are."""
        return int(find_upscaler(self.preset).presets[self.preset]["scale"])


@dataclass
class UpscalerTrainState:
    """Everything that a step updates, and the constants that it needs; a critic only if there is a GAN loss."""

    network: Upscaler
    average: Average[Upscaler]
    optimiser: torch.optim.Optimizer
    config: UpscalerConfig
    vgg: VGG16 | None = None
    critic: UNetSN | None = None
    critic_optimiser: torch.optim.Optimizer | None = None


PIXELS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": F.l1_loss,
    "edge_weighted": edge_weighted_l1,
    "edges": edge_l1,
}
"""The pixel losses by name."""

PERCEPTUAL: dict[str, tuple[str, Callable[[Features, Features], Tensor], Iterable[str]]] = {
    "unit": (perceptual.NAME, perceptual.perceptual_distance, perceptual.LAYERS),
    "before_relu": (perceptual.NAME_BEFORE_RELU, perceptual.distance_before_relu, perceptual.BEFORE_RELU),
}
"""The perceptual distances by name: their names in records, the functions, and their VGG16 layers."""


def step(state: UpscalerTrainState, batch: UpscalerCrop, n: int) -> dict[str, Tensor]:
    """Update the upscaler, then its discriminator, if there is one; return the losses of step `n` (from 1)."""
    c = state.config
    set_rate(state.optimiser, c.learning_rate(c.rate, n))
    batch = UpscalerCrop(*(x.to(c.device, non_blocking=True) for x in batch))
    with autocast(c.number_format, c.device):
        made = enlarge(state.network, batch).float()
    terms = {"pixels": (c.pixel_weight, PIXELS[c.pixels](made, batch.sharp))}
    if state.vgg is not None:
        _, distance, layers = PERCEPTUAL[c.perceptual]
        features = compared_features(state.vgg, made, batch.sharp, c.number_format, layers)
        terms["perceptual"] = c.perceptual_weight, distance(*features).mean()
    if state.critic is not None:
        state.critic.requires_grad_(False)
        with torch.no_grad():
            on_photo = state.critic(batch.large)
        terms["gan"] = c.gan_weight, logistic_gan.generator_loss(on_photo, state.critic(made), c.gan_rule)
        state.critic.requires_grad_(True)
    loss = weighted_sum(terms)
    norm = backward_and_step(loss, state.optimiser)
    if torch.isfinite(norm):
        state.average.update(state.network, n)
    losses = {name: value.detach() for name, (_, value) in terms.items()} | {"gradient": norm}
    return losses | discriminator_step(state, made.detach(), batch.large, n)


def discriminator_step(state: UpscalerTrainState, made: Tensor, large: Tensor, n: int) -> dict[str, Tensor]:
    """Update the discriminator, if there is one, on generated and on original pictures."""
    if state.critic is None or state.critic_optimiser is None:
        return {}
    c = state.config
    set_rate(state.critic_optimiser, c.learning_rate(c.critic_rate, n))
    loss = logistic_gan.discriminator_loss(state.critic(large), state.critic(made), c.gan_rule)
    norm = backward_and_step(loss, state.critic_optimiser)
    return {"critic": loss.detach(), "critic gradient": norm}


def enlarge(network: Upscaler, batch: UpscalerCrop) -> Tensor:
    """Return the small pictures of a batch, enlarged, (B, 3, S, S)."""
    made: Tensor = network(batch.small, batch.guides if network.spec.guides else None)
    return made


def build_state(config: UpscalerConfig, network: Upscaler) -> UpscalerTrainState:
    """Build the training state around an upscaler; discriminator and VGG16 only if their losses count."""
    network = network.to(config.device)
    state = UpscalerTrainState(
        network=network,
        average=Average(network, config.ema),
        optimiser=torch.optim.Adam(trainable_parameters(network), lr=config.rate, betas=(config.beta1, config.beta2)),
        config=config,
    )
    if config.perceptual_weight:
        vgg = frozen_in(load_vgg(config.vgg, "replicate"), config.number_format)
        state = replace(state, vgg=vgg.to(config.device))
    if config.gan_weight:
        critic = UNetSN(UNetSNSpec())
        if config.critic:
            critic.load_state_dict(load_model(config.critic, critic.kind, "app.convert").network.state_dict())
        critic = critic.to(config.device).train()
        state = replace(state, critic=critic, critic_optimiser=config.adam(config.critic_rate, critic))
    return state


def new_upscaler(config: UpscalerConfig, reading: Reading | None) -> tuple[Upscaler, Reading | None]:
    """Build a run's upscaler; return it and how its guides are read: with the initial model's statistics, if any.

    Raises:
        InputError: the initial model is another network, or no weight is left to train.
    """
    guides = 0 if reading is None else len(channel_names(reading.features))
    try:
        network = build_upscaler(config.preset, guides=guides)
    except ValueError as error:
        raise InputError(f"--preset {config.preset}, {guides} guide channels: {error}") from error
    if config.initial is not None:
        model = load_model(config.initial, network.kind, "train.upscaler, app.convert")
        known = model.network.state_dict()
        lacks, adds = (set(a) - set(b) for a, b in ((network.state_dict(), known), (known, network.state_dict())))
        if adds or (lacks and (model.channels or not all(name.startswith("guide") for name in lacks))):
            raise InputError(f"--initial {config.initial}: is no {config.preset} that guides could be added to.")
        if model.channels and reading is not None:
            if model.channels != channel_names(reading.features):
                raise InputError(f"--initial {config.initial}: has the guides {model.channels!r:.300}; give the same.")
            reading = replace(reading, mean=model.mean, std=model.std)
        try:
            network.load_state_dict(known, strict=False)
        except RuntimeError as error:
            raise InputError(f"--initial {config.initial}: has other sizes than {config.preset}.") from error
    select_trainable(network, config.trainable)
    rest_norms(network)
    return network, reading


def bicubic(pair: UpscalerCrop) -> Tensor:
    """Return the small picture of a pair, enlarged bicubically, (3, S, S), not clipped."""
    height, width = pair.large.shape[-2:]
    made = resized(np.ascontiguousarray(pair.small.movedim(0, -1).numpy()), (height, width), "bicubic")
    return torch.from_numpy(made).movedim(-1, 0)


@torch.inference_mode()
def write_preview(state: UpscalerTrainState, crops: UpscalerCrops, path: Path) -> None:
    """Write bicubic | enlarged | large for the first samples."""
    rows = []
    for index in range(min(ROWS, len(crops))):
        crop = crops[index]
        made = enlarge(state.average.network, UpscalerCrop(*(x[None].to(state.config.device) for x in crop)))
        rows.append((bicubic(crop), made[0].cpu(), crop.large))
    write_sheet(path, rows)


@torch.inference_mode()
def enlarge_whole(state: UpscalerTrainState, pair: UpscalerCrop) -> np.ndarray:
    """Return a whole picture enlarged by the averaged network, in tiles if it is large, (s H, s W, 3) uint8."""
    network, scale = state.average.network, state.config.scale

    def run(small: Tensor, folded: Tensor | None = None) -> Tensor:
        return network.forward_folded(small, folded).cpu()

    inputs = [pair.small[None]]
    if network.spec.guides:
        inputs.append(F.pixel_unshuffle(pair.guides, scale)[None])  # so that both are tiled alike
    made = run_tiled(run, inputs, tile=network.tile, overlap=network.overlap, scale=scale, margin=network.margin)
    return as_pixels(made[0].clamp(0, 1))


def validate(
    state: UpscalerTrainState, held_out: UpscalerCrops | None, niqe: Niqe | None, done: int
) -> dict[str, float]:
    """Measure the averaged network on whole pictures that it is not trained on; return nothing if there are none."""
    if held_out is None:
        return {}
    pairs = (held_out.whole(number) for number in range(len(held_out.pictures)))
    found = measured(((enlarge_whole(state, pair), as_pixels(pair.large)) for pair in pairs), niqe)
    tqdm.write(f"step {done}: held out ({len(held_out.pictures)}): {worded(found)}", file=sys.stderr)
    return found


def say_references(held_out: UpscalerCrops | None, niqe: Niqe | None) -> None:
    """Print what to compare validation with: the bicubic enlargement, and the NIQE of the pictures themselves."""
    if held_out is None:
        return
    pairs = [held_out.whole(number) for number in range(len(held_out.pictures))]
    plain = measured(((as_pixels(bicubic(pair).clamp(0, 1)), as_pixels(pair.large)) for pair in pairs), niqe)
    line = f"held out ({len(pairs)}): bicubic {worded(plain)}"
    if niqe is None:
        line += "; NIQE is not logged: python -m app.assets fetch niqe"
    elif "NIQE" in plain:
        originals = [as_pixels(pair.large) for pair in pairs]
        themselves = measured(zip(originals, originals, strict=True), niqe)
        line += f"; the pictures themselves NIQE {themselves['NIQE']:.3f}"
    tqdm.write(line, file=sys.stderr)


def as_model(state: UpscalerTrainState, reading: Reading | None, done: int) -> models.Model:
    """Return the averaged upscaler as a model, with its training record after `done` steps."""
    c, network = state.config, state.average.network
    record = {
        "command": "train.upscaler", "steps": done, "batch": c.batch, "crop": c.crop, "seed": c.seed,
        "preset": c.preset, "degradation": "rendered small" if c.small else c.degradation, "sharpen": c.sharpen,
        "pixels": c.pixels, "gan": c.gan_weight,
        "perceptual": PERCEPTUAL[c.perceptual][0] if c.perceptual_weight else "",
        "precision": c.number_format, "images": c.images.as_posix(), "small": c.small.as_posix() if c.small else "",
        "held_out": list(c.held_out),
    }  # fmt: skip
    return models.Model(
        network=network,
        kind=network.kind,
        spec=network.spec.as_dict(),
        channels=channel_names(reading.features) if reading else (),
        mean=reading.mean if reading else (),
        std=reading.std if reading else (),
        multiple_of=network.spec.multiple_of,
        licence=c.licence,
        record=record,
    )


def critic_as_model(state: UpscalerTrainState, done: int) -> dict[str, models.Model]:
    """Return the discriminator as a model, "critic", for a second stage to start from; nothing if there is none."""
    critic = state.critic
    if critic is None:
        return {}
    record = {"command": "train.upscaler", "steps": done, "what": "the discriminator"}
    licence = state.config.licence
    return {"critic": models.Model(critic, critic.kind, critic.spec.as_dict(), licence=licence, record=record)}


def train(config: UpscalerConfig, text: str) -> None:
    """Train, or resume training, to the last step; `text` is the configuration as YAML."""
    check_single_process(config)
    reading = measure(config.images, tuple(config.guides), (("*",),)) if config.guides else None
    torch.manual_seed(config.seed)
    network, reading = new_upscaler(config, reading)
    frames = Frames(config.images, reading) if reading else None
    cropped = partial(
        UpscalerCrops,
        small=Images(config.small) if config.small else None,
        degradation=DEGRADATIONS[config.degradation],
        scale=config.scale,
        size=config.crop,
        sharpen=config.sharpen,
        seed=config.seed,
    )
    pictures = LargePictures(config.images, config.scale, frames)
    held_out: UpscalerCrops | None = None
    niqe: Niqe | None = None
    if config.held_out:
        pictures, apart = pictures.split(config.held_out)
        held_out, niqe = cropped(apart, length=len(apart)), fetched_niqe()
    crops = cropped(pictures, length=config.samples)
    state = build_state(config, network)
    sha256 = sha256_by_name({"initial": config.initial, "critic": config.critic})
    parts: dict[str, Stateful] = {
        "network": state.network, "average": state.average.network, "optimiser": state.optimiser,
        "inputs": run_inputs(config.out, reading, sha256),
    }  # fmt: skip
    if state.critic is not None and state.critic_optimiser is not None:
        parts |= {"critic": state.critic, "critic_optimiser": state.critic_optimiser}
    run_training(
        config,
        text,
        step=partial(step, state),
        batches=partial(single_process_batches, crops, config.batch, config.workers),
        parts=parts,
        preview=partial(write_preview, state, crops),
        model=partial(as_model, state, reading),
        validation=partial(validate, state, held_out, niqe),
        beside=partial(critic_as_model, state),
        begun=partial(say_references, held_out, niqe),
    )
