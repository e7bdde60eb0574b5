"""python -m train.style: train the decoders of the photographic style transfers that an enhancer is compared with.

PhotoWCT (Li et al. 2018) or WCT2 (Yoo et al. 2019), by reconstruction: a decoder is to make of VGG16's features the
photograph that they came from, by squared errors of pixels and of features. Nothing is learnt of styles. The same
command again goes on with a run that was stopped, to the same bits. In OUT: model.safetensors, checkpoint.safetensors,
run.yaml, previews/*.png (photograph | reconstruction | in the style of the next one), TensorBoard's scalars.
"""

import sys

from train.loop.command_line import start
from train.recipes.style_transfer import StyleTransferConfig, train


def main() -> int:
    """The command."""
    return start(StyleTransferConfig, "python -m train.style", __doc__ or "", train)


if __name__ == "__main__":
    sys.exit(main())
