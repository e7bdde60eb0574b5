"""python -m train.vqgan: train an autoencoder whose latents are codes, for images, class maps or G-buffers.

The discriminator learns before its loss counts: an untrained one ruins pictures. To resume a stopped run, run the same
command again: the result is the same to the bit. OUT receives model.safetensors, checkpoint.safetensors, run.yaml,
previews/*.png (picture | reconstruction) and TensorBoard scalars.

torchrun starts several processes, each with --batch crops of a step. Two processes make the steps of one with twice the
batch: gradients, the critic's normalisation and adaptive weight, use of codes, restarts and k-means are those of the
whole batch. Only rounding differs, as sums are added up in another order, so not the bits. A run may go on in another
number of processes; --batch times their number has to stay the same.
"""

import sys

from train.loop.command_line import start
from train.recipes.coding.vqgan import VQGANConfig, train


def main() -> int:
    """Run the command, and return its exit code."""
    return start(VQGANConfig, "python -m train.vqgan", __doc__ or "", train)


if __name__ == "__main__":
    sys.exit(main())
