"""What the runs of one process have in common: settings, a step down, and the way from the first step to the last."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from datasets.runtime.device import device_of
from epe import models
from epe.distributed.processes import processes
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.atomic import write_text
from train.loop.checkpoint import Checkpoint, Stateful
from train.loop.checks import check_ranges
from train.loop.engine import Batch, Schedule, run
from train.loop.throughput import Pace, tag


@dataclass(frozen=True, kw_only=True)
class Course:
    """From the first step to the last.

    Attributes:
        out: folder of the run
        licence: of the trained weights, for the model file
        batch: crops per step
        steps: updates in all
        device: cpu, cuda, …
        seed: of everything
        log_every: steps between scalars
        preview_every: steps between previews
        save_every: steps between checkpoints
    """

    out: Path
    licence: str = "as the data it was trained on"
    batch: int = 1
    steps: int = 500_000
    device: str = "cpu"
    seed: int = 0
    log_every: int = 10
    preview_every: int = 250
    save_every: int = 250


@dataclass(frozen=True, kw_only=True)
class Descent(Course):
    """A run of a generator on crops.

    Attributes:
        crop: side of the training crops
        rate: learning rate of the generator
        constant: share of the steps at these rates, 1: all; then they fall to 0, a line
        beta1: Adam's
        beta2: Adam's
        workers: processes that read crops
    """

    crop: int = 256
    rate: float = 2e-4
    constant: float = 0.5
    beta1: float = 0.5
    beta2: float = 0.999
    workers: int = 1

    @property
    def samples(self) -> int:
        """Of the whole run."""
        return self.steps * self.batch

    def adam(self, rate: float, *networks: nn.Module) -> torch.optim.Adam:
        """An optimiser of all parameters of some networks."""
        parameters = [parameter for network in networks for parameter in network.parameters()]
        return torch.optim.Adam(parameters, lr=rate, betas=(self.beta1, self.beta2))

    def slow(self, optimiser: torch.optim.Optimizer, rate: float, n: int) -> None:
        """Give an optimiser the rate of step `n`, from 1."""
        left, falling = self.steps - n + 1, self.steps * (1 - self.constant)
        optimiser.param_groups[0]["lr"] = rate * min(1.0, left / falling if falling else 1.0)


@dataclass(frozen=True, kw_only=True)
class Settings(Descent):
    """A run of a generator against critics.

    Attributes:
        critic_rate: learning rate of the critics
    """

    critic_rate: float = 2e-4


# The least that makes sense of what is counted.
LEAST = {"batch": 1, "steps": 1, "seed": 0, "log_every": 1, "preview_every": 1, "save_every": 1}


def check_course(course: Course) -> None:
    """Refuse what no run can have.

    Raises:
        InputError: names the setting.
    """
    if processes() > 1:
        raise InputError(f"torchrun started {processes()} processes; this trains in one: start it without torchrun.")
    check_ranges(course, least=LEAST)
    device_of(course.device)


def check_descent(settings: Descent) -> None:
    """Refuse what no run can have.

    Raises:
        InputError: names the setting.
    """
    check_course(settings)
    check_ranges(settings, least={"crop": 32, "workers": 0}, positive=("rate",), shares=("beta1", "beta2"))
    if not 0 <= settings.constant <= 1:
        raise InputError(f"--constant {settings.constant}: wanted 0 .. 1.")


def check(settings: Settings) -> None:
    """Refuse what no run can have.

    Raises:
        InputError: names the setting.
    """
    check_descent(settings)
    check_ranges(settings, least={}, positive=("critic_rate",))


def descend(loss: Tensor, optimiser: torch.optim.Optimizer) -> Tensor:
    """One step down, unless the loss or its gradient is not finite.

    Returns:
        The gradient's norm; not finite where no step was made.
    """
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    norm = nn.utils.get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
    norm = torch.where(torch.isfinite(loss.detach()), norm, torch.nan)
    if torch.isfinite(norm):
        optimiser.step()
    return norm


def carry_out(
    settings: Course,
    text: str,
    *,
    step: Callable[[Batch, int], dict[str, Tensor]],
    batches: Callable[[int], Iterable[Batch]],
    parts: Mapping[str, Stateful],
    preview: Callable[[Path], None],
    model: Callable[[int], models.Model],
) -> None:
    """Run to the end, or go on to it, from the checkpoint in the run's folder.

    Args:
        settings: of the run.
        text: the same as YAML.
        step: one update of all networks.
        batches: from a given step on.
        parts: what a checkpoint holds.
        preview: writes a picture.
        model: what is kept, after some number of steps.
    """
    out = settings.out
    writer = SummaryWriter(out / "tensorboard")

    def log(done: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            writer.add_scalar(tag(name), value, done)

    pace = Pace(settings.batch, settings.device)
    run(
        step,
        batches,
        Checkpoint(out / "checkpoint.safetensors", parts),
        Schedule(settings.steps, settings.log_every, settings.preview_every, settings.save_every, settings.seed),
        begun=lambda: write_text(out / "run.yaml", text),
        pace=pace,
        log=log,
        preview=lambda done: preview(out / "previews" / f"{done:07d}.png"),
        saved=lambda done: models.save(model(done), out / "model.safetensors"),
    )
    writer.close()
    print(f"{out / 'model.safetensors'}: {settings.steps:,} steps ({pace})")
