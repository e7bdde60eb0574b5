"""Networks through torch.compile, and what goes wrong there as one line."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from torch import Tensor, nn

from gbuffer_tools.errors import InputError, one_line

Batch = TypeVar("Batch")

# Inductor prefers channels last on CPUs, where torch 2.13 then trips over the backward pass of replicate padding.
OPTIONS = {"layout_optimization": False}


def compile_all(networks: Iterable[nn.Module]) -> None:
    """Compile networks in place when they first run; names of weights stay as they are."""
    for network in networks:
        network.compile(options=OPTIONS)


def explained(step: Callable[[Batch, int], dict[str, Tensor]]) -> Callable[[Batch, int], dict[str, Tensor]]:
    """The same step; where it fails the message says what to do.

    torch.compile fails in many places (tracing, code generation, the compiler of C++, sizes at run time), with errors
    of many kinds, all of which are RuntimeError or AssertionError.
    """

    def run(batch: Batch, n: int) -> dict[str, Tensor]:
        try:
            return step(batch, n)
        except (RuntimeError, AssertionError) as error:
            raise InputError(
                f"--compile: the compiled networks failed ({one_line(error, 300)}); run without --compile."
            ) from error

    return run
