"""Simple methods that an enhancer has to beat.

python -m eval.baselines reinhard --source FRAMES --target PHOTOS --out DIR
"""

import argparse
import sys
from pathlib import Path

from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError


def build_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    parser = argparse.ArgumentParser(prog="python -m eval.baselines", description=__doc__.splitlines()[0])
    methods = parser.add_subparsers(dest="method", required=True)
    reinhard = methods.add_parser("reinhard", help="one global colour transfer from all frames to all photographs")
    reinhard.add_argument("--source", type=Path, required=True, metavar="DIR", help="frames: images or frame files")
    reinhard.add_argument("--target", type=Path, required=True, metavar="DIR", help="photographs")
    reinhard.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets DIR/<key>.png")
    reinhard.add_argument("--overwrite", action="store_true", help="replace pictures that are there")
    return parser


def transfer_folder(source: Path, target: Path, out: Path, *, overwrite: bool = False) -> int:
    """Reinhard colour transfer of every picture of `source`; the statistics are those of both whole folders.

    Returns:
        The number of pictures written.

    Raises:
        InputError: unreadable pictures, or `out` already holds one of the results.
    """
    import numpy as np
    from tqdm import tqdm

    from datasets.images import Images, write_png
    from eval.reinhard import moments, transfer

    frames, photos = Images(source), Images(target)
    paths = {key: out / f"{key}.png" for key in frames.keys}
    present = [path for path in paths.values() if path.exists()]
    if present and not overwrite:
        raise InputError(f"{present[0]}: is there already; choose another --out or pass --overwrite")
    ours, theirs = moments(frames), moments(photos)
    for key, image in tqdm(zip(frames.keys, frames, strict=True), total=len(frames), desc="reinhard", unit="image"):
        moved = np.clip(transfer(image, ours, theirs), 0.0, 1.0)
        write_png(paths[key], np.round(moved * 255.0).astype(np.uint8))
    return len(frames)


def main(args: argparse.Namespace) -> None:
    """Write the pictures and say how many."""
    count = transfer_folder(args.source, args.target, args.out, overwrite=args.overwrite)
    print(f"{count} pictures in {args.out}")


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
