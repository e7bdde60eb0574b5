"""Convert a generator checkpoint of the authors' release (…_gen-network.pth.tar), or of a fork, to a model file.

It also converts the weights of the style transfers that enhancers are compared with: WCT2's two files
(wave_encoder_cat5_l4.pth and wave_decoder_cat5_l4.pth) and PhotoWCT's (photo_wct.pth); RealFormer's published weights
(v1_1.pth, v1_3.pth, v2_1.pth); upscalers: Real-ESRGAN (RealESRGAN_x4plus.pth, …, with its discriminators; or two ncnn
files, .param and .bin), ESRGAN and models fine-tuned from it (.pth or .safetensors), and Craap's transformerSR; and the
autoencoders and transformers of Taming Transformers (last.ckpt, model.ckpt; --part for files that hold several
networks).

A checkpoint contains neither the names and statistics of its channels nor its class groups. They are known for the
release (32 or 26 PfD channels) and for CARLA2Real (18); for other checkpoints, give them in a YAML file (see
docs/models.md).
"""

import argparse
import math
import struct
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

from app.fetching.limits import MAX_TENSORS, check_size
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.recognise import refusal

if TYPE_CHECKING:
    from torch import Tensor

    from epe.models import Model

WRAPPERS = ("params_ema", "params", "state_dict")
# Networks in Taming Transformers' second-stage files; --part chooses one.
PARTS = ("first_stage_model", "cond_stage_model", "transformer")
# Classes that PyTorch Lightning names in its files beside the tensors; an empty class is read in their place.
LIGHTNING = (
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
)
# Maximum size of a tensor that repeats a single stored number: the size of WCT2's wavelets, which are stored that way.
REPEATED = 4096
# First bytes of files written by torch before 1.6.
OLD_FORMAT = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
# Exceptions that reading a damaged checkpoint, which is a pickle, may raise.
DAMAGED = (
    RuntimeError, LookupError, ValueError, TypeError, AttributeError, EOFError, AssertionError, UnpicklingError,
    struct.error,
)  # fmt: skip
# Class names in frame files: EPE's groups, then CARLA's own tags.
PFD_CLASSES = (
    ("sky",), ("road",), ("vehicle",), ("terrain",), ("vegetation",), ("person",), ("infrastructure",),
    ("traffic light",), ("traffic sign",), ("ego vehicle",), ("building",), ("unlabeled", "*"),
)  # fmt: skip
# PfD's labels 2, 3 and 34, for which the release makes no mask.
PFD_NONE = ("other",)
CARLA_CLASSES = (
    ("sky",), ("road", "sidewalk", "road line", "ground", "rail track"),
    ("vehicle", "car", "truck", "bus", "train", "motorcycle", "bicycle"), ("terrain",), ("vegetation",),
    ("person", "pedestrian", "rider"), ("infrastructure", "pole"), ("traffic light",), ("traffic sign",),
    ("ego vehicle", "dynamic", "water"), ("building", "wall", "fence", "static", "bridge", "guard rail"),
    ("unlabeled", "*"),
)  # fmt: skip


@dataclass(frozen=True)
class Description:
    """Facts that a checkpoint does not contain; the YAML file of `--description`.

    Attributes:
        channels: names of the G-buffer channels as in frame files, in the network's order: "depth.0".
        classes: class names, as in frame files, of each class stream; "*": all others.
        no_stream: class names that belong to no stream; at their pixels the network reads no G-buffers.
        mean, std: statistics per channel; the network receives (value - mean) / std. Empty: 0 and 1, as released.
        streams: channels that each class stream reads, counted from 0; empty: all.
    """

    channels: tuple[str, ...]
    classes: tuple[tuple[str, ...], ...]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    streams: tuple[tuple[int, ...], ...] = ()
    no_stream: tuple[str, ...] = ()


def numbered(name: str, channels: int) -> tuple[str, ...]:
    """Return the channel names "name.0", "name.1", …"""
    return tuple(f"{name}.{i}" for i in range(channels))


