"""Fine-tuning: train only some weights of a network. The others are frozen and do not change by a bit."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from gbuffer_tools.errors import InputError


def select_trainable(network: nn.Module, patterns: Sequence[str]) -> None:
    """Freeze all weights except the selected ones; call this before optimisers are created.

    Args:
        network: its parameters are selected by name.
        patterns: shell patterns of names, such as "*.adain*"; a pattern that begins with "!" excludes. If several
            match a name, the last one decides.

    Raises:
        InputError: a pattern matches no name, or no weight is left to train.
    """
    names = [name for name, _ in network.named_parameters()]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern.removeprefix("!")) for name in names):
            raise InputError(f"--trainable {pattern}: matches no weight; there are {', '.join(names)[:300]}, …")
    for name, parameter in network.named_parameters():
        fitting = [pattern for pattern in patterns if fnmatchcase(name, pattern.removeprefix("!"))]
        parameter.requires_grad_(bool(fitting) and not fitting[-1].startswith("!"))
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise InputError(f"--trainable {' '.join(patterns)}: leaves no weight to train; select at least one.")


def trainable_parameters(network: nn.Module) -> list[nn.Parameter]:
    """Return the weights that are not frozen."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]
