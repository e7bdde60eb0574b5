"""python -m train.spade: learn to make photographs from their label maps alone.

Park, Liu, Wang, Zhu, "Semantic Image Synthesis with Spatially-Adaptive Normalization", CVPR 2019 (SPADE). The same
command again goes on with a run that was stopped, to the same bits. In OUT: model.safetensors, for
`python -m eval.baselines spade`, checkpoint.safetensors, run.yaml, previews/*.png (labels | made | photograph) and
TensorBoard's scalars. VGG16 is in the place of the paper's VGG19.
"""

import sys

from train.loop.command_line import start
from train.recipes.spade import SpadeConfig, train


def main() -> int:
    """The command."""
    return start(SpadeConfig, "python -m train.spade", __doc__ or "", train)


if __name__ == "__main__":
    sys.exit(main())
