"""python -m train.codes: train a transformer over the codes of pictures, to sample, complete and judge pictures.

The codes are those of a first stage (train.vqgan, app.convert), which stays as it is. A condition may be given with
each picture: a label, or a map (class ids, G-buffers) with a first stage of its own. To resume a stopped run, run the
same command again: the result is the same to the bit. OUT receives model.safetensors, checkpoint.safetensors, run.yaml,
previews/*.png (condition, if it is a map | picture, decoded | its lower half drawn anew | all drawn) and TensorBoard
scalars, with the negative log-likelihood of pictures that the network does not learn from. torchrun starts several
processes.
"""

import sys

from train.loop.command_line import start
from train.recipes.coding.codes import CodesConfig, train


def main() -> int:
    """Run the command, and return its exit code."""
    return start(CodesConfig, "python -m train.codes", __doc__ or "", train)


if __name__ == "__main__":
    sys.exit(main())
