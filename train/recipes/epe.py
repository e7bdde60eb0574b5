"""Training towards a set of photographs, by critics and matched crops: state, terms, step, from top to bottom.

Richter, AlHaija, Koltun, "Enhancing Photorealism Enhancement", 2021, sec. 3.3-3.4: the critics' least squares, a
perceptual distance to the frame, a gradient penalty on photographs, and critics that rest when they are too good.

Shapes: B samples of a batch, C features, H W pixels, h w cells of a critic's scores.
"""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.compiler import set_stance

from datasets.matched_pairs import MatchedCrops
from datasets.photos import Photos
from epe.distributed.processes import ProcessGroup
from epe.distributed.sequence_parallel import ALONE, SequenceParallel
from epe.generator import Generator
from epe.losses import least_squares_gan
from epe.losses.gradient_penalty import gradient_penalty
from epe.losses.perceptual import LAYERS, perceptual_distance
from epe.networks.backbones.vgg import VGG16
from epe.networks.perceptual_discriminator import PerceptualDiscriminator
from train.loop.config import autocast
from train.loop.ema import Average
from train.loop.optimiser import set_rate
from train.loop.power_iteration import iterate_norms
from train.recipes.adaptive_updates import AdaptiveUpdates
from train.recipes.epe_config import EPEConfig

Features = dict[str, Tensor]
"""VGG16's, (B, C, H, W) by layer."""

Terms = dict[str, tuple[float, Tensor]]
"""Per name of a loss: its weight, and a scalar."""


class Fake(NamedTuple):
    """Enhanced crops, (B, 3, H, W) float32, and what VGG16 sees in them."""

    image: Tensor
    features: Features


@dataclass
class EPETrainState:
    """All that a step moves, and the constants it needs."""

    command: ClassVar[str] = "train.epe"
    generator: Generator
    average: Average[Generator]
    critics: PerceptualDiscriminator
    vgg: VGG16
    adaptive: AdaptiveUpdates
    generator_optimiser: torch.optim.Optimizer
    critics_optimiser: torch.optim.Optimizer
    config: EPEConfig
    group: ProcessGroup

    def enhance(self, network: Generator, batch: MatchedCrops, sequence: SequenceParallel = ALONE) -> Tensor:
        """(B, 3, H, W), what a generator makes of a batch; `sequence`: the processes that share its tokens."""
        return network(batch.image, batch.gbuffers, batch.classes, batch.crop_box)

    def fake(self, batch: MatchedCrops) -> Fake:
        """The generator's crops, with the features that critics and terms read."""
        with self.autocast():
            image = self.enhance(self.generator, batch, self.group.sequence).float()
        return Fake(image, self.features(image, (*self.config.taps, *LAYERS)))

    def terms(self, fake: Fake, batch: MatchedCrops) -> Terms:
        """What the generator minimises beside the critics' scores. To add a loss, add a line here and its weight."""
        with torch.no_grad():
            target = self.features(batch.image, LAYERS)
        distance = perceptual_distance(as_float(fake.features), as_float(target)).mean()
        return {"perceptual": (self.config.perceptual_weight, distance)}

    def finished(self, photos: Photos) -> Generator:
        """The averaged generator as it is kept; `photos`: that it was trained on."""
        return self.average.network

    def features(self, image: Tensor, layers: Iterable[str]) -> Features:
        """VGG16's, in the run's precision."""
        with self.autocast():
            return self.vgg(image, tuple(layers))

    def scores(self, features: Features, labels: Tensor, *, twice: bool = False) -> dict[str, Tensor]:
        """The critics' scores (B, 1, h, w) in fp32; `twice`: to be differentiated twice, as no compiled code can be."""
        plain = set_stance("force_eager") if twice and self.config.compile else nullcontext()
        with plain, self.autocast():
            scores = self.critics(features, labels)
        return {tap: score.float() for tap, score in scores.items()}

    def average_gradients(self, network: nn.Module) -> Tensor:
        """Make a network's gradients the means over processes; returns their norm."""
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        self.group.average(gradients)
        return nn.utils.get_total_norm(gradients)

    def autocast(self) -> torch.autocast | nullcontext[None]:
        """bfloat16 where the run wants it."""
        return autocast(self.config.precision, self.config.device)


