"""python -m train.vqgan: train an autoencoder whose latents are codes, for images, class maps or G-buffers.

The discriminator learns before its loss counts: an untrained one ruins pictures. To resume a stopped run, run the same
command again: the result is the same to the bit. OUT receives model.safetensors, checkpoint.safetensors, run.yaml,
previews/*.png (picture | reconstruction) and TensorBoard scalars.
"""

import sys

from train.loop.command_line import start
from train.recipes.coding.vqgan import VQGANConfig, train


def main() -> int:
    """Run the command, and return its exit code."""
    return start(VQGANConfig, "python -m train.vqgan", __doc__ or "", train)


if __name__ == "__main__":
    sys.exit(main())
