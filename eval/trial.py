"""Which measure to believe: each one measures pictures for which the answer is known.

Photographs are degraded by growing amounts (a measure should grow with them), and folders whose order is known are
compared (real before rendered, the same camera before others). For each measure: Spearman's and Kendall's coefficients
per degradation, which orders it keeps, and how many frames it needs; for the photographs, how varied and how dense they
are. A measure below 0.9 is not trusted for that question. `eval.report` says so if it is also given the record.

    python -m eval.trial --photos PHOTOS --degrade OTHERS --labels PHOTOS=LABELS/photos --labels OTHERS=LABELS/others \\
        --order 'real=OTHERS > render=FRAMES' --cache CACHE --out trial.json

Writes trial.json, .md and .html. With --cache, the same command resumes where it was stopped.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from eval.options import add_photo_filter, check_resamples
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.atomic import write_text

if TYPE_CHECKING:
    from eval.trials.settings import TrialSettings


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m eval.trial", description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR", help="photographs to measure towards")
    parser.add_argument(
        "--degrade",
        type=Path,
        metavar="DIR",
        help="pictures to degrade (default: every second photograph, which is then no reference)",
    )
    parser.add_argument(
        "--degradations", nargs="*", metavar="NAME", help="blur, sharpen, noise, … (default: all; none: orders alone)"
    )
    parser.add_argument(
        "--order",
        action="append",
        default=[],
        metavar="'BETTER=DIR > WORSE=DIR'",
        help="two folders, of which the first is nearer to the photographs; repeat for more",
    )
    parser.add_argument(
        "--labels",
        action="append",
        default=[],
        metavar="DIR=LABELS",
        help="label maps of a folder of pictures; sKVD is measured where the photographs have some, too",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.json", help="record; .md and .html beside it")
    parser.add_argument(
        "--height", type=int, help="lines that higher pictures are reduced to (default: those of the lowest picture)"
    )
    parser.add_argument("--max-photos", type=int, help="at most so many photographs, evenly spaced (default: all)")
    parser.add_argument("--max-pictures", type=int, help="at most so many of any other folder (default: all)")
    add_photo_filter(parser)
    parser.add_argument("--crops", type=int, default=4, help="per picture, for sKVD and KVD (default %(default)s)")
    parser.add_argument("--candidates", type=int, default=16, help="crops per photograph (default %(default)s)")
    parser.add_argument("--vgg", type=Path, metavar="FILE", help="VGG16 weights (default: the fetched ones)")
    parser.add_argument("--inception", type=Path, metavar="FILE", help="for FID and KID (default: the fetched, if any)")
    parser.add_argument("--clip", type=Path, metavar="FILE", help="for CMMD (default: the fetched, if any)")
    parser.add_argument("--resamples", type=int, default=200, help="bootstrap resamples (default %(default)s)")
    parser.add_argument("--subsets", type=int, default=100, help="subsets of each size (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of crops, noise and draws (default %(default)s)")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder that results are kept in (default: none)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default %(default)s)")
    return parser


def settings(args: argparse.Namespace) -> "TrialSettings":
    """The settings that the options ask for.

    Raises:
        InputError: an option makes no sense.
    """
    from eval.trials.degradations import DEGRADATIONS
    from eval.trials.orders import parse_labels, parse_order
    from eval.trials.settings import TrialSettings

    for name, minimum in (
        ("height", 80), ("max_photos", 4), ("max_pictures", 4), ("crops", 1), ("candidates", 1), ("resamples", 10),
        ("subsets", 10), ("seed", 0),
    ):  # fmt: skip
        value = getattr(args, name)
        if value is not None and value < minimum:
            raise InputError(f"--{name.replace('_', '-')}: got {value}, wanted {minimum} or more")
    check_resamples(args.resamples)
    if args.out.suffix != ".json":
        raise InputError(f"--out: got {args.out}, wanted a name that ends in .json")
    kinds = {kind.name: kind for kind in DEGRADATIONS}
    names = list(kinds) if args.degradations is None else args.degradations
    for name in names:
        if name not in kinds:
            raise InputError(f"--degradations: got {name[:40]!r}, wanted some of {', '.join(kinds)}")
    if not names and not args.order:
        raise InputError("--degradations: none, and no --order; wanted something to try measures with")
    if args.degrade and not names:
        raise InputError(f"--degrade {args.degrade}: wanted together with degradations only")
    return TrialSettings(
        photos=args.photos, degrade=args.degrade, degradations=tuple(kinds[name] for name in dict.fromkeys(names)),
        orders=tuple(parse_order(text) for text in args.order), labels=parse_labels(args.labels), height=args.height,
        max_photos=args.max_photos, max_pictures=args.max_pictures, photo_filter=args.photo_filter,
        crops=args.crops, candidates=args.candidates, vgg=args.vgg, inception=args.inception, clip=args.clip,
        resamples=args.resamples, subsets=args.subsets, seed=args.seed, cache=args.cache, device=args.device,
    )  # fmt: skip


def main(args: argparse.Namespace) -> None:
    """Try all measures, write the three files, and print the table."""
    chosen = settings(args)
    from eval.records import trial_record
    from eval.reporting import trial_tables
    from eval.trials.run import Trial

    found = Trial(chosen).run(args.out.resolve().parent)
    trial_record.write(found, args.out)
    text = trial_tables.markdown(found)
    write_text(args.out.with_suffix(".md"), text)
    write_text(args.out.with_suffix(".html"), trial_tables.html(found))
    print(f"{text}\n{args.out.with_suffix('.html')}")


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
