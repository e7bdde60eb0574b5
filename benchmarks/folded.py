"""The gain from folding, routing and fewer passes over memory: a generator as it was trained, and as it is run.

    python -m benchmarks.folded --name hr

One process, taking turns, fp32: plain (masks, so every class stream sees every pixel; torch's own layout, and
channels_last) and as `app.enhance` runs it, on the class layouts of the sample frames, reduced to `--classes` classes.
Weights are random. Also prints how far apart the pictures are.
"""

import argparse
import os
import time
from pathlib import Path

import h5py
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.measuring.speed import processor
from epe.inference.fold import fold, without_copies
from epe.networks.enhancers.enhancer import Enhancer, every_channel
from epe.networks.enhancers.lite import Lite
from epe.networks.generators import build_generator
from epe.networks.preset_sizes import CHANNELS, CLASSES
from gbuffer_tools.command import parse_size, run
from gbuffer_tools.errors import InputError

NAMES = (*Lite.presets, *Enhancer.presets)
"""Generators that have something to fold, or class streams to route."""


def network_of(name: str) -> nn.Module:
    """Return a generator with random weights, also in the last layer, so the picture depends on all of them.

    Raises:
        InputError: it is none of `NAMES`.
    """
    if name not in NAMES:
        raise InputError(f"--name {name}: wanted one of {', '.join(NAMES)}")
    torch.manual_seed(0)
    network = build_generator(name, CHANNELS, every_channel(CHANNELS, CLASSES)).eval()
    if isinstance(network, Enhancer):
        nn.init.normal_(network.image.head.out.weight, std=0.05)
    elif isinstance(network, Lite):
        nn.init.normal_(network.image.out.weight, std=0.05)
    return network


def layouts(folder: Path, max_classes: int, size: tuple[int, int]) -> list[tuple[Tensor, Tensor]]:
    """Return the first frame of each file: picture (1, 3, H, W) and class ids (1, H, W), at most `max_classes` of them.

    The largest classes stay as they are; the pixels of all others go to the largest one.
    """
    found = []
    for path in sorted(folder.glob("*.h5")):
        with h5py.File(path) as file:
            picture = torch.from_numpy(file["image"][0]).movedim(-1, 0)[None].float() / 255
            ids = torch.from_numpy(file["ids/class"][0]).long()
        pixels = torch.bincount(ids.flatten())
        kept = pixels.argsort(descending=True)[: min(max_classes, int((pixels > 0).sum()))]
        number = torch.zeros(len(pixels), dtype=torch.long)
        number[kept] = torch.arange(len(kept))
        classes = F.interpolate(number[ids][None, None].float(), size)[0].long()
        found.append((F.interpolate(picture, size), classes))
    return found


def main(args: argparse.Namespace) -> None:
    """Measure and print."""
    size = parse_size(args.size, "--size")
    plain = network_of(args.name)
    nhwc = network_of(args.name).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fast = without_copies(fold(plain)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    print(f"{processor()}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}, {args.name}, {args.size}")
    print(f"{'classes':>8}{'plain s':>10}{'nhwc s':>10}{'fast s':>10}{'ratio':>8}{'to nhwc':>9}{'apart':>10}")
    for image, ids in layouts(args.frames, args.classes, size)[: args.count]:
        gbuffers = torch.randn(1, CHANNELS, *size)
        masks = F.one_hot(ids, CLASSES).movedim(-1, 1).float()
        pictures, seconds = [], []
        for network, classes, memory in (
            (plain, masks, torch.contiguous_format),
            (nhwc, masks, torch.channels_last),
            (fast, ids, torch.channels_last),
        ):
            inputs = image.to(memory_format=memory), gbuffers.to(memory_format=memory), classes
            began = time.perf_counter()
            with torch.inference_mode():
                pictures.append(network(*inputs))
            seconds.append(time.perf_counter() - began)
        ratios = seconds[0] / seconds[2], seconds[1] / seconds[2]
        apart = float((pictures[2] - pictures[0]).abs().max())
        moved = float((pictures[0] - image).abs().mean())
        print(
            f"{len(ids.unique()):>8}{seconds[0]:>10.2f}{seconds[1]:>10.2f}{seconds[2]:>10.2f}"
            f"{ratios[0]:>8.2f}{ratios[1]:>9.2f}{apart:>10.1e}   (mean change of the picture {moved:.3f})"
        )


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.folded", description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="hr", help="generator (%(default)s)")
    parser.add_argument("--size", default="957x526", metavar="WxH", help="of the frames (%(default)s)")
    parser.add_argument(
        "--frames", type=Path, default=Path("samples/frames/heldout"), metavar="DIR", help="frame files"
    )
    parser.add_argument("--classes", type=int, default=5, help="most classes in a frame (%(default)s)")
    parser.add_argument("--count", type=int, default=4, help="frames, each of another file (%(default)s)")
    return parser


if __name__ == "__main__":
    raise SystemExit(run(main, build_parser()))
