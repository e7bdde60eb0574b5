"""Run networks through torch.compile, and report its failures in one line."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from torch import Tensor, nn

from gbuffer_tools.errors import InputError, one_line

Batch = TypeVar("Batch")

# On CPUs Inductor prefers channels last, and the backward pass of replicate padding then fails in torch 2.13.
OPTIONS = {"layout_optimization": False}


def compile_all(networks: Iterable[nn.Module]) -> None:
    """Set networks up, in place, to be compiled on their first call; the names of their weights do not change."""
    for network in networks:
        network.compile(options=OPTIONS)


def explained(step: Callable[[Batch, int], dict[str, Tensor]]) -> Callable[[Batch, int], dict[str, Tensor]]:
    """Wrap a step so that a failure of torch.compile raises an `InputError` that says what to do.

    torch.compile fails in many places (tracing, code generation, the C++ compiler, sizes at run time) and with many
    exceptions, all of which are subclasses of RuntimeError or AssertionError.
    """

    def run(batch: Batch, n: int) -> dict[str, Tensor]:
        try:
            return step(batch, n)
        except (RuntimeError, AssertionError) as error:
            raise InputError(
                f"--compile: the compiled networks failed ({one_line(error, 300)}); run without --compile."
            ) from error

    return run
