"""Every generator on this machine: multiply-adds, parameters, time and memory of a frame, training speed.

    python -m benchmarks.enhancers --names hr lite

Each runs in a process of its own, in fp32, eager, with untrained weights; the ratio is to the first of `--names`. The
floor is the time that the multiply-adds alone would take at the speed of this machine's matrix product, measured in the
same run. Training is the generator alone, without the critics: forward, backward and Adam on crops of 196 px.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from app.models import CHANNELS, CLASSES, parse_size
from epe.macs import Macs
from epe.networks.enhancer import every_channel
from epe.networks.generators import NAMES, generator
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

CROP = 196
MATRIX = 2048


@dataclass(frozen=True)
class Measured:
    """One generator.

    Attributes:
        parameters: their number.
        macs: multiply-adds of one frame.
        seconds: of one frame, the median.
        gibibytes: most memory of the process while it ran frames, all of it.
        samples: crops a second in training.
    """

    name: str
    parameters: int
    macs: int
    seconds: float
    gibibytes: float
    samples: float


def inputs(batch: int, height: int, width: int) -> list[torch.Tensor]:
    """Random pictures, G-buffers and class ids."""
    torch.manual_seed(0)
    image, gbuffers = torch.rand(batch, 3, height, width), torch.randn(batch, CHANNELS, height, width)
    return [image, gbuffers, torch.randint(CLASSES, (batch, height, width))]


def measure(name: str, size: tuple[int, int], frames: int, threads: int) -> Measured:
    """In a process of its own, for the memory's sake."""
    torch.set_num_threads(threads)
    network = generator(name, CHANNELS, every_channel(CHANNELS, CLASSES)).eval()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    frame = inputs(1, *size)
    with torch.inference_mode():
        with Macs() as macs:
            network(*frame)  # and a first time, which does not count
        seconds = [timed(lambda: network(*frame)) for _ in range(frames)]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    network.train()
    optimiser, crop = torch.optim.Adam(network.parameters()), inputs(1, CROP, CROP)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        (network(*crop) - crop[0]).square().mean().backward()
        optimiser.step()

    step()
    training = statistics.median(timed(step) for _ in range(frames))
    count = sum(p.numel() for p in network.parameters())
    return Measured(name, count, macs.total, statistics.median(seconds), memory, 1 / training)


def timed(work: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def multiply_adds_per_second() -> float:
    """Of this machine's fp32 matrix product, the best of five."""
    a, b = torch.rand(MATRIX, MATRIX), torch.rand(MATRIX, MATRIX)
    return float(MATRIX**3 / min(timed(lambda: a @ b) for _ in range(5)))


def processor() -> str:
    """Its name, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def main(args: argparse.Namespace) -> None:
    """Measure and print; with --out, write JSON, too."""
    unknown = [name for name in args.names if name not in NAMES]
    if unknown:
        raise InputError(f"--names {unknown[0]}: wanted some of {', '.join(NAMES)}")
    size, threads = parse_size(args.size), torch.get_num_threads()
    speed = multiply_adds_per_second()
    print(f"{processor()}, {threads} threads, {speed / 1e9:.0f} GMAC/s, load {os.getloadavg()[0]:.1f}, {args.size}")
    print(
        f"{'name':<14}{'parameters':>12}{'TMAC':>9}{'s/frame':>10}{'ratio':>8}{'x floor':>9}{'GiB':>7}{'samples/s':>11}"
    )
    found: list[Measured] = []
    spawn = multiprocessing.get_context("spawn")
    for name in args.names:
        with spawn.Pool(1) as pool:
            found.append(pool.apply(measure, (name, size, args.frames, threads)))
        m = found[-1]
        ratio, above = found[0].seconds / m.seconds, m.seconds * speed / m.macs
        figures = f"{m.seconds:>10.2f}{ratio:>8.1f}{above:>9.1f}{m.gibibytes:>7.2f}{m.samples:>11.2f}"
        print(f"{m.name:<14}{m.parameters:>12,}{m.macs / 1e12:>9.4f}{figures}", flush=True)
    if args.out:
        facts = {"processor": processor(), "threads": threads, "macs_per_second": speed, "size": args.size}
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(facts | {"generators": [asdict(m) for m in found]}, indent=1) + "\n")


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.enhancers", description=__doc__.splitlines()[0])
    parser.add_argument("--names", nargs="+", default=["hr", "hr-small", "lite"], metavar="NAME", help="(%(default)s)")
    parser.add_argument("--size", default="957x526", metavar="WxH", help="of the frame (%(default)s)")
    parser.add_argument("--frames", type=int, default=3, help="timed frames and training steps (%(default)s)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON of the figures")
    return parser


if __name__ == "__main__":
    raise SystemExit(run(main, build_parser()))
