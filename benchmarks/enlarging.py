"""Memory and time of `app.upscale` for large pictures, and how much its tiles change the result.

    python -m benchmarks.enlarging --sizes 3840x1080 3840x2160
    python -m benchmarks.enlarging --name realesrgan-x4plus-anime --sizes --crop 541x80

The command runs in its own process, whose peak resident memory counts, on a picture of noise at several scales. A
preset has random weights, which change neither memory nor time; an asset has its own. The difference compares the
smallest tiles that the network allows with the whole picture in one piece, for a crop.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from app.fetching.realesrgan import NETWORKS
from app.inference.enlarging import Enlarger
from app.inference.upscalers import open_upscaler
from datasets.crops import as_tensor
from datasets.images import write_png
from datasets.runtime.weights import asset
from epe.models import Model, save
from epe.networks.generators import build_upscaler, upscaler_names
from gbuffer_tools.command import parse_size, run
from gbuffer_tools.errors import InputError

ROLLED = (17, 40)
"""Pixels down and right."""


def made_picture(height: int, width: int) -> np.ndarray:
    """Return noise at several scales, (H, W, 3) uint8."""
    rng, total = np.random.default_rng(0), np.zeros((height, width, 3), np.float32)
    for step in (64, 16, 4, 1):
        coarse = rng.random((-(-height // step), -(-width // step), 3), np.float32)
        total += coarse.repeat(step, 0).repeat(step, 1)[:height, :width]
    return (total * (255 / 4)).astype(np.uint8)


def model_file(name: str, folder: Path) -> str:
    """Return the name of a fetched asset unchanged, or the file of a preset with random weights.

    Raises:
        InputError: it is neither, or reads guides, of which there are none here.
    """
    if name in NETWORKS:
        asset(name)  # refused if it was not fetched
        return name
    if name not in upscaler_names():
        raise InputError(f"--name {name}: wanted one of {', '.join((*upscaler_names(), *NETWORKS))}")
    torch.manual_seed(0)
    network = build_upscaler(name)
    if network.spec.guides:
        raise InputError(f"--name {name}: reads guides, of which there are none here; wanted an upscaler without")
    path = folder / "model.safetensors"
    save(Model(network=network, kind=network.kind, spec=network.spec.as_dict()), path)
    return str(path)


def measure(model: str, size: tuple[int, int], folder: Path, threads: int) -> tuple[float, float]:
    """Run the command on a picture of H x W pixels; return (GiB, seconds).

    Raises:
        InputError: the command failed; the message ends with its own.
    """
    name = f"{size[1]}x{size[0]}"
    write_png(folder / f"{name}.png", made_picture(*size))
    command = [sys.executable, "-m", "app.upscale", model, str(folder / f"{name}.png"), "--out", str(folder / "out")]
    start = time.perf_counter()
    log = folder / "stderr.txt"  # not a pipe, which blocks the command when it is full
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [*command, "--device", "cpu"], stderr=stderr, env={**os.environ, "OMP_NUM_THREADS": str(threads)}
        )
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = log.read_text(encoding="utf-8", errors="replace").splitlines()
        reason = said[-1] if said else "no message"
        raise InputError(f"--sizes {name}: app.upscale ended with exit code {process.returncode} ({reason})")
    return used.ru_maxrss / 2**20, time.perf_counter() - start  # Linux counts in KiB


def difference(model: str, size: tuple[int, int]) -> tuple[int, float]:
    """Return the smallest tiles' side, and their largest difference from an H x W picture in one piece, of 255."""
    network = open_upscaler(model)[0]
    image, min_tile = as_tensor(made_picture(*size), flip=False), 4 * network.overlap
    whole, tiled = (Enlarger(network, tile, network.spec.scale).whole(image) for tile in (max(size), min_tile))
    return min_tile, float((whole - tiled).abs().max()) * 255


def rolled_difference(model: str, size: tuple[int, int], circular: bool) -> tuple[float, float]:
    """Compare a rolled H x W picture's result with the rolled result: largest and mean difference, of 255."""
    network, (down, right) = open_upscaler(model)[0], ROLLED
    enlarger = Enlarger(network, network.tile, network.spec.scale, circular=circular)
    image, scale = as_tensor(made_picture(*size), flip=False), network.spec.scale
    made, rolled = (enlarger.whole(x) for x in (image, image.roll(ROLLED, (1, 2))))
    differ = (made.roll((scale * down, scale * right), (1, 2)) - rolled).abs() * 255
    return float(differ.max()), float(differ.mean())


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.enlarging", description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="srvgg-16", help="preset, or fetched asset (default: %(default)s)")
    parser.add_argument("--sizes", nargs="*", default=["3840x2160"], help="of pictures (default: %(default)s)")
    parser.add_argument("--crop", default="700x400", help="compared in one piece (default: %(default)s)")
    parser.add_argument("--texture", default="72x64", help="rolled, for --circular (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    return parser


def main(args: argparse.Namespace) -> None:
    """Measure and print."""
    sizes = {text: parse_size(text, "--sizes") for text in args.sizes}
    crop, texture = parse_size(args.crop, "--crop"), parse_size(args.texture, "--texture")
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = model_file(args.name, folder)
        for text, size in sizes.items():
            memory, seconds = measure(model, size, folder, args.threads)
            print(f"{args.name}, {text}: {memory:.2f} GiB, {seconds:.0f} s", flush=True)
        tile, largest = difference(model, crop)
        print(f"{args.name}, {args.crop} in tiles of {tile}: {largest:.2g} of 255 off the whole picture")
        for circular in (True, False):
            largest, mean = rolled_difference(model, texture, circular)
            how = "--circular" if circular else "without it"
            print(f"{args.name}, {args.texture} rolled, {how}: {largest:.2g} of 255 off at most, mean {mean:.2g}")


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
