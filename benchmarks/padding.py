"""Replicate padding of bfloat16 maps on a CPU: as autocast does it in fp32, and as `ReplicateConv2d` does.

    python -m benchmarks.padding

Both take turns, so other load on the machine affects them alike; medians in milliseconds. The floor is the time to move
the bytes at the speed of a copy of the same map: each value is read once and written once.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.measuring.speed import processor
from epe.layers.convolutions import without_padding
from eval.reporting.markdown import table_row, table_rule
from gbuffer_tools.command import run

# The largest maps of a training step: VGG16's and the G-buffer encoder's, for four crops of 128 pixels.
SHAPES = ((4, 64, 128, 128), (4, 24, 128, 128), (4, 128, 64, 64), (4, 256, 32, 32))
SIDES = [1, 1, 1, 1]
HEADS = ("map", "padding: autocast", "ours", "copy", "its gradient: autocast", "ours", "copy")


def main(args: argparse.Namespace) -> None:
    """Measure and print."""
    torch.set_num_threads(args.threads)
    print(f"{processor()}, {args.threads} threads, torch {torch.__version__}\n")
    print(table_row(HEADS), table_rule(len(HEADS)), sep="\n")
    for shape in SHAPES:
        x, like = torch.randn(shape).bfloat16(), torch.empty(shape)
        gradient = torch.randn_like(F.pad(x, SIDES, mode="replicate"))
        forward = medians([partial(autocast_padding, x), partial(padding, x), x.clone], args.count)
        backward = medians(
            [partial(autocast_gradient, gradient, like), partial(without_padding, gradient), gradient.clone], args.count
        )
        milliseconds = (f"{1e3 * seconds:.2f}" for seconds in (*forward, *backward))
        print(table_row([" x ".join(map(str, shape)), *milliseconds]))


def padding(x: Tensor) -> Tensor:
    return F.pad(x, SIDES, mode="replicate")


def autocast_padding(x: Tensor) -> Tensor:
    return padding(x.float()).bfloat16()


def autocast_gradient(gradient: Tensor, like: Tensor) -> Tensor:
    return torch.ops.aten.replication_pad2d_backward(gradient.float(), like, SIDES).bfloat16()


def medians(ways: Sequence[Callable[[], Tensor]], count: int) -> list[float]:
    """Return the median seconds of each way; the ways take turns."""
    taken: list[list[float]] = [[] for _ in ways]
    for turn in range(count + 1):
        for seconds, way in zip(taken, ways, strict=True):
            began = time.perf_counter()
            way()
            if turn:  # the first runs with cold caches and kernels
                seconds.append(time.perf_counter() - began)
    return [statistics.median(seconds) for seconds in taken]


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.padding", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=30, metavar="N", help="times each (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="(%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
