"""Enhance rendered frames: one PNG (or EXR) per frame, in OUT/<frame file's stem>/<frame name>.png."""

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    import torch

    from app.inference.backends import Backend
    from datasets.frames import Frames, Sample


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m app.enhance", description=__doc__)
    parser.add_argument("model", type=Path, metavar="MODEL", help="model file (.safetensors), or ONNX")
    parser.add_argument("input", type=Path, metavar="INPUT", help="a frame file (.h5) or a folder of them")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the enhanced images")
    parser.add_argument(
        "--strength", type=float, default=1.0, metavar="0..1", help="0: the original frame, 1: fully enhanced"
    )
    parser.add_argument(
        "--mask",
        type=Path,
        metavar="PATH",
        help="8-bit greyscale image of the frames' size, or a folder with <frame file's stem>/<frame name>.png: black "
        "pixels stay unchanged (a HUD), white ones are enhanced, grey ones are mixed",
    )
    parser.add_argument(
        "--colour-only",
        action="store_true",
        help="take colours and light from the enhanced image, and keep the frame's detail (guided filter)",
    )
    parser.add_argument(
        "--style",
        type=Path,
        metavar="PHOTO",
        help="photograph whose style the results take, for models with a style (default: the mean style of the "
        "photographs that the model was trained on; for RealFormer's published weights, that of each frame itself)",
    )
    parser.add_argument(
        "--exr", action="store_true", help="write EXR files in linear light (half floats) instead of 8-bit PNGs"
    )
    parser.add_argument(
        "--linear",
        type=Path,
        metavar="PATH",
        help="enhance these images instead of those in the frame files: an EXR file in linear light, or a folder with "
        "one per frame (<frame name>.exr, or in folders named like the frame files). The network receives them clipped "
        "to 0..1; brighter values are restored afterwards by the same factor. Writes EXR",
    )
    parser.add_argument(
        "--tile",
        type=int,
        metavar="N",
        help="longest side in pixels that is run at once; larger frames run in overlapping tiles that are blended. "
        "Smaller tiles need less memory. Tiles of lite are as good as whole frames; hr and its kin run whole, only "
        "their G-buffer branches in bands of N x N pixels, for the same picture. Tiles of RealFormer, and of hr with "
        "--backend onnx, differ from the whole frame (default: 1024 for lite, 1280 for others)",
    )
    parser.add_argument(
        "--independent-tiles",
        action="store_true",
        help="run hr and its kin in tiles, too: their memory then no longer grows with the frame, but each tile is "
        "normalised by itself, which was up to 65 of 255 off",
    )
    parser.add_argument(
        "--backend",
        choices=("torch", "onnx"),
        default="torch",
        help="onnx: run a file of app.export with onnxruntime on the CPU (default: %(default)s)",
    )
    parser.add_argument("--device", default=None, help="cpu, cuda, cuda:1, … (default: cuda if available)")
    parser.add_argument(
        "--precision", choices=("fp32", "bf16"), default="fp32", help="number format (default: %(default)s)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing images")
    return parser


def open_frames(source: Path, model: "Backend") -> "Frames":
    """Open the frames of a file or a folder, to be read as in the model's training; every file is checked.

    Raises:
        InputError: the input does not exist, or a file lacks something that the model reads.
    """
    from datasets.channels import FEATURES, feature_names
    from datasets.frames import Frames, Reading

    if not source.exists():
        raise InputError(f"{source}: no such file or folder; wanted a frame file (.h5) or a folder of them.")
    try:
        features = feature_names(model.channels)
    except KeyError as error:
        raise InputError(
            f"the model reads {error}, which is not a channel of frames; wanted all channels of "
            f"{', '.join(FEATURES)} or of a buffer x_…, in order."
        ) from error
    reading = Reading(
        features, model.classes, model.mean, model.std, model.optional, model.withheld, model.no_stream, model.soft
    )
    return Frames(source, reading)


def enhance(
    model: "Backend",
    sample: "Sample",
    *,
    strength: float,
    tile: int,
    mask: "torch.Tensor | None" = None,
    colours: bool = False,
) -> "torch.Tensor":
    """Enhance one frame.

    Args:
        model: the network.
        sample: the frame.
        strength: 0 returns the frame, 1 the network's image; values in between mix them in sRGB.
        tile: longest side in pixels that is run at once; for `Backend.in_bands`, the side of a square of as many.
        mask: (H, W) in [0, 1], a factor of the strength.
        colours: keep the frame's detail (`app.inference.controls.colour_only`).

    Returns:
        (3, H, W) float32 in [0, 1], sRGB, on the CPU.

    Raises:
        FloatingPointError: the network returns values that are not finite.
    """
    import torch

    from app.inference.controls import colour_only
    from epe.inference.tiling import run_tiled

    inputs, run = [part[None] for part in sample], model.run
    if model.in_bands is not None and max(sample.image.shape) > tile:
        run, tile = partial(model.in_bands, pixels=tile**2), sys.maxsize
    (enhanced,) = run_tiled(
        run, inputs, tile=tile, overlap=model.overlap, multiple_of=model.multiple_of, crop_boxes=True
    )
    if not torch.isfinite(enhanced).all():
        raise FloatingPointError
    if colours:
        enhanced = colour_only(sample.image, enhanced)
    weight = torch.tensor(strength) if mask is None else strength * mask
    return torch.lerp(sample.image, enhanced, weight).clamp(0, 1)


