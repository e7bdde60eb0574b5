"""sKVD's inner products: VGG16 passes per crop, bytes to and from the disk, and time relative to its floor.

    python -m benchmarks.features --crops 352 --real 540 --methods 5

Crops and weights are random: values do not affect time. The floor is the time that the multiply-adds alone (of
one forward pass per crop, and of the products) would take at the speed of this machine's float32 matrix product,
measured in the same run. Bytes are those that the process wrote and read, as Linux counts them; they need not have
reached the disk.
"""

import argparse
import os
import resource
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.measuring.speed import multiply_adds_per_second, processor
from epe.inference.macs import Macs
from epe.networks.backbones.vgg import VGG16, frozen
from eval.features.inner_products import crop_inner_products
from eval.features.vgg_features import LAYERS, CropPixels, Extractor
from gbuffer_tools.command import run


class Timed:
    """An extractor that counts crops and seconds."""

    def __init__(self, extract: Extractor) -> None:
        self.extract, self.crops, self.seconds = extract, 0, 0.0
        self.batch, self.dtype, self.device, self.widths = extract.batch, extract.dtype, extract.device, extract.widths

    def __call__(self, crops: CropPixels, layers: Sequence[str]) -> dict[str, Tensor]:
        """Return the extractor's features."""
        began = time.perf_counter()
        found = self.extract(crops, layers)
        self.seconds += time.perf_counter() - began
        self.crops += len(crops)
        return found


def moved() -> tuple[int, int]:
    """Return the bytes that this process has written and read so far; zeros if the system does not report them."""
    try:
        lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    except OSError:
        return 0, 0
    return int(lines["wchar"]), int(lines["rchar"])


def main(args: argparse.Namespace) -> None:
    """Measure and print."""
    rng = np.random.default_rng(0)
    real, *fakes = (
        rng.integers(0, 256, (count, args.side, args.side, 3), dtype=np.uint8)
        for count in (args.real, *[args.crops] * args.methods)
    )
    extract = Extractor(frozen(VGG16()), "none", 8, torch.device("cpu"), precision=args.precision)
    speed = multiply_adds_per_second("cpu", torch.float32)
    with Macs() as macs:
        extract(real[:1], LAYERS)
    timed = Timed(extract)
    before, began, burnt = moved(), time.perf_counter(), time.process_time()
    crop_inner_products(
        timed, real, fakes, layers=LAYERS, memory=int(args.memory * 2**30), scratch=args.scratch, progress=True
    )
    seconds, burnt = time.perf_counter() - began, time.process_time() - burnt
    written, read = (after - start for after, start in zip(moved(), before, strict=True))
    every = args.real + args.methods * args.crops
    pairs = args.real**2 / 2 + args.methods * (args.crops**2 / 2 + args.crops * args.real)
    dimensions = sum(extract.widths(args.side, LAYERS).values())
    forward, products = every * macs.total / speed, pairs * dimensions / speed
    threads, load = torch.get_num_threads(), os.getloadavg()[0]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{processor()}, {threads} threads, {speed / 1e9:.0f} GMAC/s in fp32, load {load:.1f}, {args.precision}")
    print(f"{every:,} crops of {args.side} px, {timed.crops:,} forward passes: {timed.crops / every:.2f} a crop")
    print(f"forward   {timed.seconds:6.1f} s, floor {forward:6.1f} s ({2 * every * macs.total / 1e12:.1f} TFLOP)")
    rest = seconds - timed.seconds
    print(
        f"products  {rest:6.1f} s, floor {products:6.1f} s ({2 * pairs * dimensions / 1e12:.1f} TFLOP), disk included"
    )
    print(
        f"together  {seconds:6.1f} s, {seconds / (forward + products):.2f} times the floor; {burnt:.0f} s of CPU time; "
        f"{written / 1e9:.1f} GB written, {read / 1e9:.1f} GB read, {memory:.2f} GiB at most"
    )


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features", description=__doc__.splitlines()[0])
    parser.add_argument("--crops", type=int, default=64, help="of each method (%(default)s)")
    parser.add_argument("--real", type=int, default=96, help="crops of photographs (%(default)s)")
    parser.add_argument("--methods", type=int, default=2, help="(%(default)s)")
    parser.add_argument("--side", type=int, default=126, help="of a crop in pixels (%(default)s)")
    parser.add_argument("--memory", type=float, default=0.5, metavar="GIB", help="as of eval.skvd (%(default)s)")
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="as of eval.skvd")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="(%(default)s)")
    return parser


if __name__ == "__main__":
    raise SystemExit(run(main, build_parser()))
