"""Activation checkpointing: activations inside a block are recomputed in the backward pass instead of being stored.

Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016: about a third more time for much less memory.
"""

from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint


def checkpoint_activations(network: nn.Module, blocks: tuple[type[nn.Module], ...]) -> None:
    """Make every outermost block of a network store only its inputs for the backward pass.

    Spectral norms must be frozen during the step (train/loop/power_iteration.py). Otherwise the recomputation would
    give different values from the forward pass.

    Args:
        network: its blocks are changed in place.
        blocks: classes of blocks that are called with tensors, such as `epe.generator.Generator.checkpointed`.
    """
    for child in network.children():
        if isinstance(child, blocks):
            # Set on the instance, so that weight names and earlier copies of the network do not change.
            again = partial(checkpoint, child.forward, use_reentrant=False, preserve_rng_state=False)
            setattr(child, "forward", again)  # noqa: B010
        else:
            checkpoint_activations(child, blocks)
