"""Replicate padding of bfloat16 maps on a CPU: as autocast does it in fp32, and as `ReplicateConv2d` does.

    python -m benchmarks.padding

Both in turn, so that what else the machine does meets both alike; medians in milliseconds. The floor is the bytes that
have to move, at the speed of a copy of the same map: each value is read once and written once.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.enhancers import processor
from epe.layers.convolutions import without_padding
from gbuffer_tools.command import run

# The largest maps of a training step: VGG16's and the G-buffer encoder's, for four crops of 128 pixels.
SHAPES = ((4, 64, 128, 128), (4, 24, 128, 128), (4, 128, 64, 64), (4, 256, 32, 32))
SIDES = [1, 1, 1, 1]


def main(args: argparse.Namespace) -> None:
    """Measure and print."""
    torch.set_num_threads(args.threads)
    print(f"{processor()}, {args.threads} threads, torch {torch.__version__}\n")
    print("| map | padding: autocast | ours | copy | its gradient: autocast | ours | copy |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for shape in SHAPES:
        x = torch.randn(shape).bfloat16()
        gradient = torch.randn_like(F.pad(x, SIDES, mode="replicate"))
        like = torch.empty(shape)
        forward = medians(
            lambda x=x: F.pad(x.float(), SIDES, mode="replicate").bfloat16(),
            lambda x=x: F.pad(x, SIDES, mode="replicate"),
            lambda x=x: x.clone(),
            count=args.count,
        )
        backward = medians(
            lambda g=gradient, like=like: torch.ops.aten.replication_pad2d_backward(g.float(), like, SIDES).bfloat16(),
            lambda g=gradient: without_padding(g),
            lambda g=gradient: g.clone(),
            count=args.count,
        )
        cells = " | ".join(f"{1e3 * seconds:.2f}" for seconds in (*forward, *backward))
        print(f"| {' x '.join(map(str, shape))} | {cells} |")


def medians(*ways: Callable[[], Tensor], count: int) -> list[float]:
    """Seconds of each way, taken in turn."""
    taken: list[list[float]] = [[] for _ in ways]
    for turn in range(count + 1):
        for seconds, way in zip(taken, ways, strict=True):
            began = time.perf_counter()
            way()
            if turn:  # the first finds caches and kernels cold
                seconds.append(time.perf_counter() - began)
    return [statistics.median(seconds) for seconds in taken]


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.padding", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=30, metavar="N", help="times each (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="(%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
