"""What `make codes` needs besides commands: pictures and masks to complete, and how well drawn pictures fit their maps.

    python -m benchmarks.code_pictures prepare PHOTOS OUT        # OUT/truth: shrunk pictures; OUT/white: white masks
    python -m benchmarks.code_pictures lower PICTURES OUT        # their lower halves, which app.sample --complete draws
    python -m benchmarks.code_pictures agreement MAPS WITH WITHOUT

`agreement` compares label maps: those that pictures were drawn from, those of the pictures drawn from them, with the
same names, and those of pictures drawn from nothing. A map's chance level is the mean over all of the last. It prints
the share of equal pixels, with 95 % intervals over maps.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.seeds import mean_and_ends
from datasets.coding.conditions import label_maps
from datasets.images import Images, write_png
from datasets.labelling.taxonomy import Labels
from datasets.photos import Photos
from eval.metrics.bootstrap import draw_resamples
from eval.records.estimate import estimate
from eval.reporting.markdown import markdown_table
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.resampling import nearest

RESAMPLES = 1000


def prepare(args: argparse.Namespace) -> None:
    """Write the pictures at training height, cut to whole codes, and a white mask for each."""
    photos = Photos(args.photos, args.height)
    for number, key in enumerate(photos.keys):
        picture = photos[number]
        height, width = (size - size % args.code for size in picture.shape[:2])
        write_png(args.out / "truth" / f"{key}.png", picture[:height, :width])
        write_png(args.out / "white" / f"{key}.png", np.full((height, width), 255, np.uint8))
    print(f"{args.out}: {len(photos)} pictures and masks")


def lower(args: argparse.Namespace) -> None:
    """Write the lower halves of pictures, in whole codes; the upper ones were given, and prove nothing."""
    pictures = Images(args.pictures)
    for key, picture in zip(pictures.keys, pictures, strict=True):
        write_png(args.out / f"{key}.png", picture[(len(picture) // args.code + 1) // 2 * args.code :])
    print(f"{args.out}: the lower halves of {len(pictures)} pictures")


def read_labels(folder: Path) -> dict[str, Labels]:
    """Return the label maps of a folder by key, (h, w).

    Raises:
        InputError: there are no maps, or they cannot be read.
    """
    return {key: read() for key, read in label_maps(folder)[1].items()}


def equal(drawn: Labels, wanted: Labels) -> float:
    """Return the share of a drawn picture's pixels whose label equals that of a map, resized to the picture."""
    return float((drawn == nearest(wanted, (drawn.shape[0], drawn.shape[1]))).mean())


def agreement(args: argparse.Namespace) -> None:
    """Print how well pictures fit the maps that they were drawn from, and how well others do by chance.

    Raises:
        InputError: a map has no picture.
    """
    maps, by_maps, free = (read_labels(folder) for folder in (args.maps, args.with_maps, args.without))
    missing = [key for key in by_maps if key not in maps]
    if missing:
        raise InputError(f"{args.maps}: has no map {missing[0]!r}, by which a picture in {args.with_maps} was drawn.")
    fits = np.array([equal(drawn, maps[key]) for key, drawn in by_maps.items()])
    chance = np.array([np.mean([equal(drawn, maps[key]) for drawn in free.values()]) for key in by_maps])
    weights = draw_resamples(np.arange(len(fits)), count=RESAMPLES, seed=0)
    weights /= weights.sum(axis=1, keepdims=True)
    found = {"drawn by maps": fits, "drawn by nothing": chance, "difference": fits - chance}
    rows = ((name, mean_and_ends([estimate(weights @ values)], digits=3)) for name, values in found.items())
    print(markdown_table(["pictures", "share of pixels that fit"], rows, numbers=False))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.code_pictures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("prepare", help="shrink pictures, and write masks")
    one.add_argument("photos", type=Path, metavar="PHOTOS")
    one.add_argument("out", type=Path, metavar="OUT")
    one.add_argument("--height", type=int, default=270, metavar="N", help="(default: %(default)s)")
    one.set_defaults(work=prepare)
    half = commands.add_parser("lower", help="cut lower halves out of pictures")
    half.add_argument("pictures", type=Path, metavar="PICTURES")
    half.add_argument("out", type=Path, metavar="OUT")
    half.set_defaults(work=lower)
    for each in (one, half):
        each.add_argument(
            "--code", type=int, default=8, metavar="N", help="a code's side in pixels (default: %(default)s)"
        )
    other = commands.add_parser(
        "agreement", help="compare label maps of drawn pictures with the maps they were drawn by"
    )
    other.add_argument("maps", type=Path, metavar="MAPS")
    other.add_argument("with_maps", type=Path, metavar="WITH")
    other.add_argument("without", type=Path, metavar="WITHOUT")
    other.set_defaults(work=agreement)
    return parser


def main(args: argparse.Namespace) -> None:
    """Run the chosen subcommand."""
    args.work(args)


if __name__ == "__main__":
    raise SystemExit(run(main, build_parser()))
