"""How far whole sets of pictures are from photographs: distances of distributions, precision and recall, style.

These compare what the pictures show as well as how they look: a method that invents what the photographs are full of
gets nearer to them. Read them beside eval.skvd, which compares like with like.

    python -m eval.sets --fake render=FRAMES --fake enhanced=OUT --real PHOTOS --out sets.json
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from eval.options import add_common
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    from datasets.images import Images
    from epe.distributed.processes import ProcessGroup
    from eval.features.store import Pixels
    from eval.measuring.set_distances import Array
    from eval.measuring.set_metrics import Family
    from eval.records.scores import Method, Metric, Scores


def build_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    parser = argparse.ArgumentParser(prog="python -m eval.sets", description=__doc__.splitlines()[0])
    add_common(parser)
    parser.add_argument("--real", type=Path, required=True, metavar="DIR", help="photographs")
    parser.add_argument("--vgg", type=Path, metavar="FILE", help="VGG16 weights (default: the fetched ones)")
    parser.add_argument(
        "--style", action="store_true", help="distances of Gram matrices, too, which take 1.2 MB of memory a picture"
    )
    parser.add_argument("--inception", type=Path, metavar="FILE", help="for FID and KID (default: the fetched, if any)")
    parser.add_argument("--clip", type=Path, metavar="FILE", help="for CMMD (default: the fetched, if any)")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="where features are kept, by content (default: the user's cache)"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default %(default)s)")
    return parser


def measured(
    methods: "Mapping[str, Images]",
    photos: "Images",
    family: "Family",
    cache: Path,
    group: "ProcessGroup",
    weights: "Array",
) -> "tuple[dict[str, dict[str, Array]], dict[str, dict[str, bytes]]]":
    """What one network tells, one method after the other: memory holds the photographs' features and one method's.

    Returns:
        By method and measure, the plain value and the resampled ones; by method, and of the photographs under the name
        "", the digests of the pictures.
    """
    from tqdm import tqdm

    from datasets.photos import to_height
    from eval.features.store import embed
    from eval.kvd.judge import image_numbers
    from eval.measuring.set_distances import Sides

    height = next(iter(methods.values()))[0].shape[0]

    def same(picture: "Pixels") -> "Pixels":
        return picture

    def reduced(picture: "Pixels") -> "Pixels":
        return to_height(picture, height)

    draws: dict[str, dict[str, Array]] = {}
    total = len(photos) + sum(len(images) for images in methods.values())
    with tqdm(total=total, desc=family.embedding.name, unit="picture", disable=not group.first) as bar:
        fit = reduced if family.reduced else same
        real = embed(photos, family.embedding, cache, fit=fit, group=group, bar=bar)
        contents, groups = {"": real.contents}, image_numbers(list(photos.keys), real.contents)
        for name, images in methods.items():
            found = embed(images, family.embedding, cache, fit=same, group=group, bar=bar)
            contents[name], own = found.contents, image_numbers(list(images.keys), found.contents)
            draws[name] = family.measure(
                {part: Sides(rows, real.parts[part], own, groups, weights) for part, rows in found.parts.items()}
            )
    return draws, contents


def judge(args: argparse.Namespace, group: "ProcessGroup", device: str) -> "Scores":
    """Measure every method with every network there is.

    Raises:
        InputError: folders, pictures or weights that do not fit together.
    """
    import numpy as np

    from datasets.images import Images
    from eval.inputs import opened, relative
    from eval.kvd.layers import draw_resamples
    from eval.measuring.set_metrics import families
    from eval.options import named
    from eval.records import scores
    from eval.records.skvd_record import digest
    from gbuffer_tools.io.cache import cache_folder

    methods, photos, base = opened(named(args.fake)), Images(args.real), args.out.resolve().parent
    keys = next(iter(methods.values())).keys
    if min(len(keys), len(photos)) < 2:
        raise InputError(f"{len(keys)} frames and {len(photos)} photographs; wanted two of each or more.")
    weights = draw_resamples(np.arange(len(keys)), count=args.resamples, seed=args.seed)
    draws: dict[str, dict[str, Array]] = {name: {} for name in methods}
    metrics: list[Metric] = []
    protocol: dict[str, str] = {}
    for family in families(args, device):
        values, contents = measured(methods, photos, family, args.cache or cache_folder(), group, weights)
        for name, found in values.items():
            draws[name] |= found
        metrics += family.metrics
        protocol[family.embedding.name] = family.protocol
    first = next(iter(methods))
    protocol["intervals"] = scores.intervals(args.resamples, args.seed)
    rows: list[Method] = [
        scores.method(
            name,
            relative(images.folder, base),
            digest(contents[name]),
            draws[name],
            draws[first] if name != first else {},
        )
        for name, images in methods.items()
    ]
    real = scores.Photos(relative(photos.folder, base), len(photos), digest(contents[""]), {})
    return scores.scores("eval.sets", tuple(metrics), keys, tuple(rows), real, protocol)


def main(args: argparse.Namespace) -> None:
    """Measure, print, write."""
    from datasets.runtime.device import device_of
    from eval.options import check_common

    check_common(args)
    device_of(args.device)
    from epe.distributed.processes import process_group
    from eval.records import scores
    from eval.reporting.tables import text

    with process_group(args.device) as (group, device):
        found = judge(args, group, device)
    if group.first:
        scores.write(found, args.out)
        print(text(found))


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
