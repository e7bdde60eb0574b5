"""python -m train.segmenter: train a small U-Net that labels each pixel of a picture.

It learns from labelled photographs or frames; `python -m datasets.label --method segmenter` and `python -m
eval.segmentation` use it. To resume a stopped run, run the same command again: on a CPU the result is bit-identical.
OUT receives model.safetensors, checkpoint.safetensors, run.yaml, previews/*.png (crop | its labels | found labels) and
TensorBoard scalars, including the mIoU on labelled pictures that the network is not trained on.
"""

import sys

from train.loop.command_line import start
from train.recipes.segmenter import SegmenterConfig, train


def main() -> int:
    """Run the command, and return its exit code."""
    return start(SegmenterConfig, "python -m train.segmenter", __doc__ or "", train)


if __name__ == "__main__":
    sys.exit(main())
