"""python -m train.cut: train a frame-to-photograph translator that reads no G-buffers.

Park, Efros, Zhang, Zhu, "Contrastive Learning for Unpaired Image-to-Image Translation", ECCV 2020 (CUT). To resume a
stopped run, run the same command again: on a CPU the result is bit-identical. OUT receives model.safetensors (for
`python -m eval.baselines cut`), checkpoint.safetensors, run.yaml, previews/*.png (frame | translated | a photograph)
and TensorBoard scalars.
"""

import sys

from train.loop.command_line import start
from train.recipes.cut import CutConfig, train


def main() -> int:
    """Run the command, and return its exit code."""
    return start(CutConfig, "python -m train.cut", __doc__ or "", train)


if __name__ == "__main__":
    sys.exit(main())