def carla() -> Description:
    """Return the description of CARLA2Real's 18 channels; order and subsets are from its code/epe/dataset/pfd.py.

    The network expects values in 0..255, while frame files hold 8-bit values as 0..1. It also expects the base colour
    in sRGB as it was saved, while `albedo` in frame files is linear.
    """
    channels = (
        *numbered("x_scene_color", 3), "x_scene_depth.0", *numbered("x_world_normal", 3), "metallic.0", "specular.0",
        "roughness.0", *numbered("albedo_srgb", 3), *numbered("x_custom_data", 3), "occlusion.0", "x_custom_stencil.0",
    )  # fmt: skip
    every, without_two = tuple(range(18)), (*range(13), 16, 17)
    streams = tuple(every if k in (2, 4) else (0, 1, 2) if k == 0 else without_two for k in range(12))
    return Description(channels, CARLA_CLASSES, std=(1 / 255,) * len(channels), streams=streams)


def known(inputs: list[int]) -> Description | None:
    """Return the description of a known network, or None.

    Args:
        inputs: number of channels that each class stream reads, by which the network is recognised.
    """
    sky_apart = (tuple(range(15, 21)), *((tuple(range(26)),) * 11))
    for description in (
        Description(numbered("x_fake_vgg", 32), PFD_CLASSES, streams=(tuple(range(32)),) * 12, no_stream=PFD_NONE),
        Description(numbered("x_gbuffers", 26), PFD_CLASSES, streams=sky_apart, no_stream=PFD_NONE),
        carla(),
    ):
        if [len(stream) for stream in description.streams] == inputs:
            return description
    return None


class Ignored:
    """Stands in for a class that a checkpoint names, so that none of its code is imported or run."""


def part_of(path: Path, stored: "dict[str, Tensor]", part: str | None) -> "dict[str, Tensor]":
    """Return the tensors of one network in a file, under the names that they have when the network is stored alone.

    Raises:
        InputError: the file holds several networks and none was chosen, or it does not hold the chosen one.
    """
    there = [name for name in PARTS if any(key.startswith(f"{name}.") for key in stored)]
    if part is None and there:
        raise InputError(f"{path}: holds {', '.join(there)}; choose one with --part.")
    if part is not None and part not in there:
        raise InputError(f"{path}: has no part {part}; it holds {', '.join(there) or 'one network'}.")
    start = f"{part}." if part else ""
    return {key.removeprefix(start): value for key, value in stored.items() if key.startswith(start)}


def read_checkpoint(path: Path) -> "dict[str, Tensor]":
    """Read a checkpoint's tensors by name; none of its code runs, and it takes no more memory than the file's size.

    Raises:
        InputError: the file is not an archive of tensors by name, or its content would be larger than the file.
    """
    import torch

    check_size(path)
    old = begins(path, OLD_FORMAT)
    if not old:
        check_archive(path)
    try:
        # Memory-mapped storages cannot grow: a tensor that claims more bytes than it has is an error. The old format
        # cannot be mapped, but its storages take no memory until their bytes are read, and missing bytes are an error.
        with torch.serialization.safe_globals([(Ignored, name) for name in LIGHTNING]):
            stored = torch.load(path, map_location="cpu", weights_only=True, mmap=not old)
    except DAMAGED as error:
        reason = " ".join((str(error) or type(error).__name__).split())[:200]
        raise InputError(f"{path}: not a checkpoint of plain tensors ({reason}).") from error
    # BasicSR's files: the averaged weights, else those of the last step; Lightning's files.
    if isinstance(stored, dict):
        stored = next((stored[name] for name in WRAPPERS if isinstance(stored.get(name), dict)), stored)
    if not isinstance(stored, dict) or not 0 < len(stored) <= MAX_TENSORS:
        raise InputError(f"{path}: holds a {type(stored).__name__}; wanted tensors by name.")
    for name, value in stored.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor) or not usable(value):
            raise InputError(f"{path}: {str(name)[:80]!r} is not a dense tensor of floats; wanted a network's weights.")
    return stored


