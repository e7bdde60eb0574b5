"""Lay out pictures from several folders side by side on one sheet: before and after, or one method against another.

    python -m app.compare render=FRAMES enhanced=OUT --out sheet.png

Each row is a frame, each column a folder of images or frame files. Nothing is scaled or retouched.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    import numpy as np

JPEG_QUALITY = 92


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m app.compare", description=__doc__.splitlines()[0])
    parser.add_argument(
        "folders", nargs="+", metavar="[NAME=]DIR", help="images or frame files, all of the same frames"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the sheet, a .png or .jpg")
    rows = parser.add_mutually_exclusive_group()
    rows.add_argument(
        "--key", action="append", metavar="KEY", help="show this frame (its path in the folders, no suffix); repeat"
    )
    rows.add_argument(
        "--max-frames", type=int, default=6, metavar="N", help="show N frames, evenly spaced (default %(default)s)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing sheet")
    return parser


def check_arguments(args: argparse.Namespace) -> None:
    """Check options that do not depend on the pictures.

    Raises:
        InputError: an option is out of range, or the sheet exists.
    """
    if args.max_frames < 1:
        raise InputError(f"--max-frames {args.max_frames}: wanted 1 or more.")
    if args.out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise InputError(f"--out {args.out}: wanted a name that ends in .png or .jpg.")
    if args.out.exists() and not args.overwrite:
        raise InputError(f"{args.out}: already exists; pass --overwrite.")


def main(args: argparse.Namespace) -> None:
    """Make the sheet."""
    check_arguments(args)

    from app.inference.sheet import sheet
    from datasets.images import check_not_read
    from eval.inputs import opened, spread
    from eval.options import named

    found = named(args.folders)
    check_not_read(args.out, *found.values())
    folders = opened(found)
    keys = next(iter(folders.values())).keys
    for key in args.key or ():
        if key not in keys:
            raise InputError(f"--key {key}: no such frame; there are {len(keys)}, such as {keys[0]!r}.")
    rows = []
    for key in args.key or spread(keys, args.max_frames):
        index = keys.index(key)  # folders with the same keys list them in the same order
        row = [images[index] for images in folders.values()]
        sizes = {name: picture.shape[1::-1] for name, picture in zip(folders, row, strict=True)}
        if len(set(sizes.values())) > 1:
            stated = ", ".join(f"{name} {width}x{height}" for name, (width, height) in sizes.items())
            raise InputError(f"{key}: got {stated}; wanted one size in all folders.")
        rows.append(row)
    write(args.out, sheet(list(folders), rows))
    print(f"{args.out}: {len(rows)} of {len(keys)} frames in {len(folders)} columns")


def write(path: Path, pixels: "np.ndarray") -> None:
    """Write a picture (H, W, 3) uint8 sRGB as PNG or JPEG, depending on the file's suffix."""
    from PIL import Image

    from gbuffer_tools.io.atomic import replacing
    from gbuffer_tools.io.images import write_png

    if path.suffix.lower() == ".png":
        write_png(path, pixels)
        return
    with replacing(path) as partial:
        Image.fromarray(pixels).save(partial, format="JPEG", quality=JPEG_QUALITY)


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
