"""Activation checkpointing: what is inside a block is not kept for the backward pass but computed again there.

Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016: about a third more time for much less memory.
"""

from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint


def checkpoint_activations(network: nn.Module, blocks: tuple[type[nn.Module], ...]) -> None:
    """Make every outermost block of a network keep its inputs alone.

    Norms have to stay while it runs (train/loop/power_iteration.py), or the second computation would be another one.

    Args:
        network: whose blocks.
        blocks: classes of blocks that are called with tensors, such as `epe.generator.Generator.checkpointed`.
    """
    for child in network.children():
        if isinstance(child, blocks):
            # An attribute of this instance: names of weights, and copies made before, stay as they are.
            again = partial(checkpoint, child.forward, use_reentrant=False, preserve_rng_state=False)
            setattr(child, "forward", again)  # noqa: B010
        else:
            checkpoint_activations(child, blocks)
