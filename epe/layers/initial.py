"""First weights of the networks that follow CUT and SPADE."""

from torch import nn
from torch.nn.utils import parametrize

GAIN = 0.02


def xavier(network: nn.Module) -> None:
    """Xavier's normal weights (Glorot, Bengio 2010) times 0.02, biases 0.

    Spectrally normalised layers keep their weights: a gain would be divided out.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            if not parametrize.is_parametrized(module):
                nn.init.xavier_normal_(module.weight, gain=GAIN)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