def begins(path: Path, start: bytes) -> bool:
    """Return whether a file begins with the bytes `start`."""
    with path.open("rb") as file:
        return file.read(len(start)) == start


def check_archive(path: Path) -> None:
    """Check that a file is an uncompressed archive, as torch 1.6 and later write.

    Raises:
        InputError: it is not.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            packed = [info.filename for info in archive.infolist() if info.compress_type != zipfile.ZIP_STORED]
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise refusal(path, "not a checkpoint that torch wrote", f" ({error}); get it again.", ("ZIP",)) from error
    if packed:
        raise InputError(f"{path}: {packed[0]} is compressed, which torch never does; get the checkpoint elsewhere.")


def usable(tensor: "Tensor") -> bool:
    """Return whether a tensor is dense, holds floats (or one integer) and, if large, owns bytes for each number."""
    import torch

    if tensor.layout != torch.strided or tensor.is_meta:
        return False
    if not tensor.dtype.is_floating_point:
        return tensor.dtype == torch.int64 and tensor.ndim == 0  # how many batches a batch norm has seen
    return tensor.numel() <= REPEATED or tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m app.convert", description=__doc__)
    parser.add_argument("checkpoints", type=Path, nargs="+", metavar="CHECKPOINT", help="one file; WCT2, ncnn: two")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="model file to write (.safetensors)")
    parser.add_argument(
        "--description",
        type=Path,
        metavar="FILE",
        help="YAML with channels, classes and, if needed, mean, std, streams (default: those of PfD or CARLA2Real, "
        "recognised by the number of channels that each class stream reads)",
    )
    parser.add_argument(
        "--licence",
        metavar="TEXT",
        help="licence of the weights, stored in the file (default: the authors' for WCT2, PhotoWCT, RealFormer and "
        "upscalers, else unknown)",
    )
    parser.add_argument(
        "--heads",
        type=int,
        metavar="N",
        help="attention heads of a RealFormer or of a transformer over codes, of which their files have no trace "
        "(default: 16; 12 for a RealFormer without an encoder, as in v1_3)",
    )
    parser.add_argument(
        "--part", choices=PARTS, help="network to convert from a file of Taming Transformers that holds several"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    return parser


def described(args: argparse.Namespace, inputs: list[int]) -> Description:
    """Return the description of a generator: the user's, else the known one.

    Raises:
        InputError: neither exists, or the description contradicts itself or the checkpoint.
    """
    from gbuffer_tools.io.yaml import read_sections

    found = read_sections(args.description, Description) if args.description else known(inputs)
    if found is None:
        raise InputError(
            f"{args.checkpoints[0]}: its {len(inputs)} class streams read {', '.join(map(str, inputs[:20]))} channels, "
            "which is neither PfD nor CARLA2Real; describe them: --description FILE with channels and classes."
        )
    where = args.description or args.checkpoints[0]
    count = len(found.channels)
    for name, values in (("mean", found.mean), ("std", found.std)):
        if values and len(values) != count:
            raise InputError(f"{where}: {len(values)} numbers of {name} for {count} channels; wanted one each.")
    if bad := [value for value in found.std if not 0 < value < math.inf]:
        raise InputError(f"{where}: std has {bad[0]}; wanted finite numbers above 0.")
    if bad := [value for value in found.mean if not math.isfinite(value)]:
        raise InputError(f"{where}: mean has {bad[0]}; wanted finite numbers.")
    if len(found.classes) != len(inputs):
        raise InputError(f"{where}: {len(found.classes)} classes, but the checkpoint has {len(inputs)} class streams.")
    return found


def enhancer(args: argparse.Namespace, stored: "dict[str, Tensor]") -> "Model":
    """Return the model in a generator's checkpoint.

    Raises:
        ValueError: it is not a generator that we know.
        InputError: the description does not fit it.
    """
    from epe.models import Model, build_with_tensors, outline
    from epe.networks.enhancers.enhancer import Enhancer
    from epe.released.enhancer import renamed, spec_of, stream_inputs, stripped

    tensors = stripped(stored)
    description = described(args, stream_inputs(tensors))
    spec = spec_of(tensors, description.streams or None, len(description.channels))
    network = outline("epe", spec.as_dict())
    assert isinstance(network, Enhancer)
    ours = renamed(tensors, network)
    count = len(description.channels)
    return Model(
        network=build_with_tensors("epe", spec.as_dict(), ours).eval(),
        kind="epe",
        spec=spec.as_dict(),
        channels=description.channels,
        mean=description.mean or (0.0,) * count,
        std=description.std or (1.0,) * count,
        classes=description.classes,
        multiple_of=spec.multiple_of,
        # The release's masks are soft where label maps had to be resized.
        record={"no_stream": description.no_stream, "soft_classes": True},
    )


def summary(model: "Model") -> str:
    """Describe the converted model in words."""
    spec = model.spec
    if model.kind != "epe":
        return ", ".join((model.kind, *(f"{name} {value}" for name, value in spec.items())))
    return (
        f"{'hr' if spec['conditioning'] == 'rad' else 'hr_new'}, {spec['stages']} stages of {spec['blocks']} blocks, "
        f"{spec['rad_layers']} layers before each scale and shift, {len(model.channels)} channels, "
        f"{len(model.classes)} classes"
    )


def tensors_used(count: int, left_out: tuple[str, ...]) -> str:
    """Say how many of a file's `count` tensors went into a model, and name what was left out."""
    if not left_out:
        return f"all {count} tensors used"
    return f"{count - len(left_out)} tensors used, {len(left_out)} that it does not need left out ({left_out[0]}, …)"


