"""How steady enhanced frames are: the warping error between consecutive frames, compared with that of the renders.

Lai et al., "Learning Blind Video Temporal Consistency", ECCV 2018. A pixel's motion to the next frame comes from the
depth and cameras of the frame files if they have them, otherwise from optical flow between the renders; pixels that the
next frame does not show are left out. The order of frames is that in the frame files; the record says whether their
times confirm it.

    python -m eval.temporal --frames FRAMES --fake enhanced=OUT --out temporal.json
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from eval.options import add_common
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    from eval.measuring.run import Measured


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m eval.temporal", description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=Path, required=True, metavar="DIR", help="frame files, frames in their order")
    add_common(parser)
    parser.add_argument(
        "--motion",
        choices=("auto", "cameras", "flow"),
        default="auto",
        help="cameras: by depth and cameras of the frame files, exact for everything that does not move by itself; "
        "flow: by optical flow of the renders; auto: by cameras where there are any (default)",
    )
    return parser


def measure(args: argparse.Namespace) -> "Measured":
    """Warping errors of every method step by step, and their means.

    Raises:
        InputError: frames and pictures that do not fit together, or no two consecutive frames.
    """
    from eval.inputs import opened, with_render
    from eval.measuring.run import Measured, resample
    from eval.measuring.warping_metrics import MIN_SEEN, WARPING_METRICS, measured_steps, order_of, values
    from eval.options import named

    methods = opened(with_render(args.frames, named(args.fake)))
    every, pictures = measured_steps(methods, args.motion)
    steps = [step for step in every if step.errors]
    if not steps:
        raise InputError(
            f"{args.frames}: none of {len(every)} steps shows {MIN_SEEN:.0%} of a frame again; wanted frame files of "
            "frames that follow each other closely."
        )
    motions = sorted({step.motion for step in steps})
    order = order_of(args.frames)
    counted = f"{len(steps)} of {len(every)}; the others show less than {MIN_SEEN:.0%} of a frame again"
    return Measured(
        metrics=tuple(row.metric for row in WARPING_METRICS),
        keys=tuple(f"{step.here} → {step.there}" for step in steps),
        methods=methods,
        pictures=pictures,
        resampled=values(steps, resample(args, len(steps))),
        frames=values(steps),
        protocol={
            "steps": counted,
            "order": order,
            "seen again": f"{sum(step.seen for step in steps) / len(steps):.0%} of a frame in the mean",
            "motion": " and ".join("depth and cameras" if m == "cameras" else "flow of the renders" for m in motions),
            "occlusion": "forward and backward motion do not meet, or a motion's boundary (Lai et al. 2018)",
        },
        resampled_unit="steps",
        heading=f"steps: {counted}\norder of frames: {order}",
    )


def main(args: argparse.Namespace) -> None:
    """Measure, write the record, print it."""
    from eval.measuring.run import run_measuring

    run_measuring("eval.temporal", args, measure)


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
