"""How much of each frame a method kept: its edges, its depth, and its class colours.

Pictures are compared with the render, and with the buffers that the frame files hold: classes and depth. Plain pictures
in place of frame files give only what needs no buffers. eval.segmentation measures what a segmenter still recognises.

    python -m eval.control --frames FRAMES --fake enhanced=OUT --out control.json
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
    parser = argparse.ArgumentParser(prog="python -m eval.control", description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=Path, required=True, metavar="DIR", help="frame files (or rendered pictures)")
    add_common(parser)
    parser.add_argument(
        "--depth", type=Path, metavar="FILE.onnx", help="a network that estimates inverse depth from one picture"
    )
    parser.add_argument(
        "--depth-multiple",
        type=int,
        default=14,
        metavar="PIXELS",
        help="what the sides that it is fed have to divide by, if it takes any size: 14 for Depth Anything, 32 for "
        "MiDaS (default %(default)s)",
    )
    return parser


def measure(args: argparse.Namespace) -> "Measured":
    """Every method's values frame by frame, and their means.

    Raises:
        InputError: files that do not fit together, or an option that makes no sense.
    """
    import numpy as np

    from epe import models
    from eval.fidelity.depth_network import DepthNetwork
    from eval.inputs import RENDER, opened, with_render
    from eval.measuring.class_colours import MIN_PIXELS, class_metrics, colour_values
    from eval.measuring.control_metrics import METRICS, measure_frames, shown_classes
    from eval.measuring.frame_values import means
    from eval.measuring.run import Measured, resample
    from eval.options import named

    if not 1 <= args.depth_multiple <= 1024:
        raise InputError(f"--depth-multiple: got {args.depth_multiple}, wanted 1 .. 1024")
    methods = opened(with_render(args.frames, named(args.fake)))
    network = DepthNetwork(args.depth, args.depth_multiple) if args.depth else None
    found = measure_frames(methods, network)
    if network and all(np.isnan(values["depth_si_rmse"]).all() for values in found.values.values()):
        raise InputError(f"{args.frames}: has no depth, which --depth compares with; extract it, or leave --depth out.")
    draws, classes = resample(args, len(methods[RENDER].keys)), shown_classes(found)
    whole, of_frames = (colour_values(found.sums, found.pixels, classes, drawn) for drawn in (draws, None))
    resampled = means(found.values, draws)
    metrics = [metric for metric in METRICS if any(metric.key in values for values in resampled.values())]
    protocol = {
        "compared with": "the render, frame by frame; means over frames of which all methods have a value",
        "edges": "Canny's, thresholds by each picture's own gradients, blur 1 px, within 1 px (eval/fidelity/edges.py)",
        "geometry": "where classes change, or inverse depth bends by more than 5 %",
        "colours": f"mean CIELAB (D65) over the pixels of each class in each frame, where it has {MIN_PIXELS} or more; "
        "then the mean over frames, by pixels; CIEDE2000 between the frames' means",
    }
    if network:
        protocol["depth"] = (
            f"{args.depth.name}, sha256 {models.digest(args.depth)}; inverse depth, scale and shift fitted by least "
            "squares; standard deviation of log depth"
        )
    return Measured(
        metrics=(*metrics, *class_metrics([name for name in classes if name])),
        keys=methods[RENDER].keys,
        methods=methods,
        pictures=found.digests,
        resampled={name: resampled[name] | whole[name] for name in methods},
        frames={name: found.values[name] | of_frames[name] for name in methods},
        protocol=protocol,
    )


def main(args: argparse.Namespace) -> None:
    """Measure, write the record, print it."""
    from eval.measuring.run import run_measuring

    run_measuring("eval.control", args, measure)


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
