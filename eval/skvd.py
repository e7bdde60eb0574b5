"""How far frames are from photographs where both show the same things: sKVD per VGG layer, with KVD beside it.

Richter et al., "Enhancing Photorealism Enhancement", 2021, introduce sKVD (semantically aligned Kernel VGG Distance);
the authors never released their code. Its parts: eval/kvd/alignment.py (which crops are compared),
eval/features/vgg_features.py (their features), eval/metrics/mmd.py (the kernel and the distance).

    python -m eval.skvd --fake render=FRAMES --fake enhanced=OUT --real PHOTOS \\
        --fake-labels LABELS/frames --real-labels LABELS/photos --out report.json

`--protocol feamgan` follows the procedure behind the published rows instead (`eval.kvd.feamgan`); `--per-class` adds
cKVD, which shows which classes look wrong (`eval.kvd.per_class`).

All methods in one call are judged on the same crops with the same partners. Writes report.json, .md and .html. Several
processes can share the work, with the same result: `torchrun --nproc_per_node N -m eval.skvd …`.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from eval.options import add_photo_filter, check_resamples
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.atomic import write_text

if TYPE_CHECKING:
    from eval.kvd.settings import SkvdSettings

MAKE_LABELS = "make both with `python -m datasets.label FRAMES PHOTOS --method clusters --out LABELS`"


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
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
    parser.add_argument(
        "--floor", type=Path, metavar="DIR", help="other photographs, judged as if they were frames: as near as it gets"
    )
    parser.add_argument("--floor-labels", type=Path, metavar="DIR", help="label maps of the other photographs")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.json", help="report; .md and .html beside it")
    parser.add_argument(
        "--protocol",
        choices=("ours", "feamgan"),
        default="ours",
        help="feamgan: the procedure of the published rows, which needs torchvision's weights (default %(default)s)",
    )
    add_photo_filter(parser)
    parser.add_argument("--vgg", type=Path, metavar="FILE", help="VGG16 weights (default: the fetched ones)")
    parser.add_argument("--per-class", action="store_true", help="measure cKVD, too: one group of classes at a time")
    parser.add_argument(
        "--class-groups", type=Path, metavar="FILE.yaml", help="groups of label ids (eval/kvd/mseg_groups.yaml is one)"
    )
    # No defaults in the parser: a protocol that fixes one of these refuses the user's value.
    parser.add_argument("--crops", type=int, help="crops per frame (default 8)")
    parser.add_argument("--candidates", type=int, help="crops per photograph to choose partners from (default 32)")
    parser.add_argument(
        "--pooling",
        choices=("none", "mean"),
        help="none: all pixels of the feature map, as defined (default); mean: their average",
    )
    parser.add_argument(
        "--scaling",
        choices=("rms", "none"),
        help="rms: divide a layer by its root mean square over the photographs (default); none: as it is",
    )
    parser.add_argument("--seed", type=int, help="of crops and resamples (default 0)")
    parser.add_argument("--resamples", type=int, default=1000, help="bootstrap resamples (default %(default)s)")
    parser.add_argument("--batch", type=int, default=8, help="crops per forward pass (default %(default)s)")
    parser.add_argument(
        "--memory", type=float, default=2.5, metavar="GIB", help="features to hold at a time (default %(default)s GiB)"
    )
    parser.add_argument(
        "--scratch",
        type=Path,
        metavar="DIR",
        help="folder for features beyond --memory, freed at the end (default: the system's temporary folder)",
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16"),
        default="fp32",
        help="bf16: features in bfloat16, half the bytes, values within 0.3 percent (default %(default)s)",
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default %(default)s)")
    return parser


def settings(args: argparse.Namespace) -> "SkvdSettings":
    """The settings that the options ask for.

    Raises:
        InputError: an option makes no sense, or label maps are missing.
    """
    from datasets.runtime.weights import asset
    from eval.features.scratch import check_folder
    from eval.kvd.protocols import protocol_named, with_photo_filter
    from eval.kvd.settings import SkvdSettings
    from eval.options import named

    if args.fake_labels is None or args.real_labels is None:
        raise InputError(f"--fake-labels and --real-labels are missing; {MAKE_LABELS}")
    protocol = with_photo_filter(protocol_named(args.protocol), args.photo_filter)
    optional = ("crops", "candidates", "pooling", "scaling", "seed")
    given = {name: getattr(args, name) for name in optional if getattr(args, name) is not None}
    for name in given:
        if name in protocol.fixed:
            raise InputError(
                f"--{name}: the protocol {protocol.name} wants {protocol.fixed[name]}; leave the option out"
            )
    for name, minimum in (("crops", 1), ("candidates", 1), ("resamples", 10), ("batch", 1), ("seed", 0)):
        value = getattr(args, name)
        if value is not None and value < minimum:
            raise InputError(f"--{name}: got {value}, wanted {minimum} or more")
    check_resamples(args.resamples)
    if args.class_groups and not args.per_class:
        raise InputError(f"--class-groups {args.class_groups}: wanted together with --per-class only")
    if (args.floor is None) != (args.floor_labels is None):
        raise InputError(f"--floor and --floor-labels: got one of the two; {MAKE_LABELS}")
    if args.floor and protocol.fixed:
        raise InputError(f"--floor: the protocol {protocol.name} has no floor; leave the option out")
    if not 0 < args.memory * 2**30 < float("inf"):
        raise InputError(f"--memory: got {args.memory}, wanted a finite number of GiB above 0")
    if args.scratch is not None:
        check_folder(args.scratch)
    if args.out.suffix != ".json":
        raise InputError(f"--out: got {args.out}, wanted a name that ends in .json")
    return SkvdSettings(
        methods=named(args.fake),
        real=args.real,
        fake_labels=args.fake_labels,
        real_labels=args.real_labels,
        vgg=args.vgg or asset(protocol.asset),
        resamples=args.resamples,
        batch=args.batch,
        memory=int(args.memory * 2**30),
        scratch=args.scratch,
        precision=args.precision,
        device=args.device,
        protocol=protocol,
        per_class=args.per_class,
        class_groups=args.class_groups,
        floor=args.floor,
        floor_labels=args.floor_labels,
        **given,
    )


def main(args: argparse.Namespace) -> None:
    """Judge, write the three files, and print where they are."""
    chosen = settings(args)
    from epe.distributed.processes import process_group
    from eval.kvd.judge import judge
    from eval.records import skvd_record
    from eval.reporting import html_report, markdown_report
    from eval.reporting.summary import data_sets

    with process_group(chosen.device) as (group, device):
        found = judge(replace(chosen, device=device), relative_to=args.out.resolve().parent, group=group)
    if not group.first:
        return
    page, table = args.out.with_suffix(".html"), args.out.with_suffix(".md")
    skvd_record.write(found, args.out)
    together = data_sets([(args.out, found)])
    write_text(table, markdown_report.markdown(together))
    write_text(page, html_report.html(together))
    print(f"{markdown_report.table(found)}\n{page}")


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
