"""The recipe of training towards a set of photographs, with critics and matched crops: state, terms and step.

Richter, AlHaija, Koltun, "Enhancing Photorealism Enhancement", 2021, sec. 3.3-3.4: least-squares GAN losses, a
perceptual distance to the frame, a gradient penalty on photographs, and adaptive updates of the critics.

Shapes: B samples of a batch, C features, H W pixels, h w cells of a critic's scores.
"""

import math
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
from epe.losses.adversarial import least_squares_gan
from epe.losses.adversarial.diff_augment import diff_augment
from epe.losses.adversarial.gradient_penalty import gradient_penalty
from epe.losses.class_colour import class_colour_change
from epe.losses.perceptual import LAYERS, perceptual_distance
from epe.networks.backbones.vgg import VGG16
from epe.networks.perceptual_discriminator import PerceptualDiscriminator
from train.loop.config import autocast
from train.loop.ema import Average
from train.loop.optimiser import set_rate
from train.loop.power_iteration import iterate_norms
from train.recipes.adaptive_updates import AdaptiveUpdates
from train.recipes.epe_config import EPEConfig
from train.recipes.features import Features, as_float

Terms = dict[str, tuple[float, Tensor]]
"""Loss terms by name: the weight, and the value as a scalar tensor."""


NORMS = {"l2": 2.0, "inf": math.inf}


class Fake(NamedTuple):
    """Enhanced crops, (B, 3, H, W) float32 in [0, 1], and their VGG16 features."""

    image: Tensor
    features: Features


@dataclass
class EPETrainState:
    """Everything that a step updates, and the constants that it needs."""

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
        """Return a batch enhanced by a generator, (B, 3, H, W); the processes of `sequence` share its tokens."""
        return network(batch.image, batch.gbuffers, batch.classes, batch.crop_box)

    def fake(self, batch: MatchedCrops) -> Fake:
        """Return the batch enhanced by the generator, with the features that critics and loss terms read."""
        with self.autocast():
            image = self.enhance(self.generator, batch, self.group.sequence).float()
        return Fake(image, self.features(image, (*self.config.taps, *LAYERS)))

    def terms(self, fake: Fake, batch: MatchedCrops) -> Terms:
        """Return the generator's losses apart from the adversarial one. To add a loss, add a line and its weight."""
        with torch.no_grad():
            target = self.features(batch.image, self.config.perceptual_layers)
        distance = perceptual_distance(as_float(fake.features), as_float(target)).mean()
        terms = {"perceptual": (self.config.perceptual_weight, distance)}
        if weight := self.config.class_colour_weight:
            count, side = len(self.config.streams), self.config.class_colour_side
            change = class_colour_change(fake.image, batch.image, batch.classes, count, side)
            terms["class colour"] = weight, change.mean()
        return terms

    def finished(self, photos: Photos) -> Generator:
        """Return the averaged generator, ready to be saved; `photos` are those that it was trained on."""
        return self.average.network

    def features(self, image: Tensor, layers: Iterable[str]) -> Features:
        """Return the VGG16 features of images (B, 3, H, W), computed in the run's precision."""
        with self.autocast():
            return self.vgg(image, tuple(layers))

    def shown_to_critics(
        self, image: Tensor, labels: Tensor, taps: Iterable[str], known: Features | None = None
    ) -> tuple[Features, Tensor]:
        """Return the features and labels that critics judge: those of the image, or of an augmented one.

        Args:
            image: (B, 3, H, W).
            labels: robust labels (B, H, W).
            taps: the critics' layers.
            known: features of the image by layer, if already computed.
        """
        if self.config.diff_augment:
            image, labels = diff_augment(image, labels, self.config.diff_augment)
            known = None
        features = known or self.features(image, taps)
        return {tap: features[tap] for tap in taps}, labels

    def scores(self, features: Features, labels: Tensor, *, twice: bool = False) -> dict[str, Tensor]:
        """Return the critics' scores by tap, (B, 1, h, w) in fp32.

        Args:
            features: VGG16 features by tap.
            labels: robust labels for the critics.
            twice: the scores will be differentiated twice, which compiled code does not support.
        """
        plain = set_stance("force_eager") if twice and self.config.compile else nullcontext()
        with plain, self.autocast():
            scores = self.critics(features, labels)
        return {tap: score.float() for tap, score in scores.items()}

    def average_gradients(self, network: nn.Module) -> Tensor:
        """Replace a network's gradients by their means over processes; return their norm."""
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        self.group.average(gradients)
        return nn.utils.get_total_norm(gradients)

    def autocast(self) -> torch.autocast | nullcontext[None]:
        """Return a context in which the networks run in the run's precision."""
        return autocast(self.config.number_format, self.config.device)


