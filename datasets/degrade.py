"""Make small pictures out of large ones, to judge upscalers: OUT/large and OUT/small hold pictures with the same names.

    python -m datasets.degrade photos --out pairs
    python -m app.upscale upscaler/model.safetensors pairs/small --out made
    python -m eval.content --truth pairs/large --fake made --out content.json

The large ones are the pictures, cut to multiples of the factor; the small ones are degraded as in `train.upscaler`.
All are PNGs. A picture's random numbers depend on the seed and on its place in the folder. OUT/degrade.json holds the
settings.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from datasets.degradations.degradations import DEGRADATIONS
from datasets.degradations.steps import as_picture, as_pixels
from datasets.images import Images, check_out, to_make, write_png
from datasets.pairs.upscaler_crops import cut_to_multiple
from gbuffer_tools.command import check_same_settings, check_seed, run
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.atomic import write_text
from gbuffer_tools.io.text import read_json

SCALES = (2, 3, 4, 8)
SETTINGS = ("scale", "degradation", "seed")
RECORD = "degrade.json"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m datasets.degrade", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, metavar="DIR", help="images or frame files")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets large/ and small/")
    parser.add_argument(
        "--scale", type=int, choices=SCALES, default=4, help="by which sides shrink (default: %(default)s)"
    )
    parser.add_argument(
        "--degradation",
        choices=tuple(DEGRADATIONS),
        default="resampled",
        help="resampled: only smaller; second_order: Real-ESRGAN's; render: a cheap rendering (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all draws (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace existing pictures")
    parser.add_argument("--resume", action="store_true", help="keep existing pictures and make the others")
    return parser


def main(args: argparse.Namespace) -> None:
    """Write the pairs of all pictures."""
    check_seed(args.seed)
    check_out(args.out, args.source)
    pictures, degrade = Images(args.source), DEGRADATIONS[args.degradation]
    for number, key in enumerate(pictures.keys):
        height, width = pictures.size(number)
        if min(height, width) < args.scale:
            raise InputError(f"{args.source}/{key}: is {width}x{height}, wanted {args.scale} pixels a side or more.")
    # A pair is complete once its small picture exists, because that is written last.
    paths = [args.out / "small" / f"{key}.png" for key in pictures.keys]
    wanted = to_make(paths, overwrite=args.overwrite, resume=args.resume)
    settings = {name: getattr(args, name) for name in SETTINGS}
    if len(wanted) < len(paths):
        check_same_settings(
            settings, recorded(args.out), f"the pictures of {args.out / RECORD} were made with",
            "pass --overwrite to make all again, or give another --out",
        )  # fmt: skip
    for number in wanted:  # if the run is stopped, those of other settings would stay and pass for these
        paths[number].unlink(missing_ok=True)
    write_text(args.out / RECORD, json.dumps(settings) + "\n")
    for number in tqdm(wanted, desc="degrading", unit="picture"):
        large = cut_to_multiple(pictures[number], args.scale)
        small = degrade(as_picture(large), args.scale, np.random.default_rng((args.seed, number)))
        write_png(args.out / "large" / f"{pictures.keys[number]}.png", large)
        write_png(paths[number], as_pixels(small))
    print(f"{args.out}: {len(wanted)} pairs")


def recorded(out: Path) -> dict[str, object]:
    """Return the settings that the pictures in a folder were made with.

    Raises:
        InputError: they are not recorded.
    """
    record = out / RECORD
    if not record.exists():
        raise InputError(f"{record}: is not there to tell how the pictures were made; --overwrite makes all again.")
    made = read_json(record)
    return made if isinstance(made, dict) else {}


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
