"""Enhance rendered frames: one PNG (or EXR) per frame, in OUT/<frame file's stem>/<frame name>.png."""

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from app.inference.memory import memory_advice
from app.inference.options import add_device_options
from gbuffer_tools.command import check_seed, run
from gbuffer_tools.errors import InputError

REDRAWN = 0.1

if TYPE_CHECKING:
    import torch

    from app.inference.backends import Backend
    from app.inference.enlarged_frames import Upscaling
    from app.inference.linear import Cut
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
        help="enhance these images instead of those in the frame files: an EXR file in linear light of the only "
        "frame, or a folder with one per frame (<frame name>.exr, or in folders named like the frame files). The "
        "network receives them clipped to 0..1; brighter values are restored afterwards by the same factor. Writes EXR",
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
        "--upscale",
        type=int,
        choices=(2, 4),
        help="enlarge the enhanced pictures, the sides by this factor",
    )
    parser.add_argument(
        "--upscaler",
        metavar="MODEL",
        help="model file of train.upscaler, or the name of an asset (default: realesrgan-x4plus; results of a network "
        "that enlarges more than asked are averaged)",
    )
    parser.add_argument(
        "--upscale-first",
        action="store_true",
        help="enlarge the frames' pictures, then enhance them at the large size, with the G-buffers of --guides",
    )
    parser.add_argument(
        "--guides",
        type=Path,
        metavar="FRAMES",
        help="frame files of the large size with the same names, for upscalers that are guided by buffers and for "
        "--upscale-first",
    )
    parser.add_argument(
        "--prior",
        type=Path,
        metavar="MODEL",
        help="for a MODEL of train.vqgan: a transformer over its codes (train.codes, no condition), by which the least "
        "likely codes of a frame are drawn anew; without it frames are encoded and decoded",
    )
    parser.add_argument(
        "--redraw",
        type=float,
        metavar="0..1",
        help=f"share of the codes that --prior draws anew (default: {REDRAWN})",
    )
    parser.add_argument("--seed", type=int, default=0, help="of what --prior draws (default: %(default)s)")
    parser.add_argument(
        "--backend",
        choices=("torch", "onnx"),
        default="torch",
        help="onnx: run a file of app.export with onnxruntime on the CPU (default: %(default)s)",
    )
    add_device_options(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace existing images")
    parser.add_argument(
        "--resume", action="store_true", help="keep existing images and make the others, after a run that was stopped"
    )
    return parser


def open_frames(source: Path, model: "Backend") -> "Frames":
    """Open the frames of a file or a folder, to be read as in the model's training, and check every file.

    Raises:
        InputError: the input does not exist, or a file lacks something that the model reads.
    """
    from datasets.frames import Frames

    if not source.exists():
        raise InputError(f"{source}: no such file or folder; wanted a frame file (.h5) or a folder of them.")
    return Frames(source, model.reading)


def enhance(
    model: "Backend",
    sample: "Sample",
    *,
    strength: float,
    mask: "torch.Tensor | None" = None,
    colours: bool = False,
) -> "torch.Tensor":
    """Enhance one frame.

    Args:
        model: the network; in bands it runs as many pixels at once as a square tile has.
        sample: the frame.
        strength: 0 returns the frame, 1 the network's image; values in between mix them in sRGB.
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

    inputs, run, tiling = [part[None] for part in sample], model.run, model.tiling
    tile = tiling.tile
    if tiling.in_bands is not None and max(sample.image.shape) > tile:
        run, tile = partial(tiling.in_bands, pixels=tile**2), sys.maxsize
    (enhanced,) = run_tiled(
        run, inputs, tile=tile, overlap=tiling.overlap, multiple_of=tiling.multiple_of, crop_boxes=True
    )
    if not torch.isfinite(enhanced).all():
        raise FloatingPointError
    if colours:
        enhanced = colour_only(sample.image, enhanced)
    weight = torch.tensor(strength) if mask is None else strength * mask
    return torch.lerp(sample.image, enhanced, weight).clamp(0, 1)


def write(path: Path, picture: "torch.Tensor", cut: "Cut | None") -> None:
    """Write an image (3, H, W), sRGB in [0, 1], as PNG, or as EXR with the original's clipped highlights restored."""
    from app.inference.linear import lit, write_linear
    from datasets.crops import as_pixels
    from datasets.images import write_png

    if path.suffix == ".exr":
        write_linear(path, lit(picture, cut))
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
    from datasets.runtime.device import device_or_cuda

    if not 0 <= args.strength <= 1:
        raise InputError(f"--strength {args.strength}: wanted a number in 0 .. 1.")
    if args.backend == "onnx" and (args.precision != "fp32" or args.device not in (None, "cpu")):
        raise InputError("--backend onnx: runs on the CPU in fp32; leave --device and --precision out.")
    if args.backend == "onnx" and args.style is not None:
        raise InputError("--backend onnx: an exported model has a fixed style; leave --style out.")
    if args.redraw is not None and (args.prior is None or not 0 <= args.redraw <= 1):
        raise InputError(f"--redraw {args.redraw}: wanted a number in 0 .. 1, and --prior.")
    check_seed(args.seed)
    for option in ("upscaler", "upscale_first", "guides"):
        if getattr(args, option) and args.upscale is None:
            raise InputError(f"--{option.replace('_', '-')}: is for --upscale, which says by which factor.")
    for option, path in (
        ("--mask", args.mask),
        ("--linear", args.linear),
        ("--guides", args.guides),
        ("--prior", args.prior),
    ):
        if path is not None and not path.exists():
            raise InputError(f"{option} {path}: no such file or folder.")
    return device_or_cuda(args.device)


def open_model(args: argparse.Namespace, device: "torch.device") -> "Backend":
    """Open the enhancer, with the tiles that the user wants.

    Raises:
        InputError: it is not an enhancer, or options do not fit it.
    """
    from app.inference.backends import header_of, onnx_backend, torch_backend
    from app.inference.code_backend import KIND, code_backend

    bf16, coded = args.precision == "bf16", args.backend == "torch" and header_of(args.model)["kind"] == KIND
    if args.prior is not None and not coded:
        raise InputError(f"--prior {args.prior}: is for a model of train.vqgan, which {args.model} is not.")
    if args.backend == "onnx":
        model = onnx_backend(args.model)
    elif coded:
        fraction = REDRAWN if args.redraw is None else args.redraw
        model = code_backend(args.model, args.prior, device, fraction=fraction, seed=args.seed, bf16=bf16)
    else:
        model = torch_backend(args.model, device, bf16=bf16)
    if args.style is not None and model.style is None:
        raise InputError(f"{args.model}: has no style; leave --style out.")
    tiling = model.tiling
    if args.independent_tiles:
        tiling = replace(tiling, in_bands=None)
    if args.tile is not None:
        tiling = replace(tiling, tile=args.tile)
    if tiling.tile < 4 * tiling.overlap:
        raise InputError(f"--tile {tiling.tile}: wanted {4 * tiling.overlap} or more, so that tiles can overlap.")
    return replace(model, tiling=tiling)


def open_upscaling(args: argparse.Namespace, model: "Backend", device: "torch.device") -> "Upscaling":
    """Open the upscaler, and the large frames that it or the enhancer reads.

    Raises:
        InputError: it is not an upscaler of this factor, or large frames are missing or not wanted.
    """
    from app.inference.enlarged_frames import Upscaling
    from app.inference.upscalers import DEFAULT, open_enlarger

    name, reads = args.upscaler or DEFAULT, bool(model.reading.features or model.reading.streams)
    bf16 = args.precision == "bf16"
    enlarger = open_enlarger(name, device, bf16=bf16, guides=args.guides, factor=args.upscale)
    if args.upscale_first and reads and args.guides is None:
        raise InputError(
            f"--upscale-first: {args.model} reads G-buffers, which are not enlarged, as they would be wrong at edges; "
            "give frame files that were rendered large as --guides."
        )
    large = open_frames(args.guides, model) if args.upscale_first and reads else None
    if args.guides is not None and enlarger.guides is None and large is None:
        raise InputError(f"--guides {args.guides}: {name} is guided by nothing; leave --guides out.")
    return Upscaling(enlarger, args.upscale_first, large)


@memory_advice("use a smaller --tile (for hr and its kin with --independent-tiles), or another --device")
def main(args: argparse.Namespace) -> None:
    """Enhance every frame; report problems before the first one if possible."""
    from tqdm import tqdm

    from app.inference.controls import mask_path, read_mask
    from app.inference.enlarged_frames import PICTURES_ALONE
    from app.inference.linear import cut_off, linear_paths, read_linear, shown
    from datasets.frames import Frames
    from datasets.images import check_out, to_make

    device = check_arguments(args)
    check_out(args.out, args.input)
    for read in (args.linear, args.mask):
        if read is not None:
            check_out(args.out, read)
    model = open_model(args, device)
    upscaling = open_upscaling(args, model, device) if args.upscale else None
    frames = Frames(args.input, PICTURES_ALONE) if args.upscale_first else open_frames(args.input, model)
    if upscaling is not None:
        upscaling.check(frames)
    sizes = [upscaling.enhanced_size(size) if upscaling else size for size in frames.sizes]
    suffix = "exr" if args.exr or args.linear is not None else "png"
    paths = [args.out / f"{key}.{suffix}" for key in frames.keys]
    masks = [mask_path(args.mask, key) if args.mask else None for key in frames.keys]
    linears = linear_paths(args.linear, frames.keys) if args.linear else [None] * len(frames)
    wanted = to_make(paths, overwrite=args.overwrite, resume=args.resume)
    if args.style is not None and model.style is not None:
        model.style.keep(shown_photo(args.style, sizes[0][0]))
    tiling = model.tiling
    if tiling.in_bands is None and tiling.uses_whole_frame and max(map(max, sizes)) > tiling.tile:
        print(
            f"{args.model}: frames larger than {tiling.tile} px run in tiles, which differ from the whole frame, "
            "because this network uses all of it (docs/models.md says how much); a larger --tile avoids that.",
            file=sys.stderr,
        )
    or_upscaler = " or the upscaler" if upscaling else ""
    for index in tqdm(wanted, desc="enhancing", unit="frame"):
        key, sample, mask, cut = frames.keys[index], frames[index], None, None
        if (mask_file := masks[index]) is not None:
            mask = read_mask(mask_file, *sizes[index])
        if (linear_file := linears[index]) is not None:
            linear, changed = read_linear(linear_file, *frames.sizes[index])
            if changed:
                tqdm.write(f"{linear_file}: {changed}", file=sys.stderr)
            sample, cut = sample._replace(image=shown(linear)), cut_off(linear)
        try:
            if upscaling is not None:
                sample = upscaling.before(sample, key)
            if args.style is None and model.style is not None and model.style.by_frame:
                model.style.keep(sample.image)
            picture = enhance(model, sample, strength=args.strength, mask=mask, colours=args.colour_only)
            if upscaling is not None:
                picture = upscaling.after(picture, key)
        except FloatingPointError:
            cure = "try --precision fp32, or " * (args.precision == "bf16") + "run python -m gbuffer_tools.check"
            raise InputError(
                f"{args.input}, frame {key}: the model{or_upscaler} returns values that are not finite; {cure}, and if "
                "that finds nothing, fetch or train the model again."
            ) from None
        if upscaling is not None and cut is not None:
            cut = cut.enlarged(upscaling.enlarger.factor)
        write(paths[index], picture, cut)
    kept = f" ({len(paths) - len(wanted)} more were there)" if len(wanted) < len(paths) else ""
    print(f"{args.out}: {len(wanted)} frames enhanced{kept}")


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
