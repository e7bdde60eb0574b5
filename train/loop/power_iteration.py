"""Spectral norms that are updated once per training step, however often the network runs in that step.

A spectrally normalised layer in training mode refines its estimate of the norm in every pass. A step with several
passes (micro-batches, or blocks recomputed in the backward pass) would then use a different network in each pass, and
its result would depend on how the step is divided into passes.
"""

import torch
from torch import nn
from torch.nn.utils import parametrize


def rest_norms(network: nn.Module) -> None:
    """Freeze the spectral norms of frozen weights, which would otherwise change in training mode."""
    for module in network.modules():
        if parametrize.is_parametrized(module):
            for layer in module.parametrizations.values():  # type: ignore[operator]
                layer.train(layer.original.requires_grad)


@torch.no_grad()
def iterate_norms(network: nn.Module) -> None:
    """Run one power iteration of every spectral norm, then freeze the norms by switching to evaluation mode.

    The next pass gives the same bits as it would in training mode. Only one other layer of this project's
    generators depends on the mode, the batch norm of epe/networks/enhancers/realformer_v1.py: it keeps its initial
    mean and variance (0 and 1, or those of an initial model), so it acts as a scale and a shift.
    """
    network.train()
    rest_norms(network)
    for module in network.modules():
        if parametrize.is_parametrized(module):
            for name in module.parametrizations:  # type: ignore[union-attr]
                getattr(module, name)
    network.eval()