def main(args: argparse.Namespace) -> None:
    """Read the checkpoint, rename its tensors, and write the model file."""
    from dataclasses import replace

    from app.fetching.other_formats import read_other_format
    from datasets.images import check_not_read
    from epe.models import Model, build_with_tensors, digest, save
    from epe.released import codes, upscalers, vqgan
    from epe.released.realformer import realformer
    from epe.released.style_transfer import released

    check_not_read(args.out, *args.checkpoints)
    if args.out.exists() and not args.overwrite:
        raise InputError(f"{args.out}: already exists; pass --overwrite or another --out.")
    other = read_other_format(args.checkpoints)
    read = [read_checkpoint(path) for path in args.checkpoints] if other is None else [other]
    files = [part_of(path, tensors, args.part) for path, tensors in zip(args.checkpoints, read, strict=False)]
    names = ", ".join(map(str, args.checkpoints))
    try:
        found = released(files)
        if found is None and len(files) == 1:
            found = realformer(files[0], args.heads) or upscalers.released(files[0])
            found = found or vqgan.released(files[0]) or codes.gpt(files[0], args.heads)
        if found and args.description:
            raise InputError(
                f"--description: is for generators that read G-buffers, but {names} holds a {found.kind}; leave it out."
            )
        if args.heads is not None and not (found and found.kind.startswith(("realformer", "gpt"))):
            raise InputError(f"--heads: is for RealFormer and transformers over codes, not for {names}; leave it out.")
        if found:
            network = build_with_tensors(found.kind, found.spec, found.tensors).eval()
            model = Model(network, found.kind, found.spec, multiple_of=found.multiple_of, licence=found.licence)
        elif len(files) == 1:
            model = enhancer(args, files[0])
        else:
            raise ValueError("wanted one file of a generator, or WCT2's encoder and decoder")
    except ValueError as error:
        raise InputError(f"{names}: {error}.") from error
    digests = [digest(path) for path in args.checkpoints]
    names = ", ".join(path.name for path in args.checkpoints)
    record = {**model.record, "converted_from": names, "sha256": ", ".join(digests)}
    save(replace(model, licence=args.licence or model.licence or "unknown", record=record), args.out)
    used = tensors_used(sum(map(len, files)), found.left_out if found else ())
    print(f"{args.out}: {summary(model)}; {used}")


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
