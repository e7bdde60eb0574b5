"""Spectral norms that move once a step, however often the network runs in it.

A spectrally normalised layer in training mode improves its estimate of the norm in every pass. A step of several
passes (micro-batches, or blocks computed again in the backward pass) would then see another network in each, and
depend on how it is cut into passes.
"""

import torch
from torch import nn
from torch.nn.utils import parametrize


def rest_norms(network: nn.Module) -> None:
    """Norms of weights that do not learn stay, too, in a network in training mode."""
    for module in network.modules():
        if parametrize.is_parametrized(module):
            for layer in module.parametrizations.values():  # type: ignore[operator]
                layer.train(layer.original.requires_grad)


@torch.no_grad()
def iterate_norms(network: nn.Module) -> None:
    """One power iteration of every spectral norm; the network is left in evaluation mode, in which they stay.

    The pass that follows gives the bits that it would have given in training mode. Nothing else in this project's
    generators depends on the mode, but the batch norm of epe/networks/enhancers/realformer_v1.py: it keeps the mean
    and the variance that it began with (0 and 1, or those of an initial model), and is a scale and a shift.
    """
    network.train()
    rest_norms(network)
    for module in network.modules():
        if parametrize.is_parametrized(module):
            for name in module.parametrizations:  # type: ignore[union-attr]
                getattr(module, name)
    network.eval()
