"""The settings that training commands share, declared once, and what no run can have.

    RunConfig           from the first step to the last: where, how many steps, when what is written
    OptimiserConfig     and Adam on crops
    LinearDecayConfig   and rates that stay, then fall to 0 along a line
    GanConfig           and critics

A command's own configuration is a frozen dataclass that adds its fields to one of these. How rates fall is said in one
place: `learning_rate` of the configuration.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from gbuffer_tools.errors import InputError


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """From the first step to the last.

    Attributes:
        out: folder of the run
        licence: of the trained weights, for the model file
        batch: crops that go through the networks at once, per process
        steps: updates in all
        device: cpu, cuda, …; under torchrun process i of a machine takes cuda:i
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

    def learning_rate(self, rate: float, step: int) -> float:
        """The rate of a step, counted from 1, of an optimiser that begins with `rate`."""
        return rate

    def check(self) -> None:
        """Refuse what no run can have, before anything is read.

        Raises:
            InputError: names the setting.
        """
        counts = ("batch", "steps", "log_every", "preview_every", "save_every")
        check_ranges(self, minimum=dict.fromkeys(counts, 1) | {"seed": 0})


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig(RunConfig):
    """A run of a generator on crops, with Adam.

    Attributes:
        crop: side of the training crops
        rate: learning rate of the generator
        beta1: Adam's
        beta2: Adam's
        workers: processes that read crops
    """

    crop: int = 256
    rate: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    workers: int = 1

    @property
    def samples(self) -> int:
        """Samples of the whole run, in one process."""
        return self.steps * self.batch

    def adam(self, rate: float, *networks: nn.Module) -> torch.optim.Adam:
        """An optimiser of all parameters of some networks."""
        parameters = [parameter for network in networks for parameter in network.parameters()]
        return torch.optim.Adam(parameters, lr=rate, betas=(self.beta1, self.beta2))

    def check(self) -> None:
        super().check()
        check_ranges(self, minimum={"workers": 0, "crop": 1}, positive=("rate",), fractions=("beta1", "beta2"))


@dataclass(frozen=True, kw_only=True)
class LinearDecayConfig(OptimiserConfig):
    """Rates that stay for a while, then fall to 0 along a line.

    Attributes:
        constant: fraction of the steps at these rates, 1: all; then they fall to 0, a line
    """

    constant: float = 0.5

    def learning_rate(self, rate: float, step: int) -> float:
        left, falling = self.steps - step + 1, self.steps * (1 - self.constant)
        return rate * min(1.0, left / falling if falling else 1.0)

    def check(self) -> None:
        super().check()
        check_ranges(self, minimum={"crop": 32})
        if not 0 <= self.constant <= 1:
            raise InputError(f"--constant {self.constant}: wanted 0 .. 1.")


@dataclass(frozen=True, kw_only=True)
class GanConfig(OptimiserConfig):
    """A run of a generator against critics.

    Attributes:
        critic_rate: learning rate of the critics
    """

    critic_rate: float = 2e-4

    def check(self) -> None:
        super().check()
        check_ranges(self, positive=("critic_rate",))


def autocast(precision: str, device: str) -> torch.autocast | nullcontext[None]:
    """bfloat16 on a device where a run wants it ("bf16"); nothing otherwise ("fp32")."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(torch.device(device).type, torch.bfloat16)


def check_ranges(
    config: object,
    *,
    minimum: Mapping[str, int] | None = None,
    positive: Sequence[str] = (),
    fractions: Sequence[str] = (),
) -> None:
    """Compare settings with what they may be.

    Args:
        config: has them as attributes.
        minimum: names, and the smallest value that makes sense of what is counted.
        positive: names of what must be more than 0.
        fractions: names of what must be 0 or more and less than 1.

    Raises:
        InputError: names the setting.
    """
    for name, bound in (minimum or {}).items():
        if getattr(config, name) < bound:
            raise InputError(f"--{name} {getattr(config, name)}: wanted {bound} or more.")
    for name in positive:
        if not getattr(config, name) > 0:
            raise InputError(f"--{name} {getattr(config, name)}: wanted more than 0.")
    for name in fractions:
        if not 0 <= getattr(config, name) < 1:
            raise InputError(f"--{name} {getattr(config, name)}: wanted 0 or more and less than 1.")


def check_preset(name: str, names: Collection[str]) -> None:
    """Refuse a network that nobody knows.

    Raises:
        InputError: tells the names.
    """
    if name not in names:
        raise InputError(f"--preset {name}: wanted one of {', '.join(names)}.")
