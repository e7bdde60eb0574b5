"""python -m train.epe: train the enhancer towards a set of photographs.

Richter, AlHaija, Koltun, "Enhancing Photorealism Enhancement", 2021. The same command again goes on with a run that
was stopped, to the same bits. In OUT: model.safetensors (the averaged generator), checkpoint.safetensors, run.yaml,
previews/*.png (input | enhanced | matched photograph), TensorBoard's scalars, and left_out.txt where frames were not
fit to be fed to a network.
"""

import dataclasses
import sys
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from datasets.flaws import Flaw
from datasets.frames import Frames, measure
from datasets.matched_pairs import Pair, Pairs
from datasets.photos import Photos
from datasets.runtime.cache import asset
from epe import models
from epe.distributed.processes import Group, joined
from epe.losses import least_squares_gan
from epe.losses.gradient_penalty import gradient_penalty
from gbuffer_tools.io.atomic import write_text
from train.loop.checkpoint import Checkpoint, Stateful
from train.loop.compiled import explained
from train.loop.config import start
from train.loop.engine import Schedule, follow, run
from train.loop.preview import write_preview
from train.loop.sampler import LeftOut, Share, batches
from train.loop.spectral import iterate_norms
from train.loop.throughput import Pace, tag
from train.recipes.epe_config import Config, check
from train.recipes.epe_players import Features, Players, build_players, record, streams_of
from train.recipes.generator import as_model, build_generator, digests


