"""python -m train.spade: learn to synthesise photographs from their label maps alone.

Park, Liu, Wang, Zhu, "Semantic Image Synthesis with Spatially-Adaptive Normalization", CVPR 2019 (SPADE), with VGG16
instead of the paper's VGG19. To resume a stopped run, run the same command again: on a CPU the result is bit-identical.
OUT receives model.safetensors (for `python -m eval.baselines spade`), checkpoint.safetensors, run.yaml, previews/*.png
(labels | synthesised | photograph) and TensorBoard scalars.
"""

import sys

from train.loop.command_line import start
from train.recipes.spade import SpadeConfig, train


def main() -> int:
    """Run the command, and return its exit code."""
    return start(SpadeConfig, "python -m train.spade", __doc__ or "", train)


if __name__ == "__main__":
    sys.exit(main())
