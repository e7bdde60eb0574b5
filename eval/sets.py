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
    import numpy as np

    from datasets.images import Images
    from epe.group import Group
    from eval.families import Family
    from eval.scores import Method, Metric, Scores
    from eval.set_distances import Array
    from eval.store import Features, Fit


def build_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    parser = argparse.ArgumentParser(prog="python -m eval.sets", description=__doc__.splitlines()[0])
    add_common(parser)
    parser.add_argument("--real", type=Path, required=True, metavar="DIR", help="photographs")
    parser.add_argument("--vgg", type=Path, metavar="FILE", help="VGG16 weights (default: the fetched ones)")
    parser.add_argument("--inception", type=Path, metavar="FILE", help="for FID and KID (default: the fetched, if any)")
    parser.add_argument("--clip", type=Path, metavar="FILE", help="for CMMD (default: the fetched, if any)")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="where features are kept, by content (default: the user's cache)"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default %(default)s)")
    return parser


def features_of(
    methods: "Mapping[str, Images]", photos: "Images", family: "Family", cache: Path, group: "Group"
) -> "dict[str, Features]":
    """Of every method, and of the photographs under the name "": each picture goes through the network once."""
    from tqdm import tqdm

    from datasets.photos import to_height
    from eval.store import embed

    height = next(iter(methods.values()))[0].shape[0]

    def reduced(picture: "np.ndarray") -> "np.ndarray":
        return to_height(picture, height)

    folders: dict[str, tuple[Images, Fit]] = {name: (images, lambda x: x) for name, images in methods.items()}
    folders[""] = photos, reduced if family.reduced else lambda x: x
    total = sum(len(images) for images, _ in folders.values())
    with tqdm(total=total, desc=family.embedding.name, unit="picture", disable=not group.first) as bar:
        return {
            name: embed(images, family.embedding, cache, fit=fit, group=group, bar=bar)
            for name, (images, fit) in folders.items()
        }


def measured(
    methods: "Mapping[str, Images]", found: "Mapping[str, Features]", family: "Family", weights: "Array"
) -> "dict[str, dict[str, Array]]":
    """By method and measure, the plain value and the resampled ones."""
    from eval.judge import image_numbers
    from eval.set_distances import Sides

    real = found[""]
    y_groups = image_numbers(list(real.contents), real.contents)
    return {
        name: family.measure(
            {
                part: Sides(
                    rows, real.parts[part], image_numbers(list(images.keys), found[name].contents), y_groups, weights
                )
                for part, rows in found[name].parts.items()
            }
        )
        for name, images in methods.items()
    }


def judge(args: argparse.Namespace, group: "Group", device: str) -> "Scores":
    """Measure every method with every network there is.

    Raises:
        InputError: folders, pictures or weights that do not fit together.
    """
    import numpy as np

    from datasets.images import Images
    from eval import scores
    from eval.distances import draw_resamples
    from eval.families import families
    from eval.methods import opened, relative
    from eval.options import named
    from eval.record import digest
    from gbuffer_tools.cache import cache_folder

    methods, photos, base = opened(named(args.fake)), Images(args.real), args.out.resolve().parent
    keys = next(iter(methods.values())).keys
    if min(len(keys), len(photos)) < 2:
        raise InputError(f"{len(keys)} frames and {len(photos)} photographs; wanted two of each or more.")
    weights = draw_resamples(np.arange(len(keys)), count=args.resamples, seed=args.seed)
    draws: dict[str, dict[str, Array]] = {name: {} for name in methods}
    metrics: list[Metric] = []
    protocol: dict[str, str] = {}
    for family in families(args, device):
        found = features_of(methods, photos, family, args.cache or cache_folder(), group)
        for name, values in measured(methods, found, family, weights).items():
            draws[name] |= values
        metrics += family.metrics
        protocol[family.embedding.name] = family.protocol
    first = next(iter(methods))
    protocol["intervals"] = scores.intervals(args.resamples, args.seed)
    rows: list[Method] = [
        scores.method(
            name,
            relative(images.folder, base),
            digest(found[name].contents),
            draws[name],
            draws[first] if name != first else {},
        )
        for name, images in methods.items()
    ]
    real = scores.Photos(relative(photos.folder, base), len(photos), digest(found[""].contents), {})
    return scores.scores("eval.sets", tuple(metrics), keys, tuple(rows), real, protocol)


def main(args: argparse.Namespace) -> None:
    """Measure, print, write."""
    from eval.methods import device_of
    from eval.options import check_common

    check_common(args)
    device_of(args.device)
    from epe.group import joined
    from eval import scores
    from eval.tables import text

    with joined(args.device) as (group, device):
        found = judge(args, group, device)
    if group.first:
        scores.write(found, args.out)
        print(text(found))


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
