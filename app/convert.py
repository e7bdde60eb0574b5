"""Turn a generator's checkpoint of the authors' release (…_gen-network.pth.tar), or of a fork, into a model file.

What a checkpoint does not say (names and statistics of channels, groups of classes) is known for the release (32 or 26
channels of PfD) and for CARLA2Real (18); for others it stands in a YAML file, see README.
"""

import argparse
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

MOST_BYTES = 4 << 30
MOST_TENSORS = 20_000
# Their names of classes in frame files: EPE's groups, and after them CARLA's own tags.
PFD_CLASSES = (
    ("sky",), ("road",), ("vehicle",), ("terrain",), ("vegetation",), ("person",), ("infrastructure",),
    ("traffic light",), ("traffic sign",), ("ego vehicle",), ("building",), ("unlabeled", "*"),
)  # fmt: skip
CARLA_CLASSES = (
    ("sky",), ("road", "sidewalk", "road line", "ground", "rail track"),
    ("vehicle", "car", "truck", "bus", "train", "motorcycle", "bicycle"), ("terrain",), ("vegetation",),
    ("person", "pedestrian", "rider"), ("infrastructure", "pole"), ("traffic light",), ("traffic sign",),
    ("ego vehicle", "dynamic", "water"), ("building", "wall", "fence", "static", "bridge", "guard rail"),
    ("unlabeled", "*"),
)  # fmt: skip


@dataclass(frozen=True)
class Description:
    """What a checkpoint does not say; the YAML file of `--description`.

    Attributes:
        channels: names of the G-buffer channels as frame files have them, in the network's order: "depth.0".
        classes: per class stream, the names of the frame files' classes that it takes; "*": all others.
        mean, std: per channel, the network is fed (value - mean) / std; empty: 0 and 1, as released.
        streams: per class stream, the channels that it reads, counted from 0; empty: all.
    """

    channels: tuple[str, ...]
    classes: tuple[tuple[str, ...], ...]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    streams: tuple[tuple[int, ...], ...] = ()


def numbered(name: str, channels: int) -> tuple[str, ...]:
    """ "name.0", "name.1", …"""
    return tuple(f"{name}.{i}" for i in range(channels))


def carla() -> Description:
    """CARLA2Real's stack of 18 channels, fed as 0..255; its order and subsets from its code/epe/dataset/pfd.py.

    Frame files hold 8 bits as 0..1. Their `albedo` is linear while this network wants the base colour as it was saved.
    """
    channels = (
        *numbered("x_scene_color", 3), "x_scene_depth.0", *numbered("x_world_normal", 3), "metallic.0", "specular.0",
        "roughness.0", *numbered("albedo_srgb", 3), *numbered("x_custom_data", 3), "occlusion.0", "x_custom_stencil.0",
    )  # fmt: skip
    every, most = tuple(range(18)), (*range(13), 16, 17)
    streams = tuple(every if k in (2, 4) else (0, 1, 2) if k == 0 else most for k in range(12))
    return Description(channels, CARLA_CLASSES, std=(1 / 255,) * len(channels), streams=streams)


def known(inputs: list[int]) -> Description | None:
    """The description of a network of which is known what its class streams read.

    Args:
        inputs: per class stream, its number of channels.
    """
    sky_apart = (tuple(range(15, 21)), *((tuple(range(26)),) * 11))
    for description in (
        Description(numbered("x_fake_vgg", 32), PFD_CLASSES, streams=(tuple(range(32)),) * 12),
        Description(numbered("x_gbuffers", 26), PFD_CLASSES, streams=sky_apart),
        carla(),
    ):
        if [len(stream) for stream in description.streams] == inputs:
            return description
    return None


