"""Encoding pictures as codes and decoding them: multiply-adds, milliseconds, and the ratio to the machine's floor.

    python -m benchmarks.autoencoders --names vqgan-f16-1024 vqgan-f8-small

Untrained weights, one 256x256 picture, fp32. The floor is the time that the multiply-adds alone would take at the
speed of the machine's matrix product, measured in the same run.
"""

import argparse
import os
import statistics
import sys
from functools import partial

import torch

from benchmarks.measuring.speed import multiply_adds_per_second, processor, timed
from epe.inference.macs import Macs
from epe.networks.autoencoders.vqgan import PRESETS, build_vqgan
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

SIDE = 256
NAMES = ("vqgan-f16-1024", "vqgan-f16-small", "vqgan-f8-small")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.autoencoders", description=__doc__)
    parser.add_argument("--names", nargs="+", default=list(NAMES), metavar="NAME", help="presets (default: all small)")
    parser.add_argument("--count", type=int, default=3, help="times of each, of which the median counts")
    return parser


def main(args: argparse.Namespace) -> None:
    """Measure and print."""
    if unknown := [name for name in args.names if name not in PRESETS]:
        raise InputError(f"--names {unknown[0]}: wanted some of {', '.join(PRESETS)}")
    speed = multiply_adds_per_second("cpu", torch.float32)
    print(f"{processor()}, {torch.get_num_threads()} threads, {speed / 1e9:,.0f} GMAC/s, load {os.getloadavg()[0]:.1f}")
    print(f"{'name':<18}{'codes':>8}{'':>9}{'GMAC':>8}{'ms':>9}{'x floor':>9}")
    for name in args.names:
        network = build_vqgan(name).eval()
        picture = torch.rand(1, network.spec.channels, SIDE, SIDE)
        with torch.inference_mode():
            ids = network.encode(picture)
            for what, work in (("encode", partial(network.encode, picture)), ("decode", partial(network.decode, ids))):
                with Macs() as macs:
                    work()
                seconds = statistics.median(timed(work, "cpu") for _ in range(args.count))
                figures = f"{macs.total / 1e9:>8.1f}{1000 * seconds:>9.0f}{seconds * speed / macs.total:>9.1f}"
                print(f"{name:<18}{ids.numel():>8} {what:<8}{figures}", flush=True)


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
