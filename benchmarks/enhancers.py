"""Every generator on this machine: multiply-adds, parameters, time and memory per frame, training speed.

    python -m benchmarks.enhancers --names hr lite
    python -m benchmarks.enhancers --device cuda --precision fp32 bf16 --size 1920x1080 --out gpu.json

Each runs in its own process, in eager mode, with untrained weights; ratios are relative to the first line: the first of
`--names` in the first precision. bf16 is autocast, as in `app.enhance` and `train.epe`. The floor is the time that the
multiply-adds alone would take at the speed of the machine's matrix product in that precision, measured in the same
run. Training is the generator alone, without the critics: forward, backward and Adam on crops of 196 px. Memory is
the process's on a CPU, torch's on a GPU.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import resource
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from benchmarks.measuring.speed import inputs, multiply_adds_per_second, processor, timed
from epe.inference.macs import Macs
from epe.networks.enhancers.enhancer import every_channel
from epe.networks.generators import build_generator, preset_names
from epe.networks.preset_sizes import CHANNELS, CLASSES
from gbuffer_tools.command import parse_size, run
from gbuffer_tools.errors import InputError

CROP = 196
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class GeneratorCost:
    """What one generator costs.

    Attributes:
        parameters: number of parameters.
        macs: multiply-adds of one frame.
        seconds: median seconds per frame.
        gibibytes: peak memory while running frames.
        samples: crops per second in training.
    """

    name: str
    precision: str
    parameters: int
    macs: int
    seconds: float
    gibibytes: float
    samples: float


def measure(name: str, precision: str, size: tuple[int, int], frames: int, threads: int, device: str) -> GeneratorCost:
    """Measure one generator, in its own process, so its memory is measured alone."""
    torch.set_num_threads(threads)
    network = build_generator(name, CHANNELS, every_channel(CHANNELS, CLASSES)).eval()
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    frame = inputs(1, *size, device)
    kind = torch.device(device).type
    with torch.autocast(kind, torch.bfloat16, enabled=precision == "bf16"):
        with torch.inference_mode():
            with Macs() as macs:
                network(*frame)  # also an uncounted first run
            seconds = [timed(lambda: network(*frame), kind) for _ in range(frames)]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if kind == "cuda":
            memory = torch.cuda.max_memory_allocated()
        network.train()
        optimiser, crop = torch.optim.Adam(network.parameters()), inputs(1, CROP, CROP, device)

        def step() -> None:
            optimiser.zero_grad(set_to_none=True)
            (network(*crop) - crop[0]).square().mean().backward()
            optimiser.step()

        step()
        training = statistics.median(timed(step, kind) for _ in range(frames))
    count = sum(p.numel() for p in network.parameters())
    return GeneratorCost(name, precision, count, macs.total, statistics.median(seconds), memory / 2**30, 1 / training)


def main(args: argparse.Namespace) -> None:
    """Measure and print; with --out, write JSON, too."""
    unknown = [name for name in args.names if name not in preset_names()]
    if unknown:
        raise InputError(f"--names {unknown[0]}: wanted some of {', '.join(preset_names())}")
    if torch.device(args.device).type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"--device {args.device}: is not there; try cpu")
    size, threads = parse_size(args.size, "--size"), torch.get_num_threads()
    speeds = {precision: multiply_adds_per_second(args.device, DTYPES[precision]) for precision in args.precision}
    named = ", ".join(f"{precision} {speed / 1e9:,.0f} GMAC/s" for precision, speed in speeds.items())
    print(f"{processor(args.device)}, {threads} threads, {named}, load {os.getloadavg()[0]:.1f}, {args.size}")
    print(
        f"{'name':<24}{'parameters':>12}{'TMAC':>9}{'s/frame':>10}{'ratio':>8}{'x floor':>9}{'GiB':>7}{'samples/s':>11}"
    )
    found: list[GeneratorCost] = []
    spawn = multiprocessing.get_context("spawn")
    for name, precision in itertools.product(args.names, args.precision):
        with spawn.Pool(1) as pool:
            found.append(pool.apply(measure, (name, precision, size, args.frames, threads, args.device)))
        m = found[-1]
        ratio, above = found[0].seconds / m.seconds, m.seconds * speeds[precision] / m.macs
        figures = f"{m.seconds:>10.4g}{ratio:>8.1f}{above:>9.1f}{m.gibibytes:>7.2f}{m.samples:>11.2f}"
        print(f"{name:<19}{precision:<5}{m.parameters:>12,}{m.macs / 1e12:>9.4f}{figures}", flush=True)
    if args.out:
        facts = {"processor": processor(args.device), "threads": threads, "macs_per_second": speeds, "size": args.size}
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(facts | {"generators": [asdict(m) for m in found]}, indent=1) + "\n")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.enhancers", description=__doc__.splitlines()[0])
    parser.add_argument("--names", nargs="+", default=["hr", "hr-small", "lite"], metavar="NAME", help="(%(default)s)")
    parser.add_argument("--size", default="957x526", metavar="WxH", help="of the frame (%(default)s)")
    parser.add_argument("--precision", nargs="+", default=["fp32"], choices=tuple(DTYPES), help="(fp32)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (%(default)s)")
    parser.add_argument("--frames", type=int, default=3, help="timed frames and training steps (%(default)s)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON of the figures")
    return parser


if __name__ == "__main__":
    raise SystemExit(run(main, build_parser()))
