"""Simple methods that an enhancer has to beat.

python -m eval.baselines reinhard --source FRAMES --target PHOTOS --out DIR      (or: histogram, transport, idt)
python -m eval.baselines grade --source FRAMES --target PHOTOS --out DIR         (also writes grade.json and grade.cube)
python -m eval.baselines soften --source FRAMES --out DIR
python -m eval.baselines bicubic --source SMALL --out DIR                          (what an upscaler has to beat)
python -m eval.baselines wct2 --model FILE --source FRAMES --target PHOTOS --out DIR  (or: photowct)
python -m eval.baselines cut --model MODEL --source FRAMES --out DIR               (from train.cut)
python -m eval.baselines spade --model MODEL --source FRAMES --labels LABELS --out DIR    (from train.spade)
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gbuffer_tools.command import check_seed, run
from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    from datasets.images import Images
    from epe.networks.style_transfer.wct2 import WctPart
    from eval.transfers.photo_style import Stylist
    from eval.transfers.reinhard import Array as Floats
    from eval.transfers.soften import Pixels
    from eval.transfers.trained import FrameChange


TRANSFERS = {
    "reinhard": "mean and deviation of l-alpha-beta (Reinhard et al. 2001)",
    "histogram": "the histograms of red, green and blue",
    "transport": "mean and covariance of RGB, by linear optimal transport (Pitie, Kokaram 2007)",
    "idt": "the whole distribution of colours (iterative distribution transfer; Pitie, Kokaram, Dahyot 2007)",
}
"""Colour transfers: each is a single map, fitted to the colours of all frames and all photographs."""

GRADE = "tone curve, 3D lookup table, vignette, sharpness and grain, fitted to the photographs, fixed for all frames"

STYLES = {
    "photowct": "photorealistic style transfer of each frame's nearest photograph (Li et al. 2018), unsmoothed",
    "wct2": "the same with wavelets (WCT2; Yoo et al. 2019)",
}
PARTS: "tuple[WctPart, ...]" = ("encoder", "skip", "decoder")


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m eval.baselines", description=__doc__.splitlines()[0])
    methods = parser.add_subparsers(dest="method", required=True)
    for name, text in {**TRANSFERS, "grade": GRADE}.items():
        method = methods.add_parser(name, help=text, description=text)
        method.add_argument("--target", type=Path, required=True, metavar="DIR", help="photographs")
    for name, text in STYLES.items():
        method = methods.add_parser(name, help=text, description=text)
        method.add_argument(
            "--model", type=Path, required=True, metavar="FILE", help="model file of train.style or app.convert"
        )
        method.add_argument("--target", type=Path, required=True, metavar="DIR", help="photographs")
        for side, what in (("source", "frames"), ("target", "photographs")):
            method.add_argument(
                f"--{side}-labels", type=Path, metavar="DIR", help=f"label maps of the {what} (datasets.label)"
            )
        method.add_argument("--device", default="cpu", help="(default %(default)s)")
    methods.choices["wct2"].add_argument(
        "--at", nargs="+", choices=PARTS, default=PARTS, help="where features are changed (default: in all three)"
    )
    methods.add_parser("soften", help="slight blur, haze and noise, the same for every picture")
    text = "larger by Keys's kernel (a = -0.5), the interpolation that upscalers are compared with"
    methods.add_parser("bicubic", help=text, description=text).add_argument(
        "--scale", type=int, default=4, metavar="N", help="by which sides grow (default %(default)s)"
    )
    trained = {
        "cut": "a translator that reads no G-buffers (Park, Efros, Zhang, Zhu 2020), trained by train.cut",
        "spade": "photographs made of label maps alone (Park, Liu, Wang, Zhu 2019), trained by train.spade",
    }
    for name, text in trained.items():
        method = methods.add_parser(name, help=text, description=text)
        method.add_argument("--model", type=Path, required=True, metavar="FILE", help="model file of the training run")
    methods.choices["spade"].add_argument(
        "--labels",
        type=Path,
        required=True,
        metavar="DIR",
        help="label maps of the frames, of the taxonomy of the training run",
    )
    for name in ("idt", "grade", "soften"):
        methods.choices[name].add_argument("--seed", type=int, default=0, help="(default %(default)s)")
    for method in methods.choices.values():
        method.add_argument("--source", type=Path, required=True, metavar="DIR", help="frames: images or frame files")
        method.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets DIR/<key>.png")
        method.add_argument("--overwrite", action="store_true", help="replace pictures that exist already")
    return parser


def write_all(frames: "Images", out: Path, change: "FrameChange", name: str, *, overwrite: bool = False) -> int:
    """Write the changed picture of every frame to OUT/<key>.png.

    Args:
        frames: the folder of frames.
        out: the folder for the results.
        change: turns a frame and its key into a picture (H, W, 3) uint8.
        name: the method's name, for the progress bar.
        overwrite: whether existing results are replaced.

    Returns:
        The number of pictures written.

    Raises:
        InputError: a picture cannot be read, or `out` already holds one of the results.
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


