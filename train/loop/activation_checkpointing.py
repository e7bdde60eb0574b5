"""Blocks whose inner activations are not kept for the backward pass but computed again there.

Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016: about a third more time for much less memory.
"""

from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from epe.layers.convolutions import ScaledBlock, SpectralBlock
from epe.networks.enhancers import realformer, realformer_v1, realformer_v2
from epe.networks.enhancers.hrnet import Block, PlainBlock
from epe.networks.enhancers.lite import Residual

# The blocks that all generators consist of, RADs and their towers included.
BLOCKS = (
    Block, PlainBlock, SpectralBlock, ScaledBlock, Residual,
    realformer.EncoderBlock, realformer.DecoderBlock, realformer.WindowBlock,
    realformer_v1.EncoderBlock, realformer_v1.DecoderBlock, realformer_v1.WindowBlock,
    realformer_v2.Block,
)  # fmt: skip


def rematerialise(network: nn.Module) -> None:
    """Make every outermost block of a generator keep its inputs alone.

    Its norms have to stay while it runs (train/loop/spectral.py), or the second computation would be another one.
    """
    for child in network.children():
        if isinstance(child, BLOCKS):
            # An attribute of this instance: names of weights, and copies made before, stay as they are.
            again = partial(checkpoint, child.forward, use_reentrant=False, preserve_rng_state=False)
            setattr(child, "forward", again)  # noqa: B010
        else:
            rematerialise(child)
