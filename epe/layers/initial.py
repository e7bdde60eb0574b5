"""Initial weights of the networks that follow CUT and SPADE."""

from torch import nn
from torch.nn.utils import parametrize

GAIN = 0.02


def xavier(network: nn.Module) -> None:
    """Initialise weights with Xavier's normal distribution (Glorot, Bengio 2010) and gain 0.02, and biases with 0.

    Spectrally normalised layers keep their weights, because the normalisation would divide out a gain.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            if not parametrize.is_parametrized(module):
                nn.init.xavier_normal_(module.weight, gain=GAIN)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
