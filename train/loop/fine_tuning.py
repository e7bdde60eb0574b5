"""Runs in which only some weights of a network learn: the others stay as they were, to the bit."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from gbuffer_tools.errors import InputError


def select_trainable(network: nn.Module, patterns: Sequence[str]) -> None:
    """Let some weights learn and no others; to be called before optimisers are made.

    Args:
        network: whose parameters are named.
        patterns: shell patterns of names, such as "*.adain*"; one that begins with "!" takes away. Of those that fit a
            name, the last one counts.

    Raises:
        InputError: a pattern that fits no name, or nothing is left to learn.
    """
    names = [name for name, _ in network.named_parameters()]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern.removeprefix("!")) for name in names):
            raise InputError(f"--trainable {pattern}: fits no weight; there are {', '.join(names)[:300]}, …")
    for name, parameter in network.named_parameters():
        fitting = [pattern for pattern in patterns if fnmatchcase(name, pattern.removeprefix("!"))]
        parameter.requires_grad_(bool(fitting) and not fitting[-1].startswith("!"))
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise InputError(f"--trainable {' '.join(patterns)}: leaves nothing to learn.")


def trainable_parameters(network: nn.Module) -> list[nn.Parameter]:
    """The weights that learn."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]
