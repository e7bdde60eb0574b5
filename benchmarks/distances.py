"""MMD² between large sets of feature vectors: time, memory, and the arithmetic floor.

python -m benchmarks.distances --count 100000
"""

import argparse
import os
import resource
import time

import torch

from benchmarks.measuring.speed import multiply_adds_per_second, processor
from eval.metrics.kid_cmmd import kid_kernel, mmd2_in_blocks
from gbuffer_tools.command import run


def main(args: argparse.Namespace) -> None:
    """Measure and print."""
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(args.count, args.dimensions, generator=generator) for _ in range(2))
    speed = multiply_adds_per_second("cpu", torch.float64)
    threads, load = torch.get_num_threads(), os.getloadavg()[0]
    print(f"{processor()}, {threads} threads, {speed / 1e9:.0f} GMAC/s in fp64, load {load:.1f}")
    began = time.perf_counter()
    value = mmd2_in_blocks(x, y + args.shift, kid_kernel, unbiased=True)
    seconds = time.perf_counter() - began
    # Half of the pairs within each of the two sets, and all pairs across.
    floor = 2 * args.count**2 * args.dimensions / speed
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{args.count:,} x {args.count:,} vectors of {args.dimensions}: MMD² {value:.3g}, {seconds:.0f} s, "
        f"{seconds / floor:.1f} times the floor of {floor:.0f} s, {memory:.2f} GiB at most"
    )


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.distances", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000, help="vectors on each side (%(default)s)")
    parser.add_argument("--dimensions", type=int, default=512, help="(%(default)s)")
    parser.add_argument("--shift", type=float, default=0.01, help="between the two sets' means (%(default)s)")
    return parser


if __name__ == "__main__":
    raise SystemExit(run(main, build_parser()))
