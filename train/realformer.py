"""python -m train.realformer paired | unpaired: train a generator that is shown what its pictures are to look like.

    paired      frames of low quality towards the same frames of high quality (gbuffer_tools.pairs makes them)
    unpaired    frames towards photographs, by the critics and matches of train.epe; begins with --initial, if given

The losses are the model card's (Denny 2024: L1, perceptual, style, total variation), their defects aside
(docs/realformer.md). Each has its own options: `python -m train.realformer paired --help`.
"""

import argparse
import sys

from train.loop.config import start
from train.recipes import realformer_paired, realformer_unpaired

PROG = "python -m train.realformer"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog=PROG, description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("way", choices=("paired", "unpaired"), help="what to train towards")
    way = parser.parse_args(sys.argv[1:2]).way
    module = realformer_paired if way == "paired" else realformer_unpaired
    return start(module.Config, f"{PROG} {way}", module.__doc__ or "", module.train, sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
