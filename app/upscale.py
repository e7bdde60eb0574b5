"""Enlarge pictures with a model of train.upscaler or app.assets: one file each, OUT/<its path in the folder>."""

import argparse
import sys
from pathlib import Path

from app.inference.memory import memory_advice
from app.inference.options import add_device_options
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

FORMATS = ("png", "jpg", "webp", "tif")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m app.upscale", description=__doc__)
    parser.add_argument(
        "model", metavar="MODEL", help="model file (.safetensors), or the name of an asset such as realesrgan-x4plus"
    )
    parser.add_argument(
        "input", type=Path, metavar="INPUT", help="a picture or a frame file (.h5), or a folder of either"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the large pictures")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="format of the large pictures (default: that of each picture; PNG for BMP and for frames)",
    )
    parser.add_argument(
        "--circular",
        action="store_true",
        help="pictures continue at their opposite sides, as textures that are laid side by side do; so do the results",
    )
    parser.add_argument(
        "--guides",
        type=Path,
        metavar="FRAMES",
        help="frame files of the large size with the same names, for models that are guided by buffers",
    )
    parser.add_argument(
        "--tile",
        type=int,
        metavar="N",
        help="longest side, in pixels of the small picture, that is run at once; larger pictures run in overlapping "
        "tiles that are blended (default: the network's, 128 to 832)",
    )
    add_device_options(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace existing pictures")
    parser.add_argument(
        "--resume", action="store_true", help="keep existing pictures and make the others, after a run that was stopped"
    )
    return parser


@memory_advice("use a smaller --tile, or another --device")
def main(args: argparse.Namespace) -> None:
    """Enlarge every picture; report problems before the first one if possible."""
    from dataclasses import replace

    from tqdm import tqdm

    from app.inference.pictures import check_target, enlarge_file, input_pictures
    from app.inference.upscalers import check_large, open_enlarger
    from datasets.images import check_out, to_make
    from datasets.runtime.device import device_or_cuda

    check_out(args.out, args.input)
    device = device_or_cuda(args.device)
    enlarger = open_enlarger(
        args.model,
        device,
        bf16=args.precision == "bf16",
        guides=args.guides,
        tile=args.tile,
        circular=args.circular,
    )
    if args.guides is not None and enlarger.guides is None:
        raise InputError(f"--guides {args.guides}: {args.model} is guided by nothing; leave --guides out.")
    found = input_pictures(args.input, f".{args.format}" if args.format else None)
    paths = [args.out / f"{source.key}{source.suffix}" for source in found]
    wanted = to_make(paths, overwrite=args.overwrite, resume=args.resume)
    for index in wanted:
        check_target(found[index], paths[index], enlarger.factor)
    if enlarger.guides is not None:
        sizes = {source.key: source.size for source in found}
        check_large("--guides", enlarger.guides, sizes, enlarger.factor)
    count = sum(enlarger.tiles(found[index].size) for index in wanted)
    with tqdm(total=count, desc="enlarging", unit="tile") as bar:
        enlarger = replace(enlarger, after_tile=bar.update)
        for index in wanted:
            try:
                note = enlarge_file(enlarger, found[index], paths[index])
            except FloatingPointError:
                cure = "try --precision fp32, or " if args.precision == "bf16" else "fetch or train it again, or try "
                raise InputError(
                    f"{found[index].path}, {found[index].key}: the model returns values that are not finite; "
                    f"{cure}another model."
                ) from None
            if note:
                tqdm.write(f"{found[index].path}: {note}", file=sys.stderr)
    kept = f" ({len(paths) - len(wanted)} more were there)" if len(wanted) < len(paths) else ""
    print(f"{args.out}: {len(wanted)} pictures, {enlarger.factor} times as large{kept}")


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
