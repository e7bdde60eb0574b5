"""python -m train.epe: train the enhancer towards a set of photographs.

Richter, AlHaija, Koltun, "Enhancing Photorealism Enhancement", 2021. To resume a stopped run, run the same command
again: on a CPU the result is bit-identical. OUT receives model.safetensors (the averaged generator),
checkpoint.safetensors, run.yaml, previews/*.png (input | enhanced | matched photograph), TensorBoard scalars, and
left_out.txt if some frames were unfit for training.
"""

import sys

from train.loop.command_line import start
from train.recipes.epe_config import EPEConfig
from train.recipes.epe_run import train


def main() -> int:
    """Run the command, and return its exit code."""
    return start(EPEConfig, "python -m train.epe", __doc__ or "", train)


if __name__ == "__main__":
    sys.exit(main())
