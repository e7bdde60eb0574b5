"""python -m train.epe: train the enhancer towards a set of photographs.

Richter, AlHaija, Koltun, "Enhancing Photorealism Enhancement", 2021. The same command again goes on with a run that
was stopped, to the same bits. In OUT: model.safetensors (the averaged generator), checkpoint.safetensors, run.yaml,
previews/*.png (input | enhanced | matched photograph) and TensorBoard's scalars.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from torch.utils.tensorboard import SummaryWriter

from datasets.cache import asset
from datasets.channels import channel_names
from datasets.frames import Frames, Reading, measure
from datasets.pairs import Pair, Pairs
from datasets.photos import Photos
from datasets.weights import load_vgg
from epe import models
from epe.losses import gan
from epe.losses.penalty import gradient_penalty
from epe.losses.perceptual import LAYERS, NAME, perceptual_distance
from epe.networks.enhancer import every_channel
from epe.networks.generators import NAMES, Generator, generator
from epe.networks.perceptual_discriminator import RELEASED_TAPS, DiscriminatorSpec, PerceptualDiscriminator
from epe.networks.vgg import VGG16
from gbuffer_tools.atomic import write_text
from gbuffer_tools.command import guarded
from gbuffer_tools.errors import InputError
from train.adaptive import AdaptiveUpdates
from train.checkpoint import Checkpoint, Stateful
from train.config import parse
from train.ema import Average
from train.engine import Schedule, run
from train.preview import write_preview


@dataclass(frozen=True, kw_only=True)
class Config:
    """One run. The defaults are the released configuration `hr`, without its defects.

    Attributes:
        frames: folder of frame files
        photos: folder of photographs
        matches: matches.npz of datasets.match
        frame_labels: label maps of the frames, by datasets.label
        photo_labels: label maps of the photographs
        out: folder of the run
        licence: of the trained weights, for the model file
        features: what the network reads of a frame (datasets/channels.py)
        streams: per class stream the names of its classes; "*" takes the rest
        sky_features: what the stream of the sky reads; null: all, as the others
        preset: sizes of the generator (python -m app.models)
        taps: VGG16 layers with a critic each
        critic_layers: convolutions per critic
        critic_width: widest convolution of a critic
        vgg: VGG16 weights; null: the fetched ones
        crop: side of the training crops, at most 196 pixels
        batch: crops per step
        steps: updates of the generator in all
        rate: learning rate of the generator
        critic_rate: learning rate of the critics
        beta1: Adam's
        beta2: Adam's
        weight_decay: L2, added to the gradient
        decay_every: steps after which the rates are multiplied by decay_factor
        decay_factor: see decay_every
        clip: largest gradient norm of the generator
        perceptual_weight: of the distance to the input, against the summed critics
        penalty_weight: of the gradient penalty on photographs
        penalty_every: steps between penalties; each then weighs as much more (lazy regularisation)
        penalty_input: penalise the gradient at the image (as the paper) or at the features (cheaper)
        adaptive_target: accuracy above which a critic learns more rarely
        ema: decay of the averaged weights
        precision: bf16 runs convolutions in bfloat16; losses and weights stay fp32
        device: cpu, cuda, …
        workers: processes that read crops
        seed: of everything
        log_every: steps between scalars
        preview_every: steps between previews
        save_every: steps between checkpoints
    """

    frames: Path
    photos: Path
    matches: Path
    frame_labels: Path
    photo_labels: Path
    out: Path
    licence: str = "as the data it was trained on"
    features: tuple[str, ...] = (
        "normal", "reflection", "facing", "log_depth", "albedo", "roughness", "metallic", "emission",
        "irradiance", "irradiance_specular", "occlusion", "sky",
    )  # fmt: skip
    streams: tuple[tuple[str, ...], ...] = (("*",),)
    sky_features: tuple[str, ...] | None = None
    preset: str = "hr"
    taps: tuple[str, ...] = RELEASED_TAPS
    critic_layers: int = 4
    critic_width: int = 256
    vgg: Path | None = None
    crop: int = 196
    batch: int = 1
    steps: int = 500_000
    rate: float = 1e-4
    critic_rate: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 1e-4
    decay_every: int = 100_000
    decay_factor: float = 0.5
    clip: float = 1000.0
    perceptual_weight: float = 5.0
    penalty_weight: float = 0.03
    penalty_every: int = 1
    penalty_input: Literal["image", "features"] = "image"
    adaptive_target: float = 0.6
    ema: float = 0.999
    precision: Literal["fp32", "bf16"] = "fp32"
    device: str = "cpu"
    workers: int = 1
    seed: int = 0
    log_every: int = 10
    preview_every: int = 250
    save_every: int = 250


# The least that makes sense of what is counted.
LEAST = {
    "batch": 1, "steps": 1, "decay_every": 1, "penalty_every": 1, "log_every": 1, "preview_every": 1, "save_every": 1,
    "workers": 0, "seed": 0,
}  # fmt: skip


def check(config: Config) -> None:
    """Refuse what no run can have, before anything is read.

    Raises:
        InputError: names the setting.
    """
    for name, least in LEAST.items():
        if getattr(config, name) < least:
            raise InputError(f"--{name} {getattr(config, name)}: wanted {least} or more.")
    for name in ("rate", "critic_rate", "clip"):
        if not getattr(config, name) > 0:
            raise InputError(f"--{name} {getattr(config, name)}: wanted more than 0.")
    for name in ("beta1", "beta2", "ema"):
        if not 0 <= getattr(config, name) < 1:
            raise InputError(f"--{name} {getattr(config, name)}: wanted 0 or more and less than 1.")
    unread = [name for name in config.sky_features or () if name not in config.features]
    if unread:
        raise InputError(f"--sky_features: {unread[0]!r} is none of the features {', '.join(config.features)}.")
    if config.preset not in NAMES:
        raise InputError(f"--preset {config.preset}: wanted one of {', '.join(NAMES)}.")
    try:
        torch.empty(0, device=config.device)
    except (RuntimeError, AssertionError) as error:  # the latter from a torch that was built without CUDA
        raise InputError(f"--device {config.device}: cannot be used ({str(error).splitlines()[0]}).") from error


@dataclass
class Players:
    """All that a step moves, and the constants it needs."""

    generator: Generator
    average: Average
    critics: PerceptualDiscriminator
    vgg: VGG16
    adaptive: AdaptiveUpdates
    generator_optimiser: torch.optim.Optimizer
    critics_optimiser: torch.optim.Optimizer
    config: Config

    def features(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """VGG16's, in the run's precision."""
        with self.autocast():
            return self.vgg(image, tuple(layers))

    def scores(self, features: dict[str, Tensor], labels: Tensor) -> dict[str, Tensor]:
        """The critics' verdicts, in fp32."""
        with self.autocast():
            scores = self.critics(features, labels)
        return {tap: score.float() for tap, score in scores.items()}

    def autocast(self) -> torch.autocast | nullcontext[None]:
        """bfloat16 where the run wants it."""
        if self.config.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.config.device.partition(":")[0], torch.bfloat16)