def step(p: Players, parts: Sequence[Pair], n: int) -> dict[str, Tensor]:
    """One update of the critics that are drawn, on detached fakes, then one of the generator.

    Args:
        p: what moves.
        parts: this process's samples, in batches that go through the networks one after the other; losses and
            gradients are means over parts and processes.
        n: of the step, from 1.
    """
    c = p.config
    for optimiser, rate in ((p.generator_optimiser, c.rate), (p.critics_optimiser, c.critic_rate)):
        optimiser.param_groups[0]["lr"] = rate * c.decay_factor ** ((n - 1) // c.decay_every)
    iterate_norms(p.generator)
    parts = [Pair(*(x.to(c.device, non_blocking=True) for x in part)) for part in parts]
    # One part's graph serves both updates; those of many would take the memory that parts are there to save.
    fake = p.fake(parts[0]) if len(parts) == 1 else None
    return critics_step(p, parts, fake, n) | generator_step(p, parts, fake, n)


def critics_step(p: Players, parts: Sequence[Pair], fake: Features | None, n: int) -> dict[str, Tensor]:
    """One update of the critics that are drawn; the others rest (adaptive updates)."""
    c, drawn = p.config, p.adaptive.draw()
    if not drawn:
        return {}
    penalised = n % c.penalty_every == 0
    p.critics_optimiser.zero_grad(set_to_none=True)
    figures = []
    for part in parts:
        with torch.no_grad():
            seen = fake or p.fake(part)
        image = part.photo.requires_grad_(penalised and c.penalty_input == "image")
        features = p.features(image, drawn)
        inputs = [image]
        if c.penalty_input == "features":
            features = {tap: value.detach().requires_grad_(penalised) for tap, value in features.items()}
            inputs = list(features.values())
        on_photo = p.scores(features, part.photo_labels, twice=penalised)
        on_fake = p.scores({tap: seen[tap].detach() for tap in drawn}, part.frame_labels)
        loss = least_squares_gan.tell_apart(on_photo, on_fake)
        penalty = gradient_penalty(on_photo, inputs, c.penalty_of) if penalised else torch.zeros((), device=loss.device)
        total = loss + c.penalty_weight * c.penalty_every * penalty
        (total / len(parts)).backward()
        accuracies = {tap: least_squares_gan.accuracy(on_photo[tap], on_fake[tap]) for tap in drawn}
        figures.append({"loss": loss, "penalty": penalty, "total": total} | accuracies)
    mean = p.group.mean(figures)
    norm = p.average_gradients(p.critics)
    if torch.isfinite(mean["total"]) and torch.isfinite(norm):
        p.critics_optimiser.step()
        for tap in drawn:
            p.adaptive.observe(tap, float(mean[tap]))
    # A finite loss of which the gradient is not finite counts as a lost step, too (train/loop/engine.py).
    losses = {"critics": mean["loss"] / len(drawn) if torch.isfinite(norm) else norm}
    return losses | {"penalty": mean["penalty"]} if penalised else losses


def generator_step(p: Players, parts: Sequence[Pair], fake: Features | None, n: int) -> dict[str, Tensor]:
    """One update of the generator: realistic to every critic, yet the same scene."""
    c = p.config
    p.critics.requires_grad_(False)
    p.generator_optimiser.zero_grad(set_to_none=True)
    figures = []
    for part in parts:
        seen = fake or p.fake(part)
        adversarial = least_squares_gan.fool(p.scores({tap: seen[tap] for tap in c.taps}, part.frame_labels))
        terms = p.terms(seen, part)
        ((adversarial + sum(weight * value for weight, value in terms.values())) / len(parts)).backward()
        figures.append({"gan": adversarial} | {name: value for name, (_, value) in terms.items()})
    p.critics.requires_grad_(True)
    mean = p.group.mean(figures)
    p.average_gradients(p.generator)
    norm = nn.utils.clip_grad_norm_(p.generator.parameters(), c.clip)
    if torch.isfinite(norm):
        p.generator_optimiser.step()
        p.average.update(p.generator, n)
    return mean | {"gradient": norm}


def train(config: Config, text: str) -> None:
    """Run to the end, or go on to it; one of several processes where torchrun started them."""
    check(config)
    with joined(config.device) as (group, device):
        train_with(dataclasses.replace(config, device=device), text, group)


def train_with(config: Config, text: str, group: Group, kind: type[Players] = Players) -> None:
    """The run of this process; `text` is its YAML, `kind` what samples become."""
    if config.device == "cpu":
        torch.use_deterministic_algorithms(True)
    flawed: list[Flaw] = []
    reading = measure(
        config.frames, tuple(config.features), tuple(tuple(names) for names in config.streams), left_out=flawed
    )
    torch.manual_seed(config.seed)
    streams = streams_of(config, reading)
    network, reading = build_generator(config.preset, reading, streams, config.initial, config.trainable)
    frames = Frames(config.frames, reading)
    share = Share(config.batch, config.accumulate, group.team, group.teams)
    pairs = Pairs(
        frames,
        Photos(config.photos, frames.sizes[0][0]),
        config.matches,
        frame_labels=config.frame_labels,
        photo_labels=config.photo_labels,
        size=config.crop,
        length=config.steps * share.step,
        seed=config.seed,
        drop_buffers=config.drop_buffers,
    )
    p = build_players(config, network, pairs.label_classes, group, kind)
    parts: dict[str, Stateful] = {
        "generator": p.generator, "average": p.average.network, "critics": p.critics, "adaptive": p.adaptive,
        "generator_optimiser": p.generator_optimiser, "critics_optimiser": p.critics_optimiser,
    }  # fmt: skip
    checkpoint = Checkpoint(config.out / "checkpoint.safetensors", parts)
    made_from = digests({"matches": config.matches, "vgg": config.vgg or asset("vgg16"), "initial": config.initial})
    left_out = LeftOut(config.out / "left_out.txt")
    move = explained(partial(step, p)) if config.compile else partial(step, p)
    work = move, partial(batches, pairs, share, config.workers, left_out.note), checkpoint
    schedule = Schedule(config.steps, config.log_every, config.preview_every, config.save_every, config.seed)
    if not group.first:
        follow(*work, schedule)
        return
    writer = SummaryWriter(config.out / "tensorboard")

    def log(done: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            writer.add_scalar(tag(name), value, done)
        for tap in p.adaptive.level:
            writer.add_scalar(f"update probability/{tap}", p.adaptive.probability(tap), done)

    def begun() -> None:
        write_text(config.out / "run.yaml", text)
        for flaw in flawed:
            left_out.note(flaw)

    pace, model = Pace(share.step, config.device), config.out / "model.safetensors"
    run(
        *work,
        schedule,
        begun=begun,
        pace=pace,
        log=log,
        preview=lambda done: write_preview(
            config.out / "previews" / f"{done:07d}.png",
            partial(p.enhanced, p.average.network),
            pairs,
            device=config.device,
        ),
        saved=lambda done: models.save(
            as_model(p.finished(pairs.photos), reading, config.licence, record(p, done, made_from)), model
        ),
    )
    writer.close()
    print(f"{model}: {config.steps:,} steps ({pace})")


def main() -> int:
    """The command."""
    return start(Config, "python -m train.epe", __doc__ or "", train)


if __name__ == "__main__":
    sys.exit(main())