def step(state: EPETrainState, batches: Sequence[MatchedCrops], n: int) -> dict[str, Tensor]:
    """Update the drawn critics on detached fakes, then the generator.

    Args:
        state: state of the run.
        batches: this process's samples, which go through the networks one batch at a time; losses and gradients
            are means over batches and processes.
        n: number of the step, from 1.

    Returns:
        The losses to log, by name.
    """
    c = state.config
    set_rate(state.generator_optimiser, c.learning_rate(c.rate, n))
    set_rate(state.critics_optimiser, c.learning_rate(c.critic_rate, n))
    iterate_norms(state.generator)
    batches = [MatchedCrops(*(x.to(c.device, non_blocking=True) for x in batch)) for batch in batches]
    # The graph of a single batch serves both updates. Keeping those of several would take the memory that
    # accumulation is meant to save.
    fake = state.fake(batches[0]) if len(batches) == 1 else None
    return critics_step(state, batches, fake, n) | generator_step(state, batches, fake, n)


def critics_step(state: EPETrainState, batches: Sequence[MatchedCrops], fake: Fake | None, n: int) -> dict[str, Tensor]:
    """Update the drawn critics (adaptive updates), and return their losses; the others do not change."""
    c, drawn = state.config, state.adaptive.draw()
    if not drawn:
        return {}
    penalised = n % c.penalty_every == 0
    state.critics_optimiser.zero_grad(set_to_none=True)
    figures = []
    for batch in batches:
        with torch.no_grad():
            made = fake or state.fake(batch)
            seen, frame_labels = state.shown_to_critics(made.image, batch.frame_labels, drawn, made.features)
        photo = batch.photo.requires_grad_(penalised and c.penalty_input == "image")
        features, photo_labels = state.shown_to_critics(photo, batch.photo_labels, drawn)
        inputs = [photo]
        if c.penalty_input == "features":
            features = {tap: value.detach().requires_grad_(penalised) for tap, value in features.items()}
            inputs = list(features.values())
        on_photo = state.scores(features, photo_labels, twice=penalised)
        on_fake = state.scores({tap: value.detach() for tap, value in seen.items()}, frame_labels)
        loss = least_squares_gan.discriminator_loss(on_photo, on_fake)
        penalty = gradient_penalty(on_photo, inputs, c.penalty_of) if penalised else torch.zeros((), device=loss.device)
        total = loss + c.penalty_weight * c.penalty_every * penalty
        (total / len(batches)).backward()
        accuracies = {tap: least_squares_gan.accuracy(on_photo[tap], on_fake[tap]) for tap in drawn}
        figures.append({"loss": loss, "penalty": penalty, "total": total} | accuracies)
    mean = state.group.mean(figures)
    norm = state.average_gradients(state.critics)
    if c.critic_clip is not None:
        nn.utils.clip_grad_norm_(state.critics.parameters(), c.critic_clip, NORMS[c.clip_norm])
    if torch.isfinite(mean["total"]) and torch.isfinite(norm):
        state.critics_optimiser.step()
        for tap in drawn:
            state.adaptive.observe(tap, float(mean[tap]))
    # A step whose loss is finite but whose gradient is not counts as lost, too (train/loop/engine.py).
    losses = {"critics": mean["loss"] / len(drawn) if torch.isfinite(norm) else norm}
    return losses | {"penalty": mean["penalty"]} if penalised else losses


def generator_step(
    state: EPETrainState, batches: Sequence[MatchedCrops], fake: Fake | None, n: int
) -> dict[str, Tensor]:
    """Update the generator to look realistic to every critic, yet keep the scene; return its losses."""
    c = state.config
    state.critics.requires_grad_(False)
    state.generator_optimiser.zero_grad(set_to_none=True)
    figures = []
    for batch in batches:
        made = fake or state.fake(batch)
        adversarial = least_squares_gan.generator_loss(
            state.scores(*state.shown_to_critics(made.image, batch.frame_labels, c.taps, made.features))
        )
        terms = state.terms(made, batch)
        ((adversarial + sum(weight * value for weight, value in terms.values())) / len(batches)).backward()
        figures.append({"gan": adversarial} | {name: value for name, (_, value) in terms.items()})
    state.critics.requires_grad_(True)
    mean = state.group.mean(figures)
    state.average_gradients(state.generator)
    norm = nn.utils.clip_grad_norm_(state.generator.parameters(), c.clip, NORMS[c.clip_norm])
    if torch.isfinite(norm):
        state.generator_optimiser.step()
        state.average.update(state.generator, n)
    return mean | {"gradient": norm}
