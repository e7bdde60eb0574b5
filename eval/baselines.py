"""Simple methods that an enhancer has to beat.

python -m eval.baselines reinhard --source FRAMES --target PHOTOS --out DIR
python -m eval.baselines soften --source FRAMES --out DIR
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    from datasets.images import Images
    from eval.soften import Pixels


def build_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    parser = argparse.ArgumentParser(prog="python -m eval.baselines", description=__doc__.splitlines()[0])
    methods = parser.add_subparsers(dest="method", required=True)
    reinhard = methods.add_parser("reinhard", help="one global colour transfer from all frames to all photographs")
    reinhard.add_argument("--target", type=Path, required=True, metavar="DIR", help="photographs")
    soften = methods.add_parser("soften", help="slight blur, haze and noise, the same for every picture")
    soften.add_argument("--seed", type=int, default=0, help="of the noise (default %(default)s)")
    for method in (reinhard, soften):
        method.add_argument("--source", type=Path, required=True, metavar="DIR", help="frames: images or frame files")
        method.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets DIR/<key>.png")
        method.add_argument("--overwrite", action="store_true", help="replace pictures that are there")
    return parser


def write_all(
    frames: "Images", out: Path, change: "Callable[[Pixels, str], Pixels]", name: str, *, overwrite: bool = False
) -> int:
    """Write the changed picture of every frame to OUT/<key>.png.

    Returns:
        The number of pictures written.

    Raises:
        InputError: unreadable pictures, or `out` already holds one of the results.
    """
    from tqdm import tqdm

    from datasets.images import write_png

    paths = {key: out / f"{key}.png" for key in frames.keys}
    present = [path for path in paths.values() if path.exists()]
    if present and not overwrite:
        raise InputError(f"{present[0]}: is there already; choose another --out or pass --overwrite")
    for key, image in tqdm(zip(frames.keys, frames, strict=True), total=len(frames), desc=name, unit="image"):
        write_png(paths[key], change(image, key))
    return len(frames)


def reinhard_of(frames: "Images", target: Path) -> "Callable[[Pixels, str], Pixels]":
    """The colour transfer whose statistics are those of both whole folders."""
    import numpy as np

    from datasets.images import Images
    from eval.reinhard import moments, transfer

    ours, theirs = moments(frames), moments(Images(target))
    return lambda image, _: np.round(np.clip(transfer(image, ours, theirs), 0.0, 1.0) * 255.0).astype(np.uint8)


def main(args: argparse.Namespace) -> None:
    """Write the pictures and say how many."""
    from datasets.images import Images
    from eval.soften import soften

    frames = Images(args.source)
    if args.method == "reinhard":
        change = reinhard_of(frames, args.target)
    elif args.seed < 0:
        raise InputError(f"--seed: got {args.seed}, wanted 0 or more")
    else:
        seed = args.seed

        def change(image: "Pixels", key: str) -> "Pixels":
            return soften(image, key, seed)

    count = write_all(frames, args.out, change, args.method, overwrite=args.overwrite)
    print(f"{count} pictures in {args.out}")


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