def as_float(features: Features) -> Features:
    """Features in fp32: sums of squares lose too much in bfloat16."""
    return {name: value.float() for name, value in features.items()}


def step(state: EPETrainState, batches: Sequence[MatchedCrops], n: int) -> dict[str, Tensor]:
    """One update of the critics that are drawn, on detached fakes, then one of the generator.

    Args:
        state: what moves.
        batches: this process's samples, which go through the networks one batch after the other; losses and gradients
            are means over batches and processes.
        n: number of the step, from 1.

    Returns:
        Losses to log.
    """
    c = state.config
    set_rate(state.generator_optimiser, c.learning_rate(c.rate, n))
    set_rate(state.critics_optimiser, c.learning_rate(c.critic_rate, n))
    iterate_norms(state.generator)
    batches = [MatchedCrops(*(x.to(c.device, non_blocking=True) for x in batch)) for batch in batches]
    # One batch's graph serves both updates; those of many would take the memory that batches are there to save.
    fake = state.fake(batches[0]) if len(batches) == 1 else None
    return critics_step(state, batches, fake, n) | generator_step(state, batches, fake, n)


def critics_step(state: EPETrainState, batches: Sequence[MatchedCrops], fake: Fake | None, n: int) -> dict[str, Tensor]:
    """One update of the critics that are drawn; the others rest (adaptive updates)."""
    c, drawn = state.config, state.adaptive.draw()
    if not drawn:
        return {}
    penalised = n % c.penalty_every == 0
    state.critics_optimiser.zero_grad(set_to_none=True)
    figures = []
    for batch in batches:
        with torch.no_grad():
            seen = (fake or state.fake(batch)).features
        photo = batch.photo.requires_grad_(penalised and c.penalty_input == "image")
        features = state.features(photo, drawn)
        inputs = [photo]
        if c.penalty_input == "features":
            features = {tap: value.detach().requires_grad_(penalised) for tap, value in features.items()}
            inputs = list(features.values())
        on_photo = state.scores(features, batch.photo_labels, twice=penalised)
        on_fake = state.scores({tap: seen[tap].detach() for tap in drawn}, batch.frame_labels)
        loss = least_squares_gan.discriminator_loss(on_photo, on_fake)
        penalty = gradient_penalty(on_photo, inputs, c.penalty_of) if penalised else torch.zeros((), device=loss.device)
        total = loss + c.penalty_weight * c.penalty_every * penalty
        (total / len(batches)).backward()
        accuracies = {tap: least_squares_gan.accuracy(on_photo[tap], on_fake[tap]) for tap in drawn}
        figures.append({"loss": loss, "penalty": penalty, "total": total} | accuracies)
    mean = state.group.mean(figures)
    norm = state.average_gradients(state.critics)
    if torch.isfinite(mean["total"]) and torch.isfinite(norm):
        state.critics_optimiser.step()
        for tap in drawn:
            state.adaptive.observe(tap, float(mean[tap]))
    # A finite loss of which the gradient is not finite counts as a lost step, too (train/loop/engine.py).
    losses = {"critics": mean["loss"] / len(drawn) if torch.isfinite(norm) else norm}
    return losses | {"penalty": mean["penalty"]} if penalised else losses


def generator_step(
    state: EPETrainState, batches: Sequence[MatchedCrops], fake: Fake | None, n: int
) -> dict[str, Tensor]:
    """One update of the generator: realistic to every critic, yet the same scene."""
    c = state.config
    state.critics.requires_grad_(False)
    state.generator_optimiser.zero_grad(set_to_none=True)
    figures = []
    for batch in batches:
        made = fake or state.fake(batch)
        scores = state.scores({tap: made.features[tap] for tap in c.taps}, batch.frame_labels)
        adversarial = least_squares_gan.generator_loss(scores)
        terms = state.terms(made, batch)
        ((adversarial + sum(weight * value for weight, value in terms.values())) / len(batches)).backward()
        figures.append({"gan": adversarial} | {name: value for name, (_, value) in terms.items()})
    state.critics.requires_grad_(True)
    mean = state.group.mean(figures)
    state.average_gradients(state.generator)
    norm = nn.utils.clip_grad_norm_(state.generator.parameters(), c.clip)
    if torch.isfinite(norm):
        state.generator_optimiser.step()
        state.average.update(state.generator, n)
    return mean | {"gradient": norm}
