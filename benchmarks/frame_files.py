"""Frame files against the released format (one compressed npz per frame): size, bytes read per crop, crops per second.

    python -m benchmarks.frame_files
    python -m benchmarks.frame_files --append 64

Frames of 960x540 are assembled from four sample frames each, so their contents are real. The released format is
rebuilt from the same channels: the picture as uint8, all buffers stacked as float16, a mask for each class.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import cycle
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np

from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import Array, Frame
from gbuffer_tools.frame_file import chunks
from gbuffer_tools.frame_file.writer import Appender
from gbuffer_tools.schema import Shard, append, shards, write

CROP = 196
"""Side of EPE's training crops."""
PROCESSES = 2
TOO_FEW = "fewer than the four frames that a mosaic is made of; name files with more"


def mosaics(path: Path) -> Iterator[Frame]:
    """Yield frames of twice the side lengths, each made of four of the file's frames."""
    with Shard(path) as shard:
        if min(shard.height, shard.width) < CROP / 2:
            raise InputError(
                f"{path}: has frames of {shard.width}x{shard.height}, wanted {CROP // 2} or more, half of a crop's side"
            )
        for start in range(0, len(shard) - 3, 4):
            four = [shard.frame(start + i) for i in range(4)]
            yield Frame(
                f"mosaic{start:05d}",
                joined([f.image for f in four]),
                {name: joined([f.buffers[name] for f in four]) for name in four[0].buffers},
                {"class": joined([f.ids["class"] for f in four])},
            )


def joined(parts: list[Array]) -> Array:
    """Join four arrays, two by two."""
    return np.concatenate([np.concatenate(parts[:2], 1), np.concatenate(parts[2:], 1)])


def released(frame: Frame, classes: int, path: Path) -> None:
    """Write a frame as the release does."""
    stack = [np.atleast_3d(array).astype(np.float16) for array in frame.buffers.values()]
    masks = frame.ids["class"][..., None] == np.arange(classes)
    np.savez_compressed(path, img=frame.image, gbuffers=np.concatenate(stack, -1), shader=masks.astype(np.uint8))


def read_crops(path: Path, count: int, seed: int) -> None:
    """Read random crops of all channels from a frame file."""
    rng = np.random.default_rng(seed)
    with Shard(path) as shard:
        for _ in range(count):
            i = int(rng.integers(len(shard)))
            top, left = (int(rng.integers(side - CROP + 1)) for side in (shard.height, shard.width))
            window = slice(top, top + CROP), slice(left, left + CROP)
            shard.image(i, *window), shard.id("class", i, *window)
            for name in shard.buffers:
                shard.buffer(name, i, *window)


