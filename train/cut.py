"""python -m train.cut: train a translator of frames into photographs that reads no G-buffers.

Park, Efros, Zhang, Zhu, "Contrastive Learning for Unpaired Image-to-Image Translation", ECCV 2020 (CUT). The same
command again goes on with a run that was stopped, to the same bits. In OUT: model.safetensors, for
`python -m eval.baselines cut`, checkpoint.safetensors, run.yaml, previews/*.png (frame | translated | a photograph) and
TensorBoard's scalars.
"""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from datasets.crops import Unpaired, UnpairedCrops
from epe import models
from epe.losses import least_squares_gan
from epe.losses.patch_nce import patch_nce
from epe.networks.translators.cut import PRESETS, TAPS, CutSpec, PatchCritic, Projections, Translator, draw_places
from gbuffer_tools.errors import InputError
from train.loop.checks import check_preset, check_ranges
from train.loop.config import start
from train.loop.ema import Average
from train.loop.preview import ROWS, write_sheet
from train.loop.sampler import stream
from train.loop.solo import Settings, carry_out, check, descend


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """One run. The defaults are the paper's.

    Attributes:
        frames: folder of frame files or images
        photos: folder of photographs; they are shrunk to the height of the frames
        preset: cut as in the paper, or cut-mini for CPUs
        critic_width: features of the critic's first convolution
        patches: places per layer whose patches are compared
        contrast_weight: of the contrast between patches, against the critic
        ema: decay of the averaged weights; 0: those of the last step, as in the paper
    """

    frames: Path
    photos: Path
    preset: str = "cut"
    critic_width: int = 64
    patches: int = 256
    contrast_weight: float = 1.0
    ema: float = 0.0


@dataclass
class Players:
    """All that a step moves."""

    translator: Translator
    average: Average
    projections: Projections
    critic: PatchCritic
    generator_optimiser: torch.optim.Optimizer
    critic_optimiser: torch.optim.Optimizer
    config: Config


def build_players(config: Config) -> Players:
    """Networks and optimisers, seeded."""
    torch.manual_seed(config.seed)
    translator = Translator(CutSpec(**PRESETS[config.preset])).to(config.device)
    # Before the optimiser, which is to move them.
    projections = Projections(translator.widths(TAPS)).to(config.device)
    critic = PatchCritic(config.critic_width).to(config.device)
    return Players(
        translator=translator,
        average=Average(translator, config.ema),
        projections=projections,
        critic=critic,
        generator_optimiser=config.adam(config.rate, translator, projections),
        critic_optimiser=config.adam(config.critic_rate, critic),
        config=config,
    )


def step(p: Players, batch: Unpaired, n: int) -> dict[str, Tensor]:
    """One update of the critic, on detached fakes, then one of translator and projections; `n` counts from 1."""
    c = p.config
    c.slow(p.generator_optimiser, c.rate, n)
    c.slow(p.critic_optimiser, c.critic_rate, n)
    image, photo = (x.to(c.device, non_blocking=True) for x in batch)
    # Photographs are translated, too: they are to stay as they are.
    features = p.translator.encode(torch.cat([image, photo]), TAPS)
    made = p.translator.finish(features[-1], TAPS[-1])
    fake = made[: len(image)]

    critic = least_squares_gan.tell_apart({"patch": p.critic(photo)}, {"patch": p.critic(fake.detach())}) / 2
    critic_norm = descend(critic, p.critic_optimiser)

    p.critic.requires_grad_(False)
    adversarial = least_squares_gan.fool({"patch": p.critic(fake)})
    contrast = patch_contrast(p, features, made)
    norm = descend(adversarial + c.contrast_weight * contrast, p.generator_optimiser)
    p.critic.requires_grad_(True)
    if torch.isfinite(norm):
        p.average.update(p.translator, n)
    losses = {"critic": critic, "critic gradient": critic_norm, "gan": adversarial, "contrast": contrast}
    return {name: value.detach() for name, value in losses.items()} | {"gradient": norm}


def patch_contrast(p: Players, features: list[Tensor], made: Tensor) -> Tensor:
    """Mean over layers, and over frames and photographs, of the contrast between patches.

    Args:
        p: what moves.
        features: per tap, of the inputs.
        made: what became of them, (B, 3, H, W).
    """
    places = draw_places(features, p.config.patches)
    with torch.no_grad():
        keys = p.projections(features, places)
    queries = p.projections(p.translator.encode(made, TAPS), places)
    return torch.stack([patch_nce(query, key) for query, key in zip(queries, keys, strict=True)]).mean()


@torch.inference_mode()
def write_preview(p: Players, crops: UnpairedCrops, path: Path) -> None:
    """Frame | translated | a photograph of the first samples."""
    samples = [crops[index] for index in range(min(ROWS, len(crops)))]
    fakes = [p.average.network(sample.image[None].to(p.config.device))[0].cpu() for sample in samples]
    write_sheet(path, [(sample.image, fake, sample.photo) for sample, fake in zip(samples, fakes, strict=True)])


def as_model(p: Players, done: int) -> models.Model:
    """The averaged translator."""
    config, network = p.config, p.average.network
    assert isinstance(network, Translator)
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


def train(config: Config, text: str) -> None:
    """Run to the end, or go on to it; `text` is the run as YAML."""
    check(config)
    check_ranges(config, least={"critic_width": 1, "patches": 2, "contrast_weight": 0}, shares=("ema",))
    check_preset(config.preset, PRESETS)
    multiple_of = CutSpec(**PRESETS[config.preset]).multiple_of
    if config.crop % multiple_of:  # else features of a crop and of what becomes of it have other sizes
        raise InputError(f"--crop {config.crop}: wanted a multiple of {multiple_of}.")
    if config.device == "cpu":
        torch.use_deterministic_algorithms(True)
    crops = UnpairedCrops(config.frames, config.photos, size=config.crop, length=config.samples, seed=config.seed)
    p = build_players(config)
    carry_out(
        config,
        text,
        step=partial(step, p),
        batches=partial(stream, crops, config.batch, config.workers),
        parts={
            "translator": p.translator, "average": p.average.network, "projections": p.projections,
            "critic": p.critic, "generator_optimiser": p.generator_optimiser, "critic_optimiser": p.critic_optimiser,
        },
        preview=partial(write_preview, p, crops),
        model=partial(as_model, p),
    )  # fmt: skip


def main() -> int:
    """The command."""
    return start(Config, "python -m train.cut", __doc__ or "", train)


if __name__ == "__main__":
    sys.exit(main())