def write(path: Path, picture: "torch.Tensor", linear: "torch.Tensor | None") -> None:
    """Write an image (3, H, W), sRGB in [0, 1], as PNG, or as EXR with the highlights of the `linear` original."""
    from app.inference.linear import lit, write_linear
    from datasets.crops import as_pixels
    from datasets.images import write_png

    if path.suffix == ".exr":
        write_linear(path, lit(picture, linear))
    else:
        write_png(path, as_pixels(picture))


def shown_photo(path: Path, height: int) -> "torch.Tensor":
    """Read a photograph (3, h, w), sRGB in [0, 1], shrunk to the frames' height as in training.

    Raises:
        InputError: the file is not an image.
    """
    from datasets.crops import as_tensor
    from datasets.images import read_image
    from datasets.photos import to_height

    return as_tensor(to_height(read_image(path), height), flip=False)


def check_arguments(args: argparse.Namespace) -> "torch.device":
    """Check the options, and return the device.

    Raises:
        InputError: a number is out of range, options contradict each other, or a file or the device does not exist.
    """
    import torch

    from datasets.runtime.device import device_of

    if not 0 <= args.strength <= 1:
        raise InputError(f"--strength {args.strength}: wanted a number in 0 .. 1.")
    if args.backend == "onnx" and (args.precision != "fp32" or args.device not in (None, "cpu")):
        raise InputError("--backend onnx: runs on the CPU in fp32; leave --device and --precision out.")
    if args.backend == "onnx" and args.style is not None:
        raise InputError("--backend onnx: an exported model has a fixed style; leave --style out.")
    for option, path in (("--mask", args.mask), ("--linear", args.linear)):
        if path is not None and not path.exists():
            raise InputError(f"{option} {path}: no such file or folder.")
    return device_of(args.device or ("cuda" if torch.cuda.is_available() else "cpu"))


def main(args: argparse.Namespace) -> None:
    """Enhance every frame; report problems before the first one if possible."""
    from tqdm import tqdm

    from app.inference.backends import onnx_backend, torch_backend
    from app.inference.controls import mask_path, read_mask
    from app.inference.linear import linear_path, read_linear, shown
    from datasets.images import check_out

    device = check_arguments(args)
    check_out(args.out, args.input)
    if args.backend == "onnx":
        model = onnx_backend(args.model)
    else:
        model = torch_backend(args.model, device, bf16=args.precision == "bf16")
    if args.style is not None and model.keep_style is None:
        raise InputError(f"{args.model}: has no style; leave --style out.")
    if args.independent_tiles:
        model = replace(model, in_bands=None)
    tile = args.tile if args.tile is not None else model.tile
    if tile < 4 * model.overlap:
        raise InputError(f"--tile {tile}: wanted {4 * model.overlap} or more, so that tiles can overlap.")
    as_exr = args.exr or args.linear is not None
    frames = open_frames(args.input, model)
    paths = [args.out / f"{key}.{'exr' if as_exr else 'png'}" for key in frames.keys]
    masks = [mask_path(args.mask, key) if args.mask else None for key in frames.keys]
    linears = [linear_path(args.linear, key) if args.linear else None for key in frames.keys]
    present = [path for path in paths if path.exists()]
    if present and not args.overwrite:
        raise InputError(
            f"{present[0]}: already exists ({len(present)} of {len(paths)}); pass --overwrite or another --out."
        )
    if args.style is not None and model.keep_style is not None:
        model.keep_style(shown_photo(args.style, frames.sizes[0][0]))
    if model.in_bands is None and model.uses_whole_frame and max(map(max, frames.sizes)) > tile:
        print(
            f"{args.model}: frames larger than {tile} px run in tiles, which differ from the whole frame, because this "
            "network uses all of it (docs/models.md says how much); a larger --tile avoids that.",
            file=sys.stderr,
        )
    for index in tqdm(range(len(frames)), desc="enhancing", unit="frame"):
        sample, mask, linear = frames[index], None, None
        if (mask_file := masks[index]) is not None:
            mask = read_mask(mask_file, *frames.sizes[index])
        if (linear_file := linears[index]) is not None:
            linear, changed = read_linear(linear_file, *frames.sizes[index])
            if changed:
                tqdm.write(f"{linear_file}: {changed}", file=sys.stderr)
            sample = sample._replace(image=shown(linear))
        if args.style is None and model.styled_by_frame and model.keep_style is not None:
            model.keep_style(sample.image)
        try:
            picture = enhance(model, sample, strength=args.strength, tile=tile, mask=mask, colours=args.colour_only)
        except FloatingPointError:
            raise InputError(
                f"{args.input}, frame {frames.keys[index]}: the model returns values that are not finite; "
                "try --precision fp32, or run python -m gbuffer_tools.check."
            ) from None
        write(paths[index], picture, linear)
    print(f"{args.out}: {len(paths)} frames enhanced")


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
