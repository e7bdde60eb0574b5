"""python -m train.epe: train the enhancer towards a set of photographs.

Richter, AlHaija, Koltun, "Enhancing Photorealism Enhancement", 2021. The same command again goes on with a run that
was stopped, to the same bits. In OUT: model.safetensors (the averaged generator), checkpoint.safetensors, run.yaml,
previews/*.png (input | enhanced | matched photograph), TensorBoard's scalars, and left_out.txt where frames were not
fit to be fed to a network.
"""

import sys

from train.loop.command_line import start
from train.recipes.epe_config import EPEConfig
from train.recipes.epe_run import train


def main() -> int:
    """The command."""
    return start(EPEConfig, "python -m train.epe", __doc__ or "", train)


if __name__ == "__main__":
    sys.exit(main())
