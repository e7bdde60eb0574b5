"""python -m train.style: train decoders for the photographic style transfers that an enhancer is compared with.

PhotoWCT (Li et al. 2018) or WCT2 (Yoo et al. 2019), by reconstruction: a decoder learns to recover a photograph from
its VGG16 features, with squared pixel and feature errors as losses. It learns no styles. To resume a stopped run, run
the same command again: on a CPU the result is bit-identical. OUT receives model.safetensors, checkpoint.safetensors,
run.yaml, previews/*.png (photograph | reconstruction | in the style of the next photograph) and TensorBoard scalars.
"""

import sys

from train.loop.command_line import start
from train.recipes.style_transfer import StyleTransferConfig, train


def main() -> int:
    """Run the command, and return its exit code."""
    return start(StyleTransferConfig, "python -m train.style", __doc__ or "", train)


if __name__ == "__main__":
    sys.exit(main())
