"""Export the frames of a frame file as EXR files or PNGs for other tools.

    python -m gbuffer_tools.export frames/candela_city.h5 --out exr
    python -m gbuffer_tools.export frames/candela_city.h5 --out png --format png --frame frame00060

An EXR file holds a whole frame: its buffers as layers, its ids, and its camera in the header
(gbuffer_tools.exr.frame_as_exr describes the layout); `extract` reads it back. PNGs are only pictures: the image, and
each buffer through the colour map of `inspect --sheet`.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from gbuffer_tools.checks.contact_sheet import Picture, class_colours, ids_picture, values_picture
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.exr.frame_as_exr import to_channels
from gbuffer_tools.exr.writer import write_exr
from gbuffer_tools.frame import MAX_CLASSES
from gbuffer_tools.io.folders import check_folder
from gbuffer_tools.io.images import write_png
from gbuffer_tools.mapping.channel_names import listed
from gbuffer_tools.schema import Shard

FORMATS = ("exr", "png")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gbuffer_tools.export", description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, metavar="FILE", help="a frame file (.h5)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files")
    parser.add_argument("--frame", metavar="NAME", help="export this frame only (all)")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="exr",
        help="write one EXR file, or several PNGs, for each frame (%(default)s)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there already")
    return parser


def main(args: argparse.Namespace) -> None:
    """Refuse to replace existing files, then write file by file, each whole or not at all."""
    check_folder(args.out)
    with Shard(args.file) as shard:
        if args.frame and args.frame not in shard.names:
            raise InputError(f"{args.file}: has no frame {args.frame!r}; wanted one of {listed(shard.names)}")
        chosen = [i for i, name in enumerate(shard.names) if args.frame in (None, name)]
        outputs = {i: paths(shard, i, args.out, args.format) for i in chosen}
        there = [path for named in outputs.values() for path in named.values() if path.exists()]
        if there and not args.overwrite:
            raise InputError(f"{there[0]}: is there already; add --overwrite, or choose another --out")
        for i, named in tqdm(outputs.items(), unit="frame", disable=len(outputs) < 2):
            if args.format == "exr":
                write_exr(named[""], *to_channels(shard.frame(i), shard.header))
            else:
                for name, picture in pictures(shard, i):
                    write_png(named[name], picture)
        count = sum(map(len, outputs.values()))
        print(f"{len(chosen)} frames of {args.file}: {count} files in {args.out}")


def paths(shard: Shard, i: int, out: Path, kind: str) -> dict[str, Path]:
    """The files that frame `i` becomes, by the name of the picture; "" for an EXR file, which holds everything."""
    if kind == "exr":
        return {"": out / f"{shard.names[i]}.exr"}
    names = ["image", *shard.buffers, *(f"ids.{name}" for name in shard.ids)]
    return {name: out / f"{shard.names[i]}.{name}.png" for name in names}


def pictures(shard: Shard, i: int) -> Iterator[tuple[str, Picture]]:
    """The image, and all buffers and ids through their colour maps, (H,W,3)."""
    yield "image", shard.image(i)
    for name in shard.buffers:
        yield name, values_picture(name, shard.buffer(name, i))[0]
    for name in shard.ids:
        ids = shard.id(name, i)
        yield f"ids.{name}", class_colours(MAX_CLASSES)[ids] if name == "class" else ids_picture(ids)


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
