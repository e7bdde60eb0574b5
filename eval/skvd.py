"""How far frames are from photographs, where both show the same: sKVD per VGG layer, and KVD beside it.

Richter et al., "Enhancing Photorealism Enhancement", 2021, introduce sKVD (semantically aligned Kernel VGG Distance);
the authors never released it. The definition: `alignment` (which crops), `features` (what of them), `mmd` (how far).

    python -m eval.skvd --fake render=FRAMES --fake enhanced=OUT --real PHOTOS \\
        --fake-labels LABELS/frames --real-labels LABELS/photos --out report.json

All methods of one call are judged on the same crops with the same partners. Writes report.json, .md and .html.
Several processes share the work, with the same result: `torchrun --nproc_per_node N -m eval.skvd …`.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gbuffer_tools.atomic import write_text
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    from eval.judge import Settings

MAKE_LABELS = "make both with `python -m datasets.label FRAMES PHOTOS --method clusters --out LABELS`"


def build_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    parser = argparse.ArgumentParser(prog="python -m eval.skvd", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--fake",
        action="append",
        required=True,
        metavar="[NAME=]DIR",
        help="frames to judge (images, or frame files); repeat to compare methods, the render first",
    )
    parser.add_argument("--real", type=Path, required=True, metavar="DIR", help="photographs")
    parser.add_argument("--fake-labels", type=Path, metavar="DIR", help="label maps of the frames, by key")
    parser.add_argument("--real-labels", type=Path, metavar="DIR", help="label maps of the photographs")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.json", help="report; .md and .html beside it")
    parser.add_argument("--vgg", type=Path, metavar="FILE", help="VGG16 weights (default: the fetched ones)")
    parser.add_argument("--crops", type=int, default=8, help="crops per frame (default %(default)s)")
    parser.add_argument(
        "--candidates", type=int, default=32, help="crops per photograph to choose partners from (default %(default)s)"
    )
    parser.add_argument(
        "--pooling",
        choices=("none", "mean"),
        default="none",
        help="none: every place of the feature map counts, as defined; mean: their average",
    )
    parser.add_argument(
        "--scaling",
        choices=("rms", "none"),
        default="rms",
        help="rms: divide a layer by its root mean square over the photographs; none: as the network gives it",
    )
    parser.add_argument("--resamples", type=int, default=1000, help="bootstrap resamples (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of crops and resamples (default %(default)s)")
    parser.add_argument("--batch", type=int, default=8, help="crops per forward pass (default %(default)s)")
    parser.add_argument(
        "--memory", type=float, default=2.5, metavar="GIB", help="features to hold at a time (default %(default)s GiB)"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default %(default)s)")
    return parser


def settings(args: argparse.Namespace) -> "Settings":
    """Checked options.

    Raises:
        InputError: an option that makes no sense, or label maps that are missing.
    """
    from datasets.cache import asset
    from eval.judge import Settings
    from eval.options import named

    if args.fake_labels is None or args.real_labels is None:
        raise InputError(f"--fake-labels and --real-labels are missing; {MAKE_LABELS}")
    for name, smallest in (("crops", 1), ("candidates", 1), ("resamples", 10), ("batch", 1), ("seed", 0)):
        if getattr(args, name) < smallest:
            raise InputError(f"--{name}: got {getattr(args, name)}, wanted {smallest} or more")
    if not args.memory > 0:
        raise InputError(f"--memory: got {args.memory}, wanted GiB above 0")
    if args.out.suffix != ".json":
        raise InputError(f"--out: got {args.out}, wanted a name that ends in .json")
    return Settings(
        methods=named(args.fake),
        real=args.real,
        fake_labels=args.fake_labels,
        real_labels=args.real_labels,
        vgg=args.vgg or asset("vgg16"),
        crops=args.crops,
        candidates=args.candidates,
        pooling=args.pooling,
        scaling=args.scaling,
        resamples=args.resamples,
        seed=args.seed,
        batch=args.batch,
        memory=int(args.memory * 2**30),
        device=args.device,
    )


def main(args: argparse.Namespace) -> None:
    """Judge, write the three files, say where they are."""
    chosen = settings(args)
    from epe.group import joined
    from eval import record, report
    from eval.judge import judge
    from eval.summary import data_sets

    with joined(chosen.device) as (group, device):
        found = judge(replace(chosen, device=device), relative_to=args.out.resolve().parent, group=group)
    if not group.first:
        return
    page, table = args.out.with_suffix(".html"), args.out.with_suffix(".md")
    record.write(found, args.out)
    together = data_sets([(args.out, found)])
    write_text(table, report.markdown(together))
    write_text(page, report.html(together))
    print(f"{report.table(found)}\n{page}")


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
