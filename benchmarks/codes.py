"""Sampling a map of 16 x 16 codes with a key-value cache against reading the whole window for every code.

    python -m benchmarks.codes
    python -m benchmarks.codes --names gpt-coco --batch 8 --device cuda --precision bf16

Weights are random, conditions are those of the preset. With the cache, all codes are drawn; without it, where later
codes cost more, every `--every`-th one is read, and the mean counts. One process, taking turns, after an uncounted
first code.
"""

import argparse
import os

import torch
from torch import Tensor

from benchmarks.measuring.speed import processor, timed
from epe.networks.codes.gpt import GPT, PRESETS, GPTSpec
from epe.networks.codes.sampling import NextCode, sample
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

SMALL = {"codes": 1024, "context": 512, "layers": 6, "width": 256, "heads": 8, "conditions": 256}
"""The default sizes of train.codes, conditional on maps of 256 codes."""
SIZES = {"small": SMALL, **PRESETS}


def network_of(name: str, device: str) -> GPT:
    """Return a network with random weights."""
    torch.manual_seed(0)
    return GPT(GPTSpec(**SIZES[name])).eval().to(device)


def condition_of(network: GPT, batch: int, device: str) -> Tensor:
    """Return a condition of zeros: a label, or a map."""
    spec = network.spec
    shape = (batch,) if spec.conditions == 1 else (batch, spec.side, spec.side)
    return torch.zeros(shape, dtype=torch.int64, device=device)


def measure(network: GPT, batch: int, every: int, device: str) -> tuple[float, float]:
    """Return the seconds for one code of each map, with and without the cache."""
    spec, kind = network.spec, torch.device(device).type
    side, condition = spec.side, condition_of(network, batch, device)
    generators = [torch.Generator().manual_seed(i) for i in range(batch)]
    codes = torch.randint(spec.codes, (batch, side, side), device=device)
    plain = NextCode(network, condition, (side, side), cached=False)
    places = [(i // side, i % side) for i in range(every // 2, side**2, every)]

    def without() -> None:
        for row, column in places:
            plain.logits(codes, row, column)

    with torch.inference_mode():
        plain.logits(codes, 0, 1)
        cached = timed(lambda: sample(network, condition, (side, side), generators), kind) / side**2
        return cached, timed(without, kind) / len(places)


def main(args: argparse.Namespace) -> None:
    """Measure and print."""
    unknown = [name for name in args.names if name not in SIZES]
    if unknown:
        raise InputError(f"--names {unknown[0]}: wanted some of {', '.join(SIZES)}")
    threads, kind = torch.get_num_threads(), torch.device(args.device).type
    load = f"load {os.getloadavg()[0]:.1f}"
    print(f"{processor(args.device)}, {threads} threads, {args.precision}, {load}, batch {args.batch}")
    print(f"{'name':<18}{'parameters':>15}{'codes/s cached':>17}{'uncached':>11}{'ratio':>8}")
    for name in args.names:
        network = network_of(name, args.device)
        with torch.autocast(kind, torch.bfloat16, enabled=args.precision == "bf16"):
            cached, plain = measure(network, args.batch, args.every, args.device)
        parameters = sum(p.numel() for p in network.parameters())
        speeds = f"{args.batch / cached:>17.1f}{args.batch / plain:>11.1f}{plain / cached:>8.1f}"
        print(f"{name:<18}{parameters:>15,}{speeds}", flush=True)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.codes", description=__doc__.splitlines()[0])
    parser.add_argument("--names", nargs="+", default=["small"], metavar="NAME", help="presets (%(default)s)")
    parser.add_argument("--batch", type=int, default=1, help="maps at once (%(default)s)")
    parser.add_argument("--every", type=int, default=8, help="codes between those read without a cache (%(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (%(default)s)")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"), help="(%(default)s)")
    return parser


if __name__ == "__main__":
    raise SystemExit(run(main, build_parser()))
