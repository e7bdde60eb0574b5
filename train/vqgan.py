"""python -m train.vqgan: train an autoencoder whose latents are codes, for images, class maps or G-buffers.

The discriminator trains before its loss counts, because an untrained one ruins pictures. To resume a stopped run, run
the same command again: on a CPU the result is bit-identical. OUT receives model.safetensors, checkpoint.safetensors,
run.yaml, previews/*.png (picture | reconstruction) and TensorBoard scalars.

Under torchrun, it runs in several processes, each with --batch crops per step. Two processes take the same steps as one
with twice the batch: gradients, the critic's normalisation and adaptive weight, code usage, restarts and k-means are
those of the whole batch. Only rounding differs, because sums are added in another order, so results are not
bit-identical. A run may resume with another number of processes; --batch times their number must stay the same.
"""

import sys

from train.loop.command_line import start
from train.recipes.coding.vqgan import VQGANConfig, train


def main() -> int:
    """Run the command, and return its exit code."""
    return start(VQGANConfig, "python -m train.vqgan", __doc__ or "", train)


if __name__ == "__main__":
    sys.exit(main())