def read_checkpoint(path: Path) -> "dict[str, Tensor]":
    """Names and tensors of a checkpoint; no code of it runs, and no more memory is taken than the file has.

    Raises:
        InputError: not an archive of tensors by name, or one that would grow on reading.
    """
    from pickle import UnpicklingError

    import torch

    if not path.is_file():
        raise InputError(f"{path}: no such file; wanted a checkpoint (…_gen-network.pth.tar).")
    if path.stat().st_size > MOST_BYTES:
        raise InputError(f"{path}: {path.stat().st_size:,} bytes, wanted at most {MOST_BYTES:,}; is it a generator?")
    try:
        with zipfile.ZipFile(path) as archive:
            packed = [info.filename for info in archive.infolist() if info.compress_type != zipfile.ZIP_STORED]
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise InputError(
            f"{path}: not a checkpoint of torch 1.6 or later ({error}); load and save it with such a one first."
        ) from error
    if packed:
        raise InputError(f"{path}: {packed[0]} is compressed, which torch never does; get the checkpoint elsewhere.")
    try:
        # Mapped storages cannot grow: a tensor that claims more than its bytes is an error.
        stored = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, LookupError, ValueError, TypeError, AttributeError, EOFError, UnpicklingError) as error:
        reason = " ".join((str(error) or type(error).__name__).split())[:200]
        raise InputError(f"{path}: not a checkpoint of plain tensors ({reason}).") from error
    if not isinstance(stored, dict) or not 0 < len(stored) <= MOST_TENSORS:
        raise InputError(f"{path}: holds a {type(stored).__name__}; wanted tensors by name (…_gen-network.pth.tar).")
    for name, value in stored.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor) or not usable(value):
            raise InputError(f"{path}: {str(name)[:80]!r} is no dense tensor of floats; wanted …_gen-network.pth.tar.")
    return stored


def usable(tensor: "Tensor") -> bool:
    """Floats on the CPU, each with bytes of its own."""
    import torch

    if tensor.layout != torch.strided or tensor.is_meta or not tensor.dtype.is_floating_point:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m app.convert", description=__doc__)
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="…_gen-network.pth.tar")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="model file to write (.safetensors)")
    parser.add_argument(
        "--description",
        type=Path,
        metavar="FILE",
        help="YAML with channels, classes and, where needed, mean, std, streams (default: what is known of PfD and "
        "CARLA2Real, found by the numbers of channels that the class streams read)",
    )
    parser.add_argument(
        "--licence", default="unknown", metavar="TEXT", help="of the weights, stored in the file (default: %(default)s)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    return parser


def described(args: argparse.Namespace, inputs: list[int]) -> Description:
    """What the user says, or what is known.

    Raises:
        InputError: neither; or parts that do not fit each other.
    """
    from gbuffer_tools.yaml_sections import read_sections

    found = read_sections(args.description, Description) if args.description else known(inputs)
    if found is None:
        raise InputError(
            f"{args.checkpoint}: its {len(inputs)} class streams read {', '.join(map(str, inputs[:20]))} channels, "
            "which is neither PfD nor CARLA2Real; describe them: --description FILE with channels and classes."
        )
    where = args.description or args.checkpoint
    count = len(found.channels)
    for name, values in (("mean", found.mean), ("std", found.std)):
        if values and len(values) != count:
            raise InputError(f"{where}: {len(values)} numbers of {name} for {count} channels; wanted one each.")
    if not all(value > 0 for value in found.std):
        raise InputError(f"{where}: std has {min(found.std)}; wanted numbers above 0.")
    if len(found.classes) != len(inputs):
        raise InputError(f"{where}: {len(found.classes)} classes, but the checkpoint has {len(inputs)} class streams.")
    return found


def main(args: argparse.Namespace) -> None:
    """Read, rename, write."""
    from epe.models import Model, digest, filled, outline, save
    from epe.networks.enhancer import Enhancer
    from epe.networks.released import renamed, spec_of, stream_inputs, stripped

    if args.out.exists() and not args.overwrite:
        raise InputError(f"{args.out}: is there already; pass --overwrite or another --out.")
    try:
        tensors = stripped(read_checkpoint(args.checkpoint))
        description = described(args, stream_inputs(tensors))
        spec = spec_of(tensors, description.streams or None, len(description.channels))
        network = outline("epe", spec.as_dict())
        assert isinstance(network, Enhancer)
        ours = renamed(tensors, network)
    except ValueError as error:
        raise InputError(f"{args.checkpoint}: {error}.") from error
    count = len(description.channels)
    model = Model(
        network=filled("epe", spec.as_dict(), ours).eval(),
        kind="epe",
        spec=spec.as_dict(),
        channels=description.channels,
        mean=description.mean or (0.0,) * count,
        std=description.std or (1.0,) * count,
        classes=description.classes,
        multiple_of=spec.multiple_of,
        licence=args.licence,
        record={"converted_from": args.checkpoint.name, "sha256": digest(args.checkpoint)},
    )
    save(model, args.out)
    kind = "hr" if spec.conditioning == "rad" else "hr_new"
    print(
        f"{args.out}: {kind}, {spec.stages} stages of {spec.blocks} blocks, {spec.rad_layers} layers before each "
        f"scale and shift, {count} channels, {len(spec.streams)} classes; all {len(tensors)} tensors used"
    )


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
