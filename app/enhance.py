"""Enhance rendered frames: one PNG per frame, in OUT/<frame file's stem>/<frame name>.png."""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    import torch

    from datasets.frames import Frames, Sample
    from epe.models import Model

# Frames up to this many pixels a side run whole, 1280 x 720 among them: GroupNorm sees other statistics in tiles.
TILE = 1280
OVERLAP = 64


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m app.enhance", description=__doc__)
    parser.add_argument("model", type=Path, metavar="MODEL", help="model file (.safetensors)")
    parser.add_argument("input", type=Path, metavar="INPUT", help="a frame file (.h5) or a folder of them")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the pictures")
    parser.add_argument(
        "--strength", type=float, default=1.0, metavar="0..1", help="0: the frame as it is, 1: fully enhanced"
    )
    parser.add_argument(
        "--tile",
        type=int,
        default=TILE,
        metavar="N",
        help=f"longest side that is run at once; larger frames run in tiles that overlap by {OVERLAP} px and are "
        "blended. Smaller tiles need less memory, and differ a little in tone (default: %(default)s)",
    )
    parser.add_argument("--device", default=None, help="cpu, cuda, cuda:1, … (default: cuda where there is one)")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="(default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace pictures that are there")
    return parser


def load_model(path: Path) -> "Model":
    """An enhancer's file.

    Raises:
        InputError: not a model file, or a model of another kind.
    """
    from epe.models import ModelError, load

    try:
        model = load(path)
    except ModelError as error:
        raise InputError(str(error)) from error
    if not model.channels or not model.classes:
        raise InputError(f"{path}: is a {model.kind!r}, which reads no G-buffers; wanted an enhancer (train.epe).")
    return model


@contextmanager
def open_frames(source: Path, model: "Model") -> "Iterator[Frames]":
    """The frames of a file or a folder, read as the model was trained to; every file is checked.

    Raises:
        InputError: no such input, or a file lacks what the model reads.
    """
    from datasets.channels import feature_names
    from datasets.frames import Frames, Reading

    if not source.exists():
        raise InputError(f"{source}: no such file or folder; wanted a frame file (.h5) or a folder of them.")
    reading = Reading(feature_names(model.channels), model.classes, model.mean, model.std)
    if source.is_dir():
        yield Frames(source, reading)
        return
    with tempfile.TemporaryDirectory() as folder:  # a folder of this one file
        link = Path(folder) / f"{source.stem}.h5"
        link.symlink_to(source.resolve())
        try:
            frames = Frames(folder, reading)
        except InputError as error:
            raise InputError(str(error).replace(str(link), str(source))) from error
        yield frames


def enhance(
    model: "Model", sample: "Sample", *, strength: float, tile: int, device: "torch.device", bf16: bool
) -> "torch.Tensor":
    """One frame.

    Args:
        strength: 0 gives the frame back, 1 the network's picture; between them is mixed in sRGB.

    Returns:
        (3, H, W) float32 in [0, 1], sRGB, on the CPU.
    """
    import torch

    from epe.tiling import run_tiled

    image, gbuffers, classes = (part[None].to(device) for part in sample)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        enhanced = run_tiled(
            model.network, [image, gbuffers, classes], tile=tile, overlap=OVERLAP, multiple_of=model.multiple_of
        )
    return torch.lerp(image, enhanced.float(), strength)[0].clamp(0, 1).cpu()


def check_arguments(args: argparse.Namespace) -> "torch.device":
    """The device; everything else is right, too.

    Raises:
        InputError: a number out of its range, or a device that is not there.
    """
    import torch

    if not 0 <= args.strength <= 1:
        raise InputError(f"--strength {args.strength}: wanted a number in 0 .. 1.")
    if args.tile < 4 * OVERLAP:
        raise InputError(f"--tile {args.tile}: wanted {4 * OVERLAP} or more, so that tiles can overlap.")
    name = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
        raise InputError(f"--device {name}: is not there ({str(error).splitlines()[0]}); try cpu.") from error


def main(args: argparse.Namespace) -> None:
    """Enhance every frame, or say before the first one why not."""
    import numpy as np
    import torch
    from tqdm import tqdm

    from datasets.images import write_png

    device = check_arguments(args)
    model = load_model(args.model)
    with open_frames(args.input, model) as frames:
        paths = [args.out / f"{key}.png" for key in frames.keys]
        present = [path for path in paths if path.exists()]
        if present and not args.overwrite:
            raise InputError(
                f"{present[0]}: is there already ({len(present)} of {len(paths)}); pass --overwrite or another --out."
            )
        model.network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for index in tqdm(range(len(frames)), desc="enhancing", unit="frame"):
            picture = enhance(
                model,
                frames[index],
                strength=args.strength,
                tile=args.tile,
                device=device,
                bf16=args.precision == "bf16",
            )
            if not torch.isfinite(picture).all():
                raise InputError(
                    f"{args.input}, frame {frames.keys[index]}: the model gives values that are not finite; "
                    "try --precision fp32, or run python -m gbuffer_tools.check."
                )
            write_png(paths[index], np.ascontiguousarray((picture * 255).round().byte().movedim(0, -1).numpy()))
    print(f"{args.out}: {len(paths)} frames enhanced")


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
