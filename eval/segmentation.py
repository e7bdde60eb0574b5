"""How much a segmenter recognises in pictures: mean IoU, and IoU of each class, with intervals over frames.

For methods: the segmenter labels the render and each method's pictures. Its labels are compared with the class ids of
the frame files, where a method loses as much as it falls below the render, and with its own labels of the render: the
FCN score of Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017, sec. 4.1.

    python -m eval.segmentation --frames FRAMES --fake enhanced=OUT --segmenter MODEL --out segmentation.json

For segmenters: several label the same frames, such as photographs that people labelled; each is compared with the
first, frame by frame. Files with the same name are seeds of one thing, and their values are averaged.

    python -m eval.segmentation --frames PHOTOS --segmenter town=A.safetensors --segmenter town=B.safetensors \\
        --segmenter enhanced=C.safetensors --out segmentation.json

A model from train.segmenter knows its classes. For another network, an ONNX file, --classes says what its numbers mean,
and for any segmenter, which of its classes are one; see datasets/labelling/taxonomy.py.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from eval.options import add_common
from gbuffer_tools.command import name_and_path, run
from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    from eval.measuring.run import Measured


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m eval.segmentation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=Path, required=True, metavar="DIR", help="frame files with class ids")
    add_common(parser, fakes=False)
    parser.add_argument(
        "--segmenter",
        action="append",
        required=True,
        metavar="[NAME=]FILE",
        help="model of train.segmenter, or ONNX network; repeat to compare segmenters",
    )
    parser.add_argument(
        "--classes",
        type=Path,
        metavar="FILE.yaml",
        help="what the segmenter's numbers and the frame files' class names mean (default: names that are equal)",
    )
    return parser


def measure(args: argparse.Namespace) -> "Measured":
    """Pixel counts of every method or segmenter, and the values made from them.

    Raises:
        InputError: files that do not fit together.
    """
    from tqdm import tqdm

    from epe import models
    from eval.inputs import opened, with_render
    from eval.measuring.run import Measured, resample
    from eval.measuring.segmentation_metrics import (
        agreements,
        averaged,
        check_names,
        open_alike,
        segmentation_metrics,
        true_labels,
        values,
    )
    from eval.options import named

    files = segmenter_files(args.segmenter)
    paths = [path for seeds in files.values() for path in seeds]
    if args.fake and len(paths) > 1:
        raise InputError(
            f"--fake: given with {len(paths)} segmenters, wanted one; judge methods with one segmenter, or several "
            "segmenters on the frames alone."
        )
    segmenters, taxonomy = open_alike(paths, args.classes)
    if args.classes:
        check_names(args.frames, taxonomy)
    if args.fake:
        methods = opened(with_render(args.frames, named(args.fake)))
        labelled = {(name, 0): (images, segmenters[paths[0]]) for name, images in methods.items()}
    else:
        methods = opened(dict.fromkeys(files, args.frames))
        labelled = {
            (name, seed): (methods[name], segmenters[path])
            for name, seeds in files.items()
            for seed, path in enumerate(seeds)
        }
    keys, classes = next(iter(methods.values())).keys, tuple(taxonomy.classes)
    truth = tqdm(true_labels(args.frames, taxonomy), desc="frames", total=len(keys), unit="frame")
    found, pictures = agreements(truth, labelled, len(classes))
    if not next(iter(found.values())).truth.truth.any():
        raise InputError(
            f"{args.frames}: no pixel is of a class that {args.classes or 'the segmenter'} names; pass other --classes."
        )
    rows, draws = segmentation_metrics(classes, of_methods=bool(args.fake)), resample(args, len(keys))
    return Measured(
        metrics=tuple(row.metric for row in rows),
        keys=keys,
        methods=methods,
        pictures={name: pictures[name, 0] for name in methods},
        resampled=averaged(values({name: agreement.weighted(draws) for name, agreement in found.items()}, rows)),
        frames=averaged(values(found, rows)),
        protocol={
            "segmenter": "; ".join(
                f"{name}: {path.name}, sha256 {models.digest(path)}" for name, seeds in files.items() for path in seeds
            ),
            "classes": f"{args.classes.name}, sha256 {models.digest(args.classes)}" if args.classes else "by name",
            "means": "over the classes that the frames have; pixels of other classes do not count; pixels of all "
            "frames are counted before anything is divided; values of files of one name are averaged",
        },
    )


def segmenter_files(texts: list[str]) -> dict[str, list[Path]]:
    """The files of --segmenter by name: NAME=FILE, or FILE, whose last part is then the name; several may share a name.

    Raises:
        InputError: an empty name, or a file that occurs twice.
    """
    files: dict[str, list[Path]] = {}
    for text in texts:
        given, file = name_and_path(text)
        path = Path(file)
        name = path.name if given is None else given
        if not name or any(path in paths for paths in files.values()):
            raise InputError(
                f"--segmenter {text}: got the name {name!r} or a file twice, wanted NAME=FILE, each file once"
            )
        files.setdefault(name, []).append(path)
    return files


def main(args: argparse.Namespace) -> None:
    """Measure, write the record, print it."""
    from eval.measuring.run import run_measuring

    run_measuring("eval.segmentation", args, measure)


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
