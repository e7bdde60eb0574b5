"""How far whole sets of pictures are from photographs: distribution distances, precision and recall, style.

FID, KID, CMMD, precision and recall, and the same formulas on VGG16. They compare what pictures show as well as how
they look: a method that invents what the photographs are full of gets nearer to them. Read them beside eval.skvd, which
compares like with like.

    python -m eval.sets --fake render=FRAMES --fake enhanced=OUT --real PHOTOS --out sets.json

With --fake-labels and --real-labels, power spectra are also compared class by class.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from eval.options import add_common, add_photo_filter
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    from epe.distributed.processes import ProcessGroup
    from eval.measuring.run import Array, Measured
    from eval.records.scores_record import Metric


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m eval.sets", description=__doc__.splitlines()[0])
    add_common(parser)
    parser.add_argument("--real", type=Path, required=True, metavar="DIR", help="photographs")
    add_photo_filter(parser)
    parser.add_argument(
        "--fake-labels", type=Path, metavar="DIR", help="label maps of the frames: spectra by class, too"
    )
    parser.add_argument("--real-labels", type=Path, metavar="DIR", help="label maps of the photographs")
    parser.add_argument("--vgg", type=Path, metavar="FILE", help="VGG16 weights (default: the fetched ones)")
    parser.add_argument(
        "--style", action="store_true", help="add distances of Gram matrices, which take 1.2 MB of memory per picture"
    )
    parser.add_argument(
        "--inception", type=Path, metavar="FILE", help="weights for FID and KID (default: the fetched, if any)"
    )
    parser.add_argument("--clip", type=Path, metavar="FILE", help="weights for CMMD (default: the fetched, if any)")
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="folder in which features are kept, by content (default: the user's cache)",
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default %(default)s)")
    return parser


def measure(args: argparse.Namespace, group: "ProcessGroup", device: str) -> "Measured":
    """Every method's values with every network there is.

    Raises:
        InputError: folders, pictures or weights that do not fit together.
    """
    from datasets.images import Images
    from eval.inputs import opened
    from eval.measuring.class_spectra import class_values
    from eval.measuring.run import Measured, RealSide, resample
    from eval.measuring.set_metrics import families
    from eval.measuring.set_values import set_values
    from eval.options import named
    from gbuffer_tools.io.cache import cache_folder

    if (args.fake_labels is None) != (args.real_labels is None):
        raise InputError("--fake-labels and --real-labels: got one of them, wanted both or none")
    methods, photos = opened(named(args.fake)), Images(args.real)
    keys = next(iter(methods.values())).keys
    if min(len(keys), len(photos)) < 2:
        raise InputError(f"{len(keys)} frames and {len(photos)} photographs; wanted two of each or more.")
    draws = resample(args, len(keys))
    resampled: dict[str, dict[str, Array]] = {name: {} for name in methods}
    metrics: list[Metric] = []
    protocol: dict[str, str] = {}
    pictures: dict[str, dict[str, bytes]] = {}
    of_photos: dict[str, bytes] = {}
    for family in families(args, device):
        found, pictures, of_photos = set_values(
            methods, photos, family, args.photo_filter, cache=args.cache or cache_folder(), group=group, draws=draws
        )
        for name, values in found.items():
            resampled[name] |= values
        metrics += [row.metric for row in family.metrics]
        protocol[family.embedding.name] = family.protocol
    if args.fake_labels:
        rows, found, facts = class_values(
            methods, photos, args.fake_labels, args.real_labels, args.photo_filter, draws, progress=group.first
        )
        metrics += rows
        protocol |= facts
        for name, values in found.items():
            resampled[name] |= values
    if args.photo_filter != "area":
        protocol["photographs"] = "reduced by area after a camera's blur (--photo-filter camera)"
    return Measured(tuple(metrics), keys, methods, pictures, resampled, protocol, photos=RealSide(photos, of_photos))


def main(args: argparse.Namespace) -> None:
    """Measure, write the record, print it."""
    from eval.measuring.run import run_shared

    run_shared("eval.sets", args, measure)


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
