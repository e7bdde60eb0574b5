"""The settings that training commands share, declared once, and the checks of their values.

    RunConfig           the basics: output folder, number of steps, intervals of logs, previews and checkpoints
    OptimiserConfig     adds Adam on crops
    PrecisionConfig     adds the number format of the networks
    LinearDecayConfig   adds a learning rate schedule: constant, then linear decay to 0
    GanConfig           adds critics

A command's own configuration is a frozen dataclass that adds its fields to one of these. Its method `learning_rate` is
the only place that defines the learning rate schedule.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import torch
from torch import nn

from gbuffer_tools.errors import InputError

Network = TypeVar("Network", bound=nn.Module)
NumberFormat = Literal["fp32", "bf16"]


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Settings of every run.

    Attributes:
        out: output folder of the run
        licence: licence of the trained weights, recorded in the model file
        batch: crops that go through the networks at once, per process
        steps: total number of updates
        device: cpu, cuda, …; under torchrun process i of a machine uses cuda:i
        seed: seed of all random numbers
        log_every: steps between logged scalars
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
        """Return the learning rate at a step, counted from 1, for an optimiser whose initial rate is `rate`."""
        return rate

    def check(self) -> None:
        """Check the settings before any file is read.

        Raises:
            InputError: a setting is invalid; the message names it.
        """
        counts = ("batch", "steps", "log_every", "preview_every", "save_every")
        check_ranges(self, minimum=dict.fromkeys(counts, 1) | {"seed": 0}, maximum={"seed": 2**63 - 1, "steps": 10**9})


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig(RunConfig):
    """Settings of runs that train a generator on crops, with Adam.

    Attributes:
        crop: side of the training crops in pixels
        rate: learning rate of the generator
        beta1: beta1 of Adam
        beta2: beta2 of Adam
        workers: processes that read crops
    """

    crop: int = 256
    rate: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    workers: int = 1

    @property
    def samples(self) -> int:
        """Number of samples in the whole run, for a single process."""
        return self.steps * self.batch

    def adam(self, rate: float, *networks: nn.Module) -> torch.optim.Adam:
        """Return an Adam optimiser of all parameters of the networks, with initial learning rate `rate`."""
        parameters = [parameter for network in networks for parameter in network.parameters()]
        return torch.optim.Adam(parameters, lr=rate, betas=(self.beta1, self.beta2))

    def check(self) -> None:
        super().check()
        check_ranges(self, minimum={"workers": 0, "crop": 1}, positive=("rate",), fractions=("beta1", "beta2"))


@dataclass(frozen=True, kw_only=True)
class PrecisionConfig(OptimiserConfig):
    """Settings of runs whose networks can compute in bfloat16.

    Attributes:
        precision: bf16 runs networks in bfloat16; weights, normalisation statistics and losses stay fp32.
            auto: bf16 if the device has instructions for it; otherwise fp32, as emulated bf16 is many times slower
    """

    precision: Literal["auto", "fp32", "bf16"] = "fp32"

    @property
    def number_format(self) -> NumberFormat:
        """The number format that `precision` selects on the run's device."""
        if self.precision == "auto":
            return "bf16" if has_bf16(torch.device(self.device)) else "fp32"
        return self.precision

    def check(self) -> None:
        super().check()
        if self.precision not in ("auto", "fp32", "bf16"):
            raise InputError(f"--precision {self.precision}: wanted fp32 or bf16, or auto.")


@dataclass(frozen=True, kw_only=True)
class LinearDecayConfig(OptimiserConfig):
    """Settings of runs whose learning rates are constant at first, then decay linearly to 0.

    Attributes:
        constant: fraction of the steps before the learning rates decay linearly to 0; 1: no decay
    """

    constant: float = 0.5

    def learning_rate(self, rate: float, step: int) -> float:
        left, falling = self.steps - step + 1, self.steps * (1 - self.constant)
        return rate * min(1.0, left / falling if falling else 1.0)

    def check(self) -> None:
        super().check()
        if not 0 <= self.constant <= 1:
            raise InputError(f"--constant {self.constant}: wanted 0 .. 1.")


@dataclass(frozen=True, kw_only=True)
class GanConfig(OptimiserConfig):
    """Settings of runs that train a generator against critics.

    Attributes:
        critic_rate: learning rate of the critics
    """

    critic_rate: float = 2e-4

    def check(self) -> None:
        super().check()
        check_ranges(self, positive=("critic_rate",))


def has_bf16(device: torch.device) -> bool:
    """Return whether a CPU or a CUDA device has instructions for bfloat16; False for other, unknown devices.

    Without them PyTorch still computes in bfloat16, via float32. On a Zen 3 processor a convolution (4 x 64 x 128
    x 128, 3x3) took nine times as long as in float32.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    names = ("avx512_bf16", "amx_bf16", "avx10_2", "bf16")  # the last one is ARM's
    return device.type == "cpu" and any(torch.cpu.get_capabilities().get(name, False) for name in names)


def autocast(precision: NumberFormat, device: str) -> torch.autocast | nullcontext[None]:
    """Return a context in which the device computes in bfloat16 ("bf16"), or one that does nothing ("fp32")."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(torch.device(device).type, torch.bfloat16)


def frozen_in(network: Network, precision: NumberFormat) -> Network:
    """Convert a frozen network's convolutions, in place, to the precision in which `autocast` computes; return it.

    Autocast converts weights that need no gradient at every call, three times a step. The results are bit-identical.
    """
    for module in network.modules() if precision == "bf16" else ():
        if isinstance(module, nn.Conv2d):
            module.to(torch.bfloat16)
    return network


def check_ranges(
    config: object,
    *,
    minimum: Mapping[str, int] | None = None,
    maximum: Mapping[str, int] | None = None,
    positive: Sequence[str] = (),
    fractions: Sequence[str] = (),
) -> None:
    """Check that settings are within their ranges; settings that are None are not checked.

    Args:
        config: the settings, as attributes.
        minimum, maximum: the smallest and the largest allowed value of settings, by name.
        positive: names of settings that must be more than 0.
        fractions: names of settings that must be 0 or more and less than 1.

    Raises:
        InputError: a setting is out of range; the message names it.
    """
    for name, bound in (minimum or {}).items():
        value = getattr(config, name)
        if value is not None and value < bound:
            raise InputError(f"--{name} {value}: wanted {bound} or more.")
    for name, bound in (maximum or {}).items():
        value = getattr(config, name)
        if value is not None and value > bound:
            raise InputError(f"--{name} {value}: wanted {bound} or less.")
    for name in positive:
        value = getattr(config, name)
        if value is not None and not value > 0:
            raise InputError(f"--{name} {value}: wanted more than 0.")
    for name in fractions:
        value = getattr(config, name)
        if value is not None and not 0 <= value < 1:
            raise InputError(f"--{name} {value}: wanted 0 or more and less than 1.")


def check_preset(name: str, names: Collection[str]) -> None:
    """Check that a preset is known.

    Raises:
        InputError: `name` is not one of `names`; the message lists them.
    """
    if name not in names:
        raise InputError(f"--preset {name}: wanted one of {', '.join(names)}.")
