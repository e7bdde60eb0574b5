"""python -m train.upscaler: train a network that enlarges pictures, optionally guided by a renderer's buffers.

It learns from large pictures, which it degrades, or from frames rendered at both sizes. To resume a stopped run, run
the same command again: on a CPU the result is bit-identical. OUT receives model.safetensors (the averaged network),
critic.safetensors (the discriminator, if there is one), checkpoint.safetensors, run.yaml, previews/*.png (bicubic |
enlarged | large) and TensorBoard scalars.
"""

import sys

from train.loop.command_line import start
from train.recipes.upscaler import UpscalerConfig, train


def main() -> int:
    """Run the command, and return its exit code."""
    return start(UpscalerConfig, "python -m train.upscaler", __doc__ or "", train)


if __name__ == "__main__":
    sys.exit(main())
