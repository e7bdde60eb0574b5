"""Rendering small, enhancing and enlarging, against enhancing at full size: time and peak memory of one frame.

    python -m benchmarks.upscaling
    python -m benchmarks.upscaling --enhancer hr-small --size 1280x720 --out figures.json

Each way runs in its own process, in fp32, with untrained weights (which cost as much as trained ones), the enhancer as
`app.enhance` runs it, the upscaler in its tiles. The cost of rendering is not included: it falls, too, except for the
guides of `guided-x4`, which are rendered at full size. Memory is the process's, including Python and torch (0.3 GiB).
The floor is the time that the multiply-adds alone would take at the speed of the machine's matrix product.
"""

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch

from app.enhance import enhance
from app.inference.backends import torch_backend
from benchmarks.measuring.speed import inputs, multiply_adds_per_second, processor, timed
from datasets.frames import Sample
from epe.inference.macs import Macs
from epe.inference.tiling import run_tiled
from epe.models import Model, save
from epe.networks.enhancers.enhancer import every_channel
from epe.networks.generators import build_generator, build_upscaler, find_upscaler, preset_names, upscaler_names
from epe.networks.preset_sizes import CHANNELS, CLASSES
from gbuffer_tools.command import parse_size, run
from gbuffer_tools.errors import InputError


@dataclass(frozen=True)
class UpscalingCost:
    """What one way to make a large frame costs.

    Attributes:
        way: the networks and the size of the frame that is enhanced.
        macs: multiply-adds.
        enhancing, enlarging: median seconds of each part.
        gibibytes: peak memory of the process.
    """

    way: str
    macs: int
    enhancing: float
    enlarging: float
    gibibytes: float

    @property
    def seconds(self) -> float:
        return self.enhancing + self.enlarging


def measure(enhancer: str, upscaler: str | None, size: tuple[int, int], frames: int, threads: int) -> UpscalingCost:
    """Measure one way, in its own process, so its memory is measured alone.

    Args:
        enhancer: preset of the enhancer.
        upscaler: preset of the upscaler; None: the enhancer runs at the large size.
        size: (height, width) of the large frame.
        frames: number of timed frames, after an untimed one.
        threads: torch threads.
    """
    torch.set_num_threads(threads)
    scale = int(find_upscaler(upscaler).presets[upscaler]["scale"]) if upscaler else 1
    height, width = (side // scale for side in size)
    parts = [enhancing(enhancer, (height, width))]
    if upscaler:
        parts.append(enlarging(upscaler, (height, width)))
    with torch.inference_mode():
        with Macs() as macs:
            for part in parts:
                part()
        taken = [statistics.median(timed(part, "cpu") for _ in range(frames)) for part in parts]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    way = f"{enhancer} at {width}x{height}" + (f", {upscaler}" if upscaler else "")
    return UpscalingCost(way, macs.total, taken[0], sum(taken[1:]), memory / 2**30)


def enhancing(preset: str, size: tuple[int, int]) -> Callable[[], object]:
    """Return a call that enhances a random frame as `app.enhance` does, from a model file."""
    network = build_generator(preset, CHANNELS, every_channel(CHANNELS, CLASSES)).eval()
    names = tuple(f"x_any.{i}" for i in range(CHANNELS))
    classes = tuple((f"class {i}",) for i in range(CLASSES))
    model = Model(
        network, network.kind, network.spec.as_dict(), names, (0.0,) * CHANNELS, (1.0,) * CHANNELS, classes,
        multiple_of=network.spec.multiple_of,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        save(model, Path(folder) / "model.safetensors")
        del model, network
        backend = torch_backend(Path(folder) / "model.safetensors", torch.device("cpu"), bf16=False)
    sample = Sample(*(part[0] for part in inputs(1, *size, "cpu")))
    return partial(enhance, backend, sample, strength=1.0)


def enlarging(preset: str, size: tuple[int, int]) -> Callable[[], object]:
    """Return a call that enlarges a random picture of this size in the network's tiles.

    It is guided by 9 channels if the preset is guided.
    """
    network = build_upscaler(preset).eval()
    scale, channels = network.spec.scale, network.spec.guides
    inputs = [torch.rand(1, 3, *size)]
    if channels:  # folded, so that both are tiled alike
        inputs.append(torch.randn(1, channels * scale**2, *size))
    return partial(
        run_tiled,
        network.forward_folded,
        inputs,
        scale=scale,
        tile=network.tile,
        overlap=network.overlap,
        margin=network.margin,
    )


def main(args: argparse.Namespace) -> None:
    """Measure and print; with --out, write JSON, too."""
    if args.enhancer not in preset_names():
        raise InputError(f"--enhancer {args.enhancer}: wanted one of {', '.join(preset_names())}")
    unknown = [name for name in args.upscalers if name not in upscaler_names()]
    if unknown:
        raise InputError(f"--upscalers {unknown[0]}: wanted some of {', '.join(upscaler_names())}")
    size, threads = parse_size(args.size, "--size"), torch.get_num_threads()
    speed = multiply_adds_per_second("cpu", torch.float32)
    load = os.getloadavg()[0]
    print(f"{processor()}, {threads} threads, fp32 {speed / 1e9:,.0f} GMAC/s, load {load:.1f}, {args.size}")
    print(f"{'way':<34}{'TMAC':>8}{'enhance s':>11}{'enlarge s':>11}{'sum s':>9}{'ratio':>8}{'x floor':>9}{'GiB':>7}")
    found: list[UpscalingCost] = []
    spawn = multiprocessing.get_context("spawn")
    for upscaler in (None, *args.upscalers):
        with spawn.Pool(1) as pool:
            found.append(pool.apply(measure, (args.enhancer, upscaler, size, args.frames, threads)))
        m = found[-1]
        above = m.seconds * speed / m.macs
        figures = f"{m.enhancing:>11.3g}{m.enlarging:>11.3g}{m.seconds:>9.3g}{found[0].seconds / m.seconds:>8.2f}"
        print(f"{m.way:<34}{m.macs / 1e12:>8.4f}{figures}{above:>9.1f}{m.gibibytes:>7.2f}", flush=True)
    if args.out:
        facts = {"processor": processor(), "threads": threads, "load": load, "macs_per_second": speed}
        args.out.parent.mkdir(parents=True, exist_ok=True)
        ways = [asdict(m) | {"seconds": m.seconds} for m in found]
        args.out.write_text(json.dumps(facts | {"size": args.size, "ways": ways}, indent=1) + "\n")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upscaling", description=__doc__.splitlines()[0])
    parser.add_argument("--enhancer", default="lite", metavar="NAME", help="(%(default)s)")
    names = ["srvgg-16", "guided-x4"]
    parser.add_argument("--upscalers", nargs="+", default=names, metavar="NAME", help="(%(default)s)")
    parser.add_argument("--size", default="1920x1080", metavar="WxH", help="of the large frame (%(default)s)")
    parser.add_argument("--frames", type=int, default=3, help="timed frames (%(default)s)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON of the figures")
    return parser


if __name__ == "__main__":
    raise SystemExit(run(main, build_parser()))
