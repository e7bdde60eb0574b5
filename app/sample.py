"""Draw pictures with a transformer of train.codes: new ones, completed ones, or ones that fit a label or a map.

OUT receives one PNG per picture; with several temperatures, a folder of PNGs for each, and sheet.png.
"""

import argparse
import sys
from pathlib import Path

from app.inference.memory import memory_advice
from app.inference.options import add_device_options
from gbuffer_tools.command import parse_size, run
from gbuffer_tools.errors import InputError


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m app.sample", description=__doc__)
    parser.add_argument("model", type=Path, metavar="MODEL", help="model file of train.codes or app.convert")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the pictures")
    parser.add_argument(
        "--autoencoder", type=Path, required=True, metavar="FILE", help="model file of the first stage of pictures"
    )
    parser.add_argument(
        "--condition",
        type=Path,
        metavar="DIR",
        help="label maps or frame files, for models that are conditioned on maps; each gives a picture",
    )
    parser.add_argument(
        "--condition-autoencoder", type=Path, metavar="FILE", help="model file of the first stage of those maps"
    )
    parser.add_argument(
        "--classes",
        type=Path,
        metavar="FILE",
        help="YAML file that groups the class ids of frame files, as in training",
    )
    parser.add_argument(
        "--label", nargs="+", default=[], metavar="LABEL", help="labels, for models that are conditioned on one"
    )
    parser.add_argument(
        "--complete",
        type=Path,
        metavar="PATH",
        help="a picture, or a folder of pictures or frame files: their lower half is drawn anew, or what --mask says",
    )
    parser.add_argument(
        "--height",
        type=int,
        metavar="N",
        help="height in pixels that larger pictures to complete are shrunk to, as in training (default: they are not)",
    )
    parser.add_argument(
        "--mask",
        type=Path,
        metavar="PATH",
        help="8-bit greyscale image of the pictures' size, or a folder with <key>.png: where it is white --complete "
        "draws anew, where it is black all codes stay",
    )
    parser.add_argument(
        "--size",
        metavar="WxH",
        help="size of the pictures in pixels (default: of the maps, or of the training's window)",
    )
    parser.add_argument(
        "--count", type=int, metavar="N", help="pictures for each input (default: 1), or in all without inputs (8)"
    )
    parser.add_argument(
        "--temperature",
        type=float,
        nargs="+",
        default=[1.0],
        metavar="T",
        help="the higher, the more chaotic (default: 1); several make a sheet, with the same random numbers for each",
    )
    parser.add_argument(
        "--top-k", type=int, default=0, metavar="K", help="draw of the K most likely codes alone (default: 0, of all)"
    )
    parser.add_argument(
        "--top-p",
        type=float,
        default=1.0,
        metavar="P",
        help="draw of the most likely codes alone that have this probability together (default: 1, of all)",
    )
    parser.add_argument(
        "--step",
        type=int,
        default=1,
        metavar="N",
        help="codes by which the window moves over larger pictures (default: 1, as published); 8 reads far fewer",
    )
    parser.add_argument("--batch", type=int, default=8, metavar="N", help="pictures at once (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all draws (default: %(default)s)")
    add_device_options(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace existing pictures")
    return parser


def check_arguments(args: argparse.Namespace) -> None:
    """Check options that do not depend on files.

    Raises:
        InputError: an option is out of range, or does not go with another.
    """
    for name, minimum in (("batch", 1), ("count", 1), ("seed", 0), ("height", 1)):
        value = getattr(args, name)
        if value is not None and value < minimum:
            raise InputError(f"--{name} {value}: wanted {minimum} or more.")
    for name in ("mask", "height"):
        if getattr(args, name) is not None and not args.complete:
            raise InputError(f"--{name} {getattr(args, name)}: is for pictures to --complete; leave it out.")
    if args.size and args.complete:
        raise InputError(f"--size {args.size}: completed pictures keep their size; leave --size out.")
    for name in ("temperature", "label"):
        values = getattr(args, name)
        twice = [value for value in values if values.count(value) > 1]
        if twice:
            raise InputError(f"--{name} {twice[0]}: is given twice.")


def printed(temperature: float) -> str:
    """Return a temperature as short text that no other temperature has."""
    short = f"{temperature:g}"
    return short if float(short) == temperature else repr(temperature)


@memory_advice("use a smaller --batch or --size, or another --device")
def main(args: argparse.Namespace) -> None:
    """Draw all pictures; report problems before the first one if possible."""
    check_arguments(args)

    import numpy as np
    from tqdm import tqdm

    from app.inference.code_jobs import Inputs, batches, entropy_of, make_jobs, open_sampler
    from app.inference.sheet import sheet
    from datasets.images import check_not_read, check_out, write_png
    from datasets.runtime.device import device_or_cuda
    from epe.networks.codes.choice import Choice

    device = device_or_cuda(args.device)
    for source in (args.complete, args.condition):
        if source is not None:
            check_out(args.out, source)
    try:
        choices = {value: Choice(value, args.top_k, args.top_p) for value in args.temperature}
    except ValueError as error:
        raise InputError(f"--{str(error).replace('_', '-')}") from error
    sampler = open_sampler(args.model, args.autoencoder, args.condition_autoencoder, str(device))
    size = parse_size(args.size, "--size") if args.size else None
    inputs = Inputs(args.condition, args.classes, args.label, args.complete, args.height, args.mask, size, args.count)
    jobs = make_jobs(sampler, inputs, args.step)
    folders = {value: args.out / f"temperature-{printed(value)}" if len(choices) > 1 else args.out for value in choices}
    paths = [folder / f"{job.key}.png" for folder in folders.values() for job in jobs]
    for path in paths:
        check_not_read(path, args.complete)
    if len(choices) > 1:
        paths.append(args.out / "sheet.png")
    present = [path for path in paths if path.exists()]
    if present and not args.overwrite:
        raise InputError(f"{present[0]}: already exists ({len(present)} of {len(paths)}); pass --overwrite.")
    made: dict[float, list[np.ndarray]] = {value: [] for value in choices}
    entropies = {}
    with tqdm(total=len(choices) * sum(job.codes for job in jobs), desc="drawing", unit="code") as bar:
        for value, choice in choices.items():
            drawn = []
            for part in batches(jobs, args.batch):
                codes = sampler.draw(
                    part, choice, seed=args.seed, step=args.step, bf16=args.precision == "bf16", advance=bar.update
                )
                for job, picture in zip(part, sampler.pictures(codes), strict=True):
                    write_png(folders[value] / f"{job.key}.png", picture)
                    made[value].append(picture)
                drawn.append(codes)
            entropies[value] = entropy_of(drawn)
    if len(choices) > 1:
        titles = [printed(value) for value in choices]
        write_png(args.out / "sheet.png", sheet(titles, list(zip(*made.values(), strict=True))))
    for value, entropy in entropies.items():
        print(f"temperature {printed(value)}: entropy of the codes {entropy:.2f} bits")
    print(f"{args.out}: {len(jobs) * len(choices)} pictures")


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
