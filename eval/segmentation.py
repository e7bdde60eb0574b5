"""How much of what a frame shows a method preserves: mean IoU of a segmenter's labels before and after.

The user's segmenter labels the render and each method's pictures. Its labels are compared with the class ids of the
frame files, where a method loses as much as it comes below the render, and with its own labels of the render.
The FCN score of Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017, sec. 4.1.

    python -m eval.segmentation --frames FRAMES --fake enhanced=OUT --segmenter FILE.onnx --classes classes.yaml \\
        --out segmentation.json

See datasets/labelling/taxonomy.py for the content of classes.yaml.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from eval.options import add_common
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    from epe.distributed.processes import ProcessGroup
    from eval.measuring.run import Measured


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m eval.segmentation", description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=Path, required=True, metavar="DIR", help="frame files with class ids")
    add_common(parser)
    parser.add_argument("--segmenter", type=Path, required=True, metavar="FILE.onnx", help="the segmenter")
    parser.add_argument(
        "--classes",
        type=Path,
        required=True,
        metavar="FILE.yaml",
        help="what the segmenter's numbers and the game's class names mean",
    )
    return parser


def measure(args: argparse.Namespace, _group: "ProcessGroup", _device: str) -> "Measured":
    """Counts of pixels of every method, and what they make.

    Raises:
        InputError: files that do not fit together.
    """
    from tqdm import tqdm

    from datasets.labelling.segmenter import Segmenter
    from datasets.labelling.taxonomy import read_taxonomy
    from epe import models
    from eval.inputs import RENDER, opened, with_render
    from eval.measuring.run import Measured, resample
    from eval.measuring.segmentation_metrics import agreements, segmentation_metrics, true_labels, values
    from eval.options import named

    folders = with_render(args.frames, named(args.fake))
    taxonomy = read_taxonomy(args.classes)
    segmenter = Segmenter(args.segmenter, taxonomy)
    methods = opened(folders)
    keys, classes = methods[RENDER].keys, tuple(taxonomy.classes)
    truth = tqdm(true_labels(args.frames, taxonomy), desc="frames", total=len(keys), unit="frame")
    found, pictures = agreements(truth, methods, segmenter, len(classes))
    if not found[RENDER].truth.truth.any():
        raise InputError(f"{args.frames}: no pixel is of a class that {args.classes} names; add some there.")
    rows, draws = segmentation_metrics(classes), resample(args, len(keys))
    return Measured(
        metrics=tuple(row.metric for row in rows),
        keys=keys,
        methods=methods,
        pictures=pictures,
        resampled=values({name: agreement.weighted(draws) for name, agreement in found.items()}, rows),
        frames=values(found, rows),
        protocol={
            "segmenter": f"{args.segmenter.name}, sha256 {models.digest(args.segmenter)}",
            "classes": f"{args.classes.name}, sha256 {models.digest(args.classes)}; "
            "pixels of other classes do not count",
            "means": "over the classes that the frames have; "
            "pixels of all frames are counted before anything is divided",
        },
    )


def main(args: argparse.Namespace) -> None:
    """Measure, write the record, print it."""
    from eval.measuring.run import run_measuring

    run_measuring("eval.segmentation", args, measure)


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
