"""How much of what a frame shows a method preserves: mean IoU of a segmenter's labels before and after.

A segmenter of the user's looks at the render and at each method's pictures. Its labels are compared with the class ids
of the frame files (how far below the render's own a method comes is what it loses), and with its labels of the render.
The FCN score of Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017, sec. 4.1.

    python -m eval.segmentation --frames FRAMES --fake enhanced=OUT --segmenter FILE.onnx --classes classes.yaml \\
        --out segmentation.json

eval/metrics/segmenter.py tells what classes.yaml holds.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eval.options import add_common
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    from datasets.images import Images
    from eval.metrics.iou import Counts
    from eval.metrics.segmenter import Labels, Pixels, Taxonomy
    from eval.records.scores import Array, Metric, Scores

RENDER = "render"


@dataclass(frozen=True)
class Agreement:
    """A method's labels over all frames.

    Attributes:
        truth: pixels per frame and class (F, C), against the class ids of the frame files.
        render: likewise, against the segmenter's labels of the render.
        digest: of the pictures.
    """

    truth: "Counts"
    render: "Counts"
    digest: str


def frames_of(folder: Path, taxonomy: "Taxonomy") -> "Iterator[tuple[str, Labels]]":
    """Key and classes (H, W) of every frame of a folder of frame files.

    Raises:
        InputError: a file has no class ids, or none of the files has a class that the taxonomy names.
    """
    from gbuffer_tools.schema import Shard, shards

    wanted = {name for meaning in taxonomy.classes.values() for name in meaning.game}
    paths = shards(folder)
    known: set[str] = set()
    for path in paths:
        with Shard(path) as shard:
            known |= set(shard.header.classes)
            if "class" not in shard.ids:
                raise InputError(f"{path}: has no ids/class, which pictures are compared with; extract them.")
    if wanted - known:
        raise InputError(
            f"{folder}: has no class {min(wanted - known)!r}; it has {', '.join(sorted(known))}. Change --classes."
        )
    for path in paths:
        with Shard(path) as shard:
            table = taxonomy.of_game(shard.header.classes)
            for i, name in enumerate(shard.names):
                yield f"{path.stem}/{name}", table[shard.id("class", i)]


def agreements(
    truth: "Iterable[tuple[str, Labels]]",
    methods: "Mapping[str, Images]",
    segment: "Callable[[Pixels], Labels]",
    classes: int,
) -> dict[str, Agreement]:
    """Every method's counts, frames in the order of the pictures' keys.

    Args:
        truth: key and classes of every frame, in any order.
        methods: by name; the first one is the render.
        segment: picture -> classes.
        classes: C.

    Raises:
        InputError: pictures of another size than the frame's.
    """
    import numpy as np

    from eval.features.store import digest_of
    from eval.metrics.iou import Counts, confusion, counts
    from eval.records.skvd_record import digest

    keys = next(iter(methods.values())).keys
    places = {key: place for place, key in enumerate(keys)}
    # To the truth and to the render: both, either, truth. Not the confusion matrices: of many classes they are large.
    tables = {name: np.zeros((2, 3, len(keys), classes), np.int64) for name in methods}
    contents: dict[str, dict[str, bytes]] = {name: {} for name in methods}
    for key, labels in truth:
        place, rendered = places[key], None
        for name, images in methods.items():
            picture = images[place]
            if picture.shape[:2] != labels.shape:
                raise InputError(
                    f"{images.path(place)}: {picture.shape[1]}x{picture.shape[0]} pixels, wanted "
                    f"{labels.shape[1]}x{labels.shape[0]} as the frame has."
                )
            contents[name][key] = digest_of(picture)
            seen = segment(picture)
            rendered = seen if rendered is None else rendered
            for table, wanted in zip(tables[name], (labels, rendered), strict=True):
                found = counts(confusion(wanted, seen, classes))
                table[:, place] = found.both, found.either, found.truth
    return {
        name: Agreement(Counts(*truth), Counts(*render), digest(contents[name]))
        for name, (truth, render) in tables.items()
    }


def metrics(classes: Iterable[str]) -> "tuple[Metric, ...]":
    """What is measured."""
    from eval.records.scores import Metric

    of = "of the segmenter's labels with the frames' classes"
    return (
        Metric("miou", "mIoU", "higher", f"mean intersection over union {of}"),
        Metric("pixel_accuracy", "pixel accuracy", "higher", "share of the classes' pixels that are labelled so"),
        Metric("miou_render", "mIoU to the render", "higher", "the same with the segmenter's labels of the render"),
        *(Metric(f"iou_{name}", f"IoU, {name}", "higher", f"intersection over union {of}") for name in classes),
    )


def values(found: Agreement, classes: Iterable[str]) -> "dict[str, Array]":
    """By measure, one value per row of counts."""
    from eval.metrics.iou import accuracy, iou, mean_iou

    return {
        "miou": mean_iou(found.truth),
        "pixel_accuracy": accuracy(found.truth),
        "miou_render": mean_iou(found.render),
    } | {f"iou_{name}": column for name, column in zip(classes, iou(found.truth).T, strict=True)}


def judge(args: argparse.Namespace) -> "Scores":
    """Measure every method.

    Raises:
        InputError: files that do not fit together.
    """
    import numpy as np
    from tqdm import tqdm

    from epe import models
    from eval.inputs import opened, relative
    from eval.kvd.layers import draw_resamples
    from eval.metrics.segmenter import Segmenter, read_taxonomy
    from eval.options import named
    from eval.records import scores

    folders = named(args.fake)
    if RENDER in folders:
        raise InputError(f"--fake {RENDER}=…: the frame files are the render; give methods other names.")
    taxonomy = read_taxonomy(args.classes)
    segmenter = Segmenter(args.segmenter, taxonomy)
    methods, base = opened({RENDER: args.frames} | folders), args.out.resolve().parent
    keys, classes = methods[RENDER].keys, tuple(taxonomy.classes)
    truth = tqdm(frames_of(args.frames, taxonomy), desc="frames", total=len(keys), unit="frame")
    found = agreements(truth, methods, segmenter, len(classes))
    if not found[RENDER].truth.truth.any():
        raise InputError(f"{args.frames}: no pixel is of a class that {args.classes} names; add some there.")
    weights = draw_resamples(np.arange(len(keys)), count=args.resamples, seed=args.seed)
    draws: dict[str, dict[str, Array]] = {}
    rows = []
    for name, agreement in found.items():
        resampled = Agreement(agreement.truth.weighted(weights), agreement.render.weighted(weights), agreement.digest)
        draws[name], frames = values(resampled, classes), values(agreement, classes)
        if name == RENDER:  # which is not compared with itself
            del draws[name]["miou_render"], frames["miou_render"]
        first = draws[RENDER] if name != RENDER else {}
        rows.append(
            scores.method(name, relative(methods[name].folder, base), agreement.digest, draws[name], first, frames)
        )
    protocol = {
        "segmenter": f"{args.segmenter.name}, sha256 {models.digest(args.segmenter)}",
        "classes": f"{args.classes.name}, sha256 {models.digest(args.classes)}; pixels of other classes do not count",
        "means": "over the classes that the frames have; pixels of all frames are counted before anything is divided",
        "intervals": scores.intervals(args.resamples, args.seed),
    }
    return scores.scores("eval.segmentation", metrics(classes), keys, tuple(rows), None, protocol)


def build_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    parser = argparse.ArgumentParser(prog="python -m eval.segmentation", description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=Path, required=True, metavar="DIR", help="frame files with class ids")
    add_common(parser)
    parser.add_argument("--segmenter", type=Path, required=True, metavar="FILE.onnx", help="a network that labels")
    parser.add_argument(
        "--classes", type=Path, required=True, metavar="FILE.yaml", help="what its numbers and the game's names mean"
    )
    return parser


def main(args: argparse.Namespace) -> None:
    """Measure, write, print."""
    from eval.options import check_common

    check_common(args)
    from eval.records import scores
    from eval.reporting.tables import text

    found = judge(args)
    scores.write(found, args.out)
    print(text(found))


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
