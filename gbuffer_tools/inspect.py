"""List what a frame file holds, and draw a sheet of one of its frames.

python -m gbuffer_tools.inspect frames/candela_city.h5 --sheet sheet.png
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gbuffer_tools.checks.contact_sheet import sheet
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import buffer_spec
from gbuffer_tools.io.images import write_png
from gbuffer_tools.schema import Shard


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gbuffer_tools.inspect", description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, metavar="FILE", help="a frame file (.h5)")
    parser.add_argument("--frame", help="name of the frame (the first)")
    parser.add_argument("--sheet", type=Path, metavar="OUT.png", help="draw everything the frame has, with a legend")
    return parser


def main(args: argparse.Namespace) -> None:
    if args.sheet and args.sheet.suffix.lower() != ".png":
        raise InputError(f"{args.sheet}: wanted a name that ends in .png")
    with Shard(args.file) as shard:
        if args.frame and args.frame not in shard.names:
            raise InputError(f"{args.file}: has no frame {args.frame!r}; wanted one of {', '.join(shard.names)}")
        i = shard.names.index(args.frame) if args.frame else 0
        print("\n".join(listing(shard, i)))
        if args.sheet:
            write_png(args.sheet, sheet(shard, i))
            print(f"sheet of {shard.names[i]}: {args.sheet}")


def listing(shard: Shard, i: int) -> Iterator[str]:
    """Lines about the file's header and frames, and about the values in frame `i`."""
    header = shard.header
    yield f"{shard.path}: {len(shard)} frames of {shard.width} x {shard.height}"
    yield f"source   {header.source} (profile {header.profile}), written by {header.tool}"
    yield f"licence  {header.licence}"
    yield f"classes  {', '.join(header.classes)}"
    yield f"frames   {', '.join(shard.names)}"
    yield f"frame {shard.names[i]}:"
    for name, channels in shard.buffers.items():
        values = shard.buffer(name, i)
        finite = values[np.isfinite(values).all(-1)]
        spec = buffer_spec(name, channels)
        numbers = "nothing drawn"
        if finite.size:
            numbers = f"min {finite.min():10.4g}  mean {finite.mean():10.4g}  max {finite.max():10.4g}"
        yield f"  {name:20} {channels} ch  {numbers}  {spec.units} {spec.space}".rstrip()
    for name in shard.ids:
        ids = shard.id(name, i)
        yield f"  ids/{name:16} {len(np.unique(ids)):4} values, {ids.dtype}"
    camera = shard.camera(i)
    if camera is not None:
        view, projection = camera
        degrees = 2 * np.degrees(np.arctan(1 / projection[1, 1]))
        place = ", ".join(f"{x:.2f}" for x in -np.linalg.inv(view[:3, :3]) @ view[:3, 3])
        yield f"  camera at ({place}), {degrees:.1f} degrees high"
    for name in ("time", "relight"):
        if (value := shard.number(name, i)) is not None:
            yield f"  {name} {value:.5f}"


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