def transfer_of(name: str, frames: "Images", photos: "Images", seed: int) -> "Callable[[Pixels], Floats]":
    """One of `TRANSFERS`, fitted to whole folders: picture (H, W, 3) uint8 -> RGB (H, W, 3) in [0, 1], not clipped."""
    from eval.transfers import histogram, idt, reinhard, transport

    if name == "histogram":
        table = histogram.table(histogram.histogram(frames), histogram.histogram(photos))
        return lambda image: histogram.match(image, table)
    if name == "idt":
        chain = idt.fit(idt.sample(frames, seed), idt.sample(photos, seed), seed)
        return lambda image: idt.transfer(image, chain)
    if name == "transport":
        before, after = transport.moments(frames), transport.moments(photos)
        return lambda image: transport.transfer(image, before, after)
    ours, theirs = reinhard.moments(frames), reinhard.moments(photos)
    return lambda image: reinhard.transfer(image, ours, theirs)


def stylist_of(args: argparse.Namespace) -> "Stylist":
    """The style transfer that the options name, one of `STYLES`.

    Raises:
        InputError: label maps for one side only, or from two taxonomies; an unknown device; no usable model.
    """
    from datasets.images import Images
    from datasets.runtime.device import device_of
    from eval.transfers.photo_style import Stylist, load_network

    if (args.source_labels is None) != (args.target_labels is None):
        raise InputError("--source-labels, --target-labels: wanted both or none.")
    labels = (args.source_labels, args.target_labels) if args.source_labels else None
    network = load_network(args.model, args.method)
    return Stylist(network, Images(args.target), labels, getattr(args, "at", PARTS), device_of(args.device))


def bicubic(scale: int) -> "FrameChange":
    """A function that enlarges pictures by a factor.

    Raises:
        InputError: the factor is not 1 .. 8.
    """
    from datasets.degradations.resizing import resized
    from datasets.degradations.steps import as_picture, as_pixels

    if not 1 <= scale <= 8:
        raise InputError(f"--scale {scale}: wanted 1 .. 8.")

    def enlarged(image: "Pixels", _key: str) -> "Pixels":
        height, width = image.shape[:2]
        return as_pixels(resized(as_picture(image), (scale * height, scale * width), "bicubic"))

    return enlarged


def change_of(args: argparse.Namespace, frames: "Images") -> "FrameChange":
    """The chosen method, other than `grade`: frame and key -> picture.

    Raises:
        InputError: an option that makes no sense, or files that do not fit together.
    """
    from datasets.degradations.steps import as_pixels

    if args.method in ("cut", "spade"):
        from eval.transfers.trained import synthesis, translator

        return translator(args.model) if args.method == "cut" else synthesis(args.model, args.labels)
    if args.method == "soften":
        from eval.transfers.soften import soften

        return lambda image, key: soften(image, key, args.seed)
    if args.method == "bicubic":
        return bicubic(args.scale)
    if args.method in STYLES:
        stylist = stylist_of(args)
        return lambda image, key: as_pixels(stylist(image, key))
    from datasets.images import Images

    transfer = transfer_of(args.method, frames, Images(args.target), getattr(args, "seed", 0))
    return lambda image, _key: as_pixels(transfer(image))


def write_graded(args: argparse.Namespace, frames: "Images") -> int:
    """Fit a grade; write the graded frames and, beside them, what was fitted.

    Returns:
        The number of pictures written.

    Raises:
        InputError: pictures that are too small, or results that already exist.
    """
    from datasets.degradations.steps import as_pixels
    from datasets.images import Images
    from eval.transfers.grading import grade

    fitted = grade.fit(frames, Images(args.target), args.seed)
    count = write_all(
        frames, args.out, lambda image, key: as_pixels(fitted(image, key)), args.method, overwrite=args.overwrite
    )
    grade.write(fitted, args.out)
    return count


def main(args: argparse.Namespace) -> None:
    """Write the pictures and print how many."""
    from datasets.images import Images, check_out

    check_seed(getattr(args, "seed", 0))
    check_out(args.out, args.source)
    frames = Images(args.source)
    if args.method == "grade":
        count = write_graded(args, frames)
    else:
        count = write_all(frames, args.out, change_of(args, frames), args.method, overwrite=args.overwrite)
    print(f"{count} pictures in {args.out}")


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
