"""The recipe of CUT, a frame-to-photograph translator that reads no G-buffers: state, terms, step and run.

Park, Efros, Zhang, Zhu, "Contrastive Learning for Unpaired Image-to-Image Translation", ECCV 2020.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from datasets.crops import Unpaired, UnpairedCrops
from epe import models
from epe.losses.adversarial import least_squares_gan
from epe.losses.patch_nce import patch_nce
from epe.networks.translators.cut import (
    PRESETS,
    TAPS,
    CutSpec,
    PatchCritic,
    Projections,
    Translator,
    draw_patch_indices,
)
from gbuffer_tools.errors import InputError
from train.loop.config import GanConfig, LinearDecayConfig, check_preset, check_ranges
from train.loop.ema import Average
from train.loop.optimiser import backward_and_step, set_rate
from train.loop.preview import ROWS, write_sheet
from train.loop.sampler import single_process_batches
from train.loop.training import check_single_process, run_training


@dataclass(frozen=True, kw_only=True)
class CutConfig(LinearDecayConfig, GanConfig):
    """Configuration of a CUT run. The defaults are the paper's.

    Attributes:
        frames: folder of frame files or images
        photos: folder of photographs; they are shrunk to the height of the frames
        preset: cut as in the paper, or cut-mini for CPUs
        critic_width: features of the critic's first convolution
        patches: positions per layer whose patches are compared
        contrast_weight: weight of the contrastive loss between patches, relative to the adversarial loss
        ema: decay of the averaged weights; 0 keeps those of the last step, as in the paper
    """

    frames: Path
    photos: Path
    preset: str = "cut"
    critic_width: int = 64
    patches: int = 256
    contrast_weight: float = 1.0
    ema: float = 0.0

    def check(self) -> None:
        super().check()
        # Of less than 24 pixels, the critic's last features are a single position, which cannot be normalised.
        minimum = {"crop": 24, "critic_width": 1, "patches": 2, "contrast_weight": 0}
        check_ranges(self, minimum=minimum, fractions=("ema",))
        check_preset(self.preset, PRESETS)
        multiple_of = CutSpec(**PRESETS[self.preset]).multiple_of
        if self.crop % multiple_of:  # else the features of a crop and of its translation differ in size
            raise InputError(f"--crop {self.crop}: wanted a multiple of {multiple_of}.")


@dataclass
class CutTrainState:
    """Everything that a step updates, and the configuration."""

    translator: Translator
    average: Average[Translator]
    projections: Projections
    critic: PatchCritic
    generator_optimiser: torch.optim.Optimizer
    critic_optimiser: torch.optim.Optimizer
    config: CutConfig


def build_state(config: CutConfig) -> CutTrainState:
    """Build the networks, with seeded weights, and their optimisers."""
    torch.manual_seed(config.seed)
    translator = Translator(CutSpec(**PRESETS[config.preset])).to(config.device)
    # Created before the optimiser, which updates them, too.
    projections = Projections(translator.widths(TAPS)).to(config.device)
    critic = PatchCritic(config.critic_width).to(config.device)
    return CutTrainState(
        translator=translator,
        average=Average(translator, config.ema),
        projections=projections,
        critic=critic,
        generator_optimiser=config.adam(config.rate, translator, projections),
        critic_optimiser=config.adam(config.critic_rate, critic),
        config=config,
    )


def step(state: CutTrainState, batch: Unpaired, n: int) -> dict[str, Tensor]:
    """Update the critic on detached fakes, then translator and projections; return the losses of step `n` (from 1)."""
    c = state.config
    set_rate(state.generator_optimiser, c.learning_rate(c.rate, n))
    set_rate(state.critic_optimiser, c.learning_rate(c.critic_rate, n))
    image, photo = (x.to(c.device, non_blocking=True) for x in batch)
    # Photographs are translated, too, and should not change: the paper's identity loss.
    features = state.translator.encode(torch.cat([image, photo]), TAPS)
    made = state.translator.finish(features[-1], TAPS[-1])
    fake = made[: len(image)]

    on_photo, on_fake = {"patch": state.critic(photo)}, {"patch": state.critic(fake.detach())}
    critic = least_squares_gan.discriminator_loss(on_photo, on_fake) / 2
    critic_norm = backward_and_step(critic, state.critic_optimiser)

    state.critic.requires_grad_(False)
    adversarial = least_squares_gan.generator_loss({"patch": state.critic(fake)})
    contrast = patch_contrast(state, features, made)
    norm = backward_and_step(adversarial + c.contrast_weight * contrast, state.generator_optimiser)
    state.critic.requires_grad_(True)
    if torch.isfinite(norm):
        state.average.update(state.translator, n)
    losses = {"critic": critic, "critic gradient": critic_norm, "gan": adversarial, "contrast": contrast}
    return {name: value.detach() for name, value in losses.items()} | {"gradient": norm}


def patch_contrast(state: CutTrainState, features: list[Tensor], made: Tensor) -> Tensor:
    """Return the contrastive loss between patches, a scalar: the mean over layers, and over frames and photographs.

    Args:
        state: state of the run.
        features: features of the inputs, one tensor per tap.
        made: translations of the inputs, (B, 3, H, W).
    """
    indices = draw_patch_indices(features, state.config.patches)
    with torch.no_grad():
        keys = state.projections(features, indices)
    queries = state.projections(state.translator.encode(made, TAPS), indices)
    return torch.stack([patch_nce(query, key) for query, key in zip(queries, keys, strict=True)]).mean()


@torch.inference_mode()
def write_preview(state: CutTrainState, crops: UnpairedCrops, path: Path) -> None:
    """Write frame | translated | a photograph for the first samples."""
    samples = [crops[index] for index in range(min(ROWS, len(crops)))]
    fakes = [state.average.network(sample.image[None].to(state.config.device))[0].cpu() for sample in samples]
    write_sheet(path, [(sample.image, fake, sample.photo) for sample, fake in zip(samples, fakes, strict=True)])


def as_model(state: CutTrainState, done: int) -> models.Model:
    """Return the averaged translator as a model, with its training record after `done` steps."""
    config, network = state.config, state.average.network
    record = {
        "command": "train.cut", "steps": done, "batch": config.batch, "crop": config.crop, "seed": config.seed,
        "preset": config.preset, "contrast_weight": config.contrast_weight,
        "frames": config.frames.as_posix(), "photos": config.photos.as_posix(),
    }  # fmt: skip
    return models.Model(
        network=network,
        kind=network.kind,
        spec=network.spec.as_dict(),
        multiple_of=network.spec.multiple_of,
        licence=config.licence,
        record=record,
    )


def train(config: CutConfig, text: str) -> None:
    """Train, or resume training, to the last step; `text` is the configuration as YAML."""
    check_single_process(config)
    crops = UnpairedCrops(config.frames, config.photos, size=config.crop, length=config.samples, seed=config.seed)
    state = build_state(config)
    run_training(
        config,
        text,
        step=partial(step, state),
        batches=partial(single_process_batches, crops, config.batch, config.workers),
        parts={
            "translator": state.translator, "average": state.average.network, "projections": state.projections,
            "critic": state.critic, "generator_optimiser": state.generator_optimiser,
            "critic_optimiser": state.critic_optimiser,
        },
        preview=partial(write_preview, state, crops),
        model=partial(as_model, state),
    )  # fmt: skip
