"""Enlarge pictures with a model of train.upscaler or app.assets: one PNG each, in OUT/<its path in the folder>.png."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import torch

    from datasets.frames import Frames
    from epe.models import Model
    from epe.upscaler import Upscaler


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m app.upscale", description=__doc__)
    parser.add_argument(
        "model", metavar="MODEL", help="model file (.safetensors), or the name of an asset such as realesrgan-x4plus"
    )
    parser.add_argument("input", type=Path, metavar="INPUT", help="a picture, or a folder of pictures or frame files")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the large pictures")
    parser.add_argument(
        "--guides",
        type=Path,
        metavar="FRAMES",
        help="frame files of the large size with the same names, for models that are guided by buffers",
    )
    parser.add_argument(
        "--tile",
        type=int,
        metavar="N",
        help="longest side, in pixels of the small picture, that is run at once; larger pictures run in overlapping "
        "tiles that are blended (default: the network's, 128 to 512)",
    )
    parser.add_argument("--device", default=None, help="cpu, cuda, cuda:1, … (default: cuda if available)")
    parser.add_argument(
        "--precision", choices=("fp32", "bf16"), default="fp32", help="number format (default: %(default)s)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing pictures")
    return parser


def open_upscaler(name: str) -> "tuple[Upscaler, Model]":
    """Load an upscaler by the path of its model file, or by the name of a fetched asset.

    Raises:
        InputError: there is no such file, or it holds another network.
    """
    from app.fetching.realesrgan import NETWORKS
    from datasets.runtime.weights import asset, unusable
    from epe.models import ModelError, load
    from epe.upscaler import Upscaler

    path = asset(name) if name in NETWORKS else Path(name)
    try:
        model = load(path)
    except ModelError as error:
        raise unusable(path, error) from error
    if not isinstance(model.network, Upscaler):
        raise InputError(f"{path}: is a {model.kind!r}, which enlarges nothing; wanted an upscaler (train.upscaler).")
    return model.network, model


def open_guides(folder: Path | None, model: "Model", name: str) -> "Frames | None":
    """Open the frame files that guide a model, to be read as in its training; None for a model without guides.

    Raises:
        InputError: guides are missing or not wanted, or a file lacks a buffer.
    """
    from datasets.channels import feature_names
    from datasets.frames import Frames, Reading

    if not model.channels:
        if folder is not None:
            raise InputError(f"--guides {folder}: {name} is guided by nothing; leave --guides out.")
        return None
    if folder is None:
        raise InputError(f"{name}: is guided by {', '.join(model.channels)}; give the large frame files as --guides.")
    return Frames(folder, Reading(feature_names(model.channels), (("*",),), model.mean, model.std))


def enlarge(
    network: "Upscaler", image: "torch.Tensor", guides: "torch.Tensor | None", *, tile: int, bf16: bool
) -> "torch.Tensor":
    """Enlarge one picture, tile by tile; only tiles are on the network's device.

    Args:
        network: in evaluation mode.
        image: (3, H, W), sRGB in [0, 1].
        guides: (G, s H, s W), or None.
        tile: longest side of the small picture that is run at once.
        bf16: whether to compute in bfloat16.

    Returns:
        (3, s H, s W) float32 in [0, 1], on the CPU.

    Raises:
        InputError: the guides are not those of this size.
        FloatingPointError: the network returns values that are not finite.
    """
    import torch
    import torch.nn.functional as F

    from epe.inference.tiling import run_tiled

    device, scale = next(network.parameters()).device, network.spec.scale

    def run_network(small: torch.Tensor, folded: torch.Tensor | None = None) -> torch.Tensor:
        around = None if folded is None else F.pixel_shuffle(folded.to(device), scale)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            made: torch.Tensor = network(small.to(device), around).float().cpu()
        return made

    inputs = [image[None]]
    if guides is not None:
        wanted = tuple(scale * side for side in image.shape[-2:])
        if tuple(guides.shape[-2:]) != wanted:
            (height, width), found = wanted, guides.shape[-2:]
            raise InputError(
                f"--guides: a frame is {found[1]}x{found[0]}, wanted {width}x{height}, {scale} x the picture."
            )
        inputs.append(F.pixel_unshuffle(guides, scale)[None])  # so that all inputs are divided alike
    made = run_tiled(run_network, inputs, tile=tile, overlap=network.overlap, scale=scale, margin=network.margin)[0]
    if not torch.isfinite(made).all():
        raise FloatingPointError
    return made.clamp(0, 1)


def main(args: argparse.Namespace) -> None:
    """Enlarge every picture; report problems before the first one if possible."""
    import torch
    from tqdm import tqdm

    from datasets.crops import as_pixels, as_tensor
    from datasets.images import check_out, write_png
    from datasets.runtime.device import device_of

    check_out(args.out, args.input)

    device = device_of(args.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    network, model = open_upscaler(args.model)
    tile = args.tile if args.tile is not None else network.tile
    if tile < 4 * network.overlap:
        raise InputError(f"--tile {tile}: wanted {4 * network.overlap} or more, so that tiles can overlap.")
    guides = open_guides(args.guides, model, args.model)
    keys, read = pictures(args.input)
    paths = {key: args.out / f"{key}.png" for key in keys}
    present = [path for path in paths.values() if path.exists()]
    if present and not args.overwrite:
        raise InputError(f"{present[0]}: already exists ({len(present)} of {len(paths)}); pass --overwrite.")
    numbers = {key: number for number, key in enumerate(guides.keys)} if guides else {}
    missing = [key for key in keys if guides and key not in numbers]
    if missing:
        raise InputError(f"{args.guides}: has no frame {missing[0]!r}, which {args.input} has.")
    network = network.to(device)
    for key in tqdm(keys, desc="enlarging", unit="picture"):
        around = guides[numbers[key]].gbuffers if guides else None
        try:
            made = enlarge(network, as_tensor(read(key), flip=False), around, tile=tile, bf16=args.precision == "bf16")
        except FloatingPointError:
            raise InputError(f"{args.input}, {key}: the model returns values that are not finite.") from None
        write_png(paths[key], as_pixels(made))
    print(f"{args.out}: {len(paths)} pictures, {network.spec.scale} times as large")


def pictures(source: Path) -> "tuple[tuple[str, ...], Callable[[str], np.ndarray]]":
    """The keys of the pictures in a folder, or of one picture, and what reads one, (H, W, 3) uint8."""
    from datasets.images import Images, read_image

    if source.is_file() and source.suffix != ".h5":
        return (source.stem,), lambda _: read_image(source)
    images = Images(source)
    numbers = {key: number for number, key in enumerate(images.keys)}
    return images.keys, lambda key: images[numbers[key]]


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