def step(p: Players, batch: Pair, n: int) -> dict[str, Tensor]:
    """One update of the critics that are drawn, on a detached fake, then one of the generator."""
    c = p.config
    batch = Pair(*(x.to(c.device, non_blocking=True) for x in batch))
    for optimiser, rate in ((p.generator_optimiser, c.rate), (p.critics_optimiser, c.critic_rate)):
        optimiser.param_groups[0]["lr"] = rate * c.decay_factor ** ((n - 1) // c.decay_every)
    with p.autocast():
        fake = p.generator(batch.image, batch.gbuffers, batch.classes).float()
    seen = p.features(fake, (*c.taps, *LAYERS))

    losses = critics_step(p, batch, {tap: seen[tap].detach() for tap in c.taps}, n)

    # The generator: realistic to every critic, yet the same scene.
    p.critics.requires_grad_(False)
    adversarial = gan.fool(p.scores({tap: seen[tap] for tap in c.taps}, batch.frame_labels))
    with torch.no_grad():
        target = p.features(batch.image, LAYERS)
    likeness = perceptual_distance(as_float(seen), as_float(target)).mean()
    p.generator_optimiser.zero_grad(set_to_none=True)
    (adversarial + c.perceptual_weight * likeness).backward()
    p.critics.requires_grad_(True)
    norm = nn.utils.clip_grad_norm_(p.generator.parameters(), c.clip)
    if torch.isfinite(norm):
        p.generator_optimiser.step()
        p.average.update(p.generator, n)
    return losses | {"gan": adversarial.detach(), "likeness": likeness.detach(), "gradient": norm}


def critics_step(p: Players, batch: Pair, fake: dict[str, Tensor], n: int) -> dict[str, Tensor]:
    """One update of the critics that are drawn; the others rest (adaptive updates)."""
    c, drawn = p.config, p.adaptive.draw()
    if not drawn:
        return {}
    penalised = n % c.penalty_every == 0
    image = batch.photo.requires_grad_(penalised and c.penalty_input == "image")
    features = p.features(image, drawn)
    inputs = [image]
    if c.penalty_input == "features":
        features = {tap: value.detach().requires_grad_(penalised) for tap, value in features.items()}
        inputs = list(features.values())
    on_photo = p.scores(features, batch.photo_labels)
    on_fake = p.scores({tap: fake[tap] for tap in drawn}, batch.frame_labels)
    loss = gan.tell_apart(on_photo, on_fake)
    penalty = gradient_penalty(on_photo, inputs) if penalised else torch.zeros(())
    p.critics_optimiser.zero_grad(set_to_none=True)
    total = loss + c.penalty_weight * c.penalty_every * penalty
    total.backward()
    if torch.isfinite(total):
        p.critics_optimiser.step()
        for tap in drawn:
            p.adaptive.observe(tap, float(gan.accuracy(on_photo[tap], on_fake[tap])))
    losses = {"critics": loss.detach() / len(drawn)}
    return losses | {"penalty": penalty.detach()} if penalised else losses


def as_float(features: dict[str, Tensor]) -> dict[str, Tensor]:
    """Features in fp32: sums of squares lose too much in bfloat16."""
    return {name: value.float() for name, value in features.items()}


def build_players(config: Config, reading: Reading, label_classes: int) -> Players:
    """Networks and optimisers, seeded."""
    torch.manual_seed(config.seed)
    channels = channel_names(reading.features)
    streams = list(every_channel(len(channels), len(reading.streams)))
    if config.sky_features is not None:
        sky = [i for i, names in enumerate(reading.streams) if "sky" in names]
        read = tuple(i for i, name in enumerate(channels) if name.partition(".")[0] in config.sky_features)
        for index in sky:
            streams[index] = read
    try:
        network = generator(config.preset, len(channels), streams)
        critics_spec = DiscriminatorSpec(tuple(config.taps), label_classes, config.critic_layers, config.critic_width)
    except ValueError as error:
        raise InputError(f"this run's networks cannot be built: {error}") from error
    # Channels last: convolutions of few channels are about a tenth faster that way on CPUs, and faster on GPUs.
    network = network.to(config.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    critics = PerceptualDiscriminator(critics_spec).to(config.device)
    adam = partial(
        torch.optim.Adam, lr=config.rate, betas=(config.beta1, config.beta2), weight_decay=config.weight_decay
    )
    return Players(
        generator=network,
        average=Average(network, config.ema),
        critics=critics,
        vgg=load_vgg(config.vgg, "replicate").to(config.device),
        adaptive=AdaptiveUpdates(config.taps, config.adaptive_target),
        generator_optimiser=adam(network.parameters()),
        critics_optimiser=adam(critics.parameters()),
        config=config,
    )


def batches(pairs: Pairs, config: Config, start: int) -> Iterator[Pair]:
    """The batches from step `start` on; each is the same however often the run was stopped before."""
    rest = Subset(pairs, range(start * config.batch, len(pairs)))
    return iter(DataLoader(rest, config.batch, num_workers=config.workers, drop_last=True))


def as_model(p: Players, reading: Reading, done: int, digests: dict[str, str]) -> models.Model:
    """The averaged generator with all that is needed to feed it; `digests` of the files that it was made from."""
    config = p.config
    network = p.average.network
    assert isinstance(network, Generator)
    record = {
        "command": "train.epe", "steps": done, "batch": config.batch, "crop": config.crop, "seed": config.seed,
        "preset": config.preset, "perceptual": NAME, "precision": config.precision,
        "frames": config.frames.as_posix(), "photos": config.photos.as_posix(),
        "digests": digests,
    }  # fmt: skip
    return models.Model(
        network=network,
        kind=network.kind,
        spec=network.spec.as_dict(),
        channels=channel_names(reading.features),
        mean=reading.mean,
        std=reading.std,
        classes=reading.streams,
        multiple_of=network.spec.multiple_of,
        licence=config.licence,
        record=record,
    )


def train(config: Config, text: str) -> None:
    """Run to the end, or go on to it."""
    check(config)
    if config.device == "cpu":
        torch.use_deterministic_algorithms(True)
    reading = measure(config.frames, tuple(config.features), tuple(tuple(names) for names in config.streams))
    frames = Frames(config.frames, reading)
    pairs = Pairs(
        frames,
        Photos(config.photos, frames.sizes[0][0]),
        config.matches,
        frame_labels=config.frame_labels,
        photo_labels=config.photo_labels,
        size=config.crop,
        length=config.steps * config.batch,
        seed=config.seed,
    )
    p = build_players(config, reading, pairs.label_classes)
    parts: dict[str, Stateful] = {
        "generator": p.generator, "average": p.average.network, "critics": p.critics, "adaptive": p.adaptive,
        "generator_optimiser": p.generator_optimiser, "critics_optimiser": p.critics_optimiser,
    }  # fmt: skip
    checkpoint = Checkpoint(config.out / "checkpoint.safetensors", parts)
    digests = {"matches": models.digest(config.matches), "vgg": models.digest(config.vgg or asset("vgg16"))}
    write_text(config.out / "run.yaml", text)
    writer = SummaryWriter(config.out / "tensorboard")

    def log(done: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            writer.add_scalar(f"loss/{name}", value, done)
        for tap in p.adaptive.level:
            writer.add_scalar(f"update probability/{tap}", p.adaptive.probability(tap), done)

    run(
        partial(step, p),
        partial(batches, pairs, config),
        checkpoint,
        Schedule(config.steps, config.log_every, config.preview_every, config.save_every, config.seed),
        log=log,
        preview=lambda done: write_preview(config.out / "previews" / f"{done:07d}.png", p.average.network, pairs),
        saved=lambda done: models.save(as_model(p, reading, done, digests), config.out / "model.safetensors"),
    )
    writer.close()
    print(f"{config.out / 'model.safetensors'}: {config.steps:,} steps")


def main() -> int:
    """The command."""
    config, text, debug = parse(Config, "python -m train.epe", __doc__ or "")
    return guarded(
        lambda: train(config, text),
        "python -m train.epe",
        debug=debug,
        interrupted="interrupted; the same command goes on from the last checkpoint",
    )


if __name__ == "__main__":
    sys.exit(main())
