"""`python -m tests.train.with_blocks …`: train.codes in a process of its own, with a stand-in for the VQGAN."""

import sys

from epe.networks import generators
from tests.epe.networks.codes.made import Blocks, build_blocks
from train.codes import main

if __name__ == "__main__":
    generators.OTHERS[Blocks.kind] = build_blocks
    sys.exit(main())
