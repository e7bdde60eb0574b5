"""python -m train.codes: train a transformer over picture codes, to sample, complete and judge pictures.

The codes come from a first stage (train.vqgan, app.convert), which is not changed. Each picture may have a condition:
a label, or a map (class ids, G-buffers) with its own first stage. To resume a stopped run, run the same command again:
on a CPU the result is bit-identical. OUT receives model.safetensors, checkpoint.safetensors, run.yaml, previews/*.png
(condition, if it is a map | decoded picture | lower half sampled | all sampled) and TensorBoard scalars, including the
negative log-likelihood of pictures that the network is not trained on. Under torchrun, it runs in several processes.
"""

import sys

from train.loop.command_line import start
from train.recipes.coding.codes import CodesConfig, train


def main() -> int:
    """Run the command, and return its exit code."""
    return start(CodesConfig, "python -m train.codes", __doc__ or "", train)


if __name__ == "__main__":
    sys.exit(main())