def read_released(paths: list[Path], count: int, seed: int) -> None:
    """Read the same from npz files: a whole frame for every crop."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        with np.load(paths[int(rng.integers(len(paths)))]) as file:
            for name in file.files:
                array = file[name]
                top, left = (int(rng.integers(side - CROP + 1)) for side in array.shape[:2])
                array[top : top + CROP, left : left + CROP].copy()


def unpacked(path: Path, count: int = 2000) -> float:
    """Return the bytes unpacked for a random crop, by the chunks it touches, relative to the crop's own."""
    rng = np.random.default_rng(0)
    with h5py.File(path) as file:
        (_, height, width, _), (_, *tile, _) = file["image"].shape, file["image"].chunks
    touched = np.ones(count)
    for side, step in zip((height, width), tile, strict=True):
        first = rng.integers(side - CROP + 1, size=count)
        touched *= ((first + CROP - 1) // step - first // step + 1) * step
    return float(touched.mean() / CROP**2)


def crops_per_second(read: Callable[..., None], what: object, crops: int) -> float:
    """Return the throughput of all processes together, not counting their start."""
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        list(pool.map(_start, range(PROCESSES)))
        began = time.perf_counter()
        for running in [pool.submit(read, what, crops, seed) for seed in range(PROCESSES)]:
            running.result()
        return PROCESSES * crops / (time.perf_counter() - began)


def _start(_: int) -> None:
    """Start a process by importing this module; the pause gives every process one of these calls."""
    time.sleep(0.5)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frame_files", description=__doc__.splitlines()[0])
    both = [Path("samples/frames/train"), Path("samples/frames/heldout")]
    parser.add_argument("--frames", type=Path, nargs="+", default=both, help="folders of frame files (the samples)")
    parser.add_argument("--crops", type=int, default=200, help="per process (%(default)s)")
    parser.add_argument(
        "--append", type=int, metavar="N", help="only time N frames that are stored one after the other"
    )
    return parser


def main(args: argparse.Namespace) -> None:
    """Measure and print."""
    for name in ("crops", "append"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise InputError(f"--{name} {value}: wanted 1 or more")
    with TemporaryDirectory() as folder:
        if args.append:
            print(appending(shards(args.frames[0])[0], args.append, Path(folder)))
            return
        ours, theirs = written([path for found in args.frames for path in shards(found)], Path(folder))
        for line in sizes(ours, theirs):
            print(line)
        fast = crops_per_second(read_crops, ours[0], args.crops)
        slow = crops_per_second(read_released, theirs[ours[0]], max(args.crops // 10, 1))
        print(f"crops a second, {PROCESSES} processes: {fast:.0f}, npz {slow:.1f}, ratio {fast / slow:.1f}")


def appending(path: Path, count: int, folder: Path) -> str:
    """Time storing frames one after the other, each stored before the next one comes: by copying the file, by a twin.

    The frames are the file's mosaics in turn, compressed fast but poorly, because compression is not what is measured;
    writing all at once shows how long it takes.
    """
    chunks.LEVEL = chunks.BYTES_LEVEL = chunks.QUICK_LEVEL = 1
    frames = [replace(frame, name=f"{i:05d}") for i, frame in zip(range(count), cycle(mosaics(path)), strict=False)]
    if not frames:
        raise InputError(f"{path}: {TOO_FEW}")
    with Shard(path) as shard:
        header = shard.header
    began = time.perf_counter()
    write(folder / "at_once.h5", frames, header)
    at_once = time.perf_counter()
    for frame in frames:
        append(folder / "copied.h5", [frame], header)
    copied = time.perf_counter()
    with Appender(folder / "twin.h5", header) as file:
        for frame in frames:
            file.add(frame)
    end = time.perf_counter()
    assert (folder / "copied.h5").read_bytes() == (folder / "twin.h5").read_bytes()
    size = (folder / "twin.h5").stat().st_size
    return (
        f"{count} frames, {size / 2**20:.0f} MiB: at once {at_once - began:.1f} s; one by one with copies "
        f"{copied - at_once:.1f} s, with a twin {end - copied:.1f} s, ratio {(copied - at_once) / (end - copied):.2f}"
    )


def written(paths: list[Path], folder: Path) -> tuple[list[Path], dict[Path, list[Path]]]:
    """Write all mosaics in both formats; return our files, and for each of them the released ones of its frames."""
    ours, theirs = [], {}
    for path in paths:
        frames = list(mosaics(path))
        if not frames:
            continue
        with Shard(path) as shard:
            header = shard.header
        ours.append(folder / path.name)
        write(ours[-1], frames, header)
        theirs[ours[-1]] = [folder / f"{path.stem}-{frame.name}.npz" for frame in frames]
        for frame, file in zip(frames, theirs[ours[-1]], strict=True):
            released(frame, len(header.classes), file)
    if not ours:
        raise InputError(f"{', '.join(map(str, paths))}: {TOO_FEW}")
    return ours, theirs


def sizes(ours: list[Path], theirs: dict[Path, list[Path]]) -> Iterator[str]:
    """Yield lines about sizes on disk and bytes unpacked."""
    total, total_npz = 0, 0
    for path in ours:
        size, npz = path.stat().st_size, sum(file.stat().st_size for file in theirs[path])
        total, total_npz = total + size, total_npz + npz
        count = len(theirs[path])
        each, each_npz = size / count, npz / count
        yield f"{path.stem}: {count} frames, bytes a frame {each:,.0f}, npz {each_npz:,.0f}, ratio {size / npz:.3f}"
    yield f"all: {total / total_npz:.3f} of the npz files' size"
    with Shard(ours[0]) as shard:
        height, width = shard.height, shard.width
    whole = height * width / CROP**2
    yield f"unpacked for a random {CROP} px crop: {unpacked(ours[0]):.2f} times its bytes, npz {whole:.1f}"


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
