"""Networks for inference: weights that are computed from others at every call are computed once."""

import copy
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils import parametrize

Network = TypeVar("Network", bound=nn.Module)


def fold(network: Network) -> Network:
    """A copy in evaluation mode whose weights are plain: spectral norms are carried out.

    It gives the same values, and cannot be trained on: what it was folded from is gone.

    Raises:
        TypeError: weights of something else than a convolution are computed.
    """
    folded = copy.deepcopy(network).eval()
    for path, module in list(folded.named_modules()):
        if parametrize.is_parametrized(module):
            # Not torch's `remove_parametrizations`: copies share the class that it changes.
            folded.set_submodule(path, plain(module), strict=True)
    return folded.requires_grad_(False)


@torch.no_grad()
def plain(module: nn.Module) -> nn.Conv2d:
    """A convolution with the weights that another has computed."""
    if not isinstance(module, nn.Conv2d):
        raise TypeError(f"can fold convolutions, not a {type(module).__name__}")
    with torch.device("meta"):
        conv = nn.Conv2d(
            module.in_channels,
            module.out_channels,
            module.kernel_size,  # type: ignore[arg-type]
            module.stride,  # type: ignore[arg-type]
            module.padding,  # type: ignore[arg-type]
            module.dilation,  # type: ignore[arg-type]
            module.groups,
            module.bias is not None,
            module.padding_mode,
        )
    conv.weight = nn.Parameter(module.weight.clone())
    conv.bias = module.bias
    return conv.eval()
