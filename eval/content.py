"""How much of each frame a method kept (PSNR, SSIM, LPIPS), and how natural the result looks by itself (NIQE).

PSNR, SSIM, LPIPS and ST-LPIPS compare a picture with the first method's, which should be the render. They say how far a
method moved, not whether it improved. NIQE judges one picture alone.

    python -m eval.content --fake render=FRAMES --fake enhanced=OUT --out content.json

If there is a right answer, such as the same frames rendered well, compare with that instead:

    python -m eval.content --fake cheap=LOW --fake enhanced=OUT --truth HIGH --out truth.json
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from eval.options import add_common
from gbuffer_tools.command import run

if TYPE_CHECKING:
    from eval.measuring.run import Measured


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m eval.content", description=__doc__.splitlines()[0])
    add_common(parser)
    parser.add_argument(
        "--truth", type=Path, metavar="DIR", help="the right answers: compare all methods with these pictures, by name"
    )
    parser.add_argument("--real", type=Path, metavar="DIR", help="photographs, whose NIQE shows what is natural")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default %(default)s)")
    return parser


def measure(args: argparse.Namespace) -> "Measured":
    """Every method's values frame by frame, and their means.

    Raises:
        InputError: folders or pictures that do not fit together.
    """
    from datasets.images import Images
    from datasets.runtime.device import device_of
    from eval.digests import folder_digest, pixel_digest
    from eval.inputs import opened, relative
    from eval.measuring.frame_values import frame_values, means, photographs
    from eval.measuring.picture_metrics import paired, single
    from eval.measuring.run import Measured, resample
    from eval.options import named

    methods = opened(named(args.fake))
    first = next(iter(methods))
    truth = opened({first: methods[first].folder, "--truth": args.truth})["--truth"] if args.truth else None
    compare, judge = paired(device_of(args.device), truth=truth is not None), single()
    frames, pictures = frame_values(methods, truth, compare, judge)
    keys = methods[first].keys
    reference = first
    if truth is not None:
        digest = folder_digest({key: pixel_digest(truth[i]) for i, key in enumerate(keys)})
        reference = f"the truth ({relative(truth.folder, args.out.resolve().parent)}, sha256 {digest})"
    return Measured(
        metrics=(*compare, *judge),
        keys=keys,
        methods=methods,
        pictures=pictures,
        resampled=means(frames, resample(args, len(keys))),
        frames=frames,
        photos=photographs(Images(args.real), methods[first][0].shape[0], judge) if args.real else None,
        protocol={
            "compared with": f"{reference}, frame by frame; means over frames of which all methods have a value",
            "photographs": "reduced to the frames' height",
        },
    )


def main(args: argparse.Namespace) -> None:
    """Measure, write the record, print it."""
    from eval.measuring.run import run_measuring

    run_measuring("eval.content", args, measure)


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
