"""python -m train.realformer paired | unpaired: train a generator that takes its style from a reference image.

    paired      from low-quality frames to the same frames in high quality (gbuffer_tools.pairs makes the pairs)
    unpaired    from frames to photographs, with the critics and matches of train.epe; starts from --initial, if given

The losses are those of the model card (Denny 2024: L1, perceptual, style, total variation) without their defects
(docs/realformer.md). Each has its own options: `python -m train.realformer paired --help`.
"""

import argparse
import sys

from gbuffer_tools.command import say_mistakes_in_a_line
from train.loop.command_line import start
from train.recipes import realformer_paired, realformer_unpaired
from train.recipes.realformer_paired import PairedConfig
from train.recipes.realformer_unpaired import UnpairedConfig

PROG = "python -m train.realformer"


def main() -> int:
    """Run the command, and return its exit code."""
    parser = argparse.ArgumentParser(prog=PROG, description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("way", choices=("paired", "unpaired"), help="kind of training data")
    say_mistakes_in_a_line(parser)
    way = parser.parse_args(sys.argv[1:2]).way
    prog, rest = f"{PROG} {way}", sys.argv[2:]
    if way == "paired":
        return start(PairedConfig, prog, realformer_paired.__doc__ or "", realformer_paired.train, rest)
    return start(UnpairedConfig, prog, realformer_unpaired.__doc__ or "", realformer_unpaired.train, rest)


if __name__ == "__main__":
    sys.exit(main())
