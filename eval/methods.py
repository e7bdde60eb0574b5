"""What is judged: folders of pictures of the same frames, each under the name of the method that made them."""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from datasets.images import Images
from gbuffer_tools.errors import InputError


def named(texts: Sequence[str]) -> dict[str, Path]:
    """NAME=DIR, or DIR alone, which is named after its last part.

    Raises:
        InputError: a name that comes twice.
    """
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, folder = text.partition("=")
        path = Path(folder if equals else text)
        name = name if equals else path.resolve().name
        if not name or name in found:
            raise InputError(f"--fake {text}: got the name {name!r}, wanted one name per method; write --fake NAME=DIR")
        found[name] = path
    return found


def opened(folders: Mapping[str, Path]) -> dict[str, Images]:
    """The pictures of every method.

    Raises:
        InputError: a method does not show the frames that the first one shows.
    """
    methods = {name: Images(folder) for name, folder in folders.items()}
    frames = next(iter(methods.values()))
    for name, images in methods.items():
        missing, extra = set(frames.keys) - set(images.keys), set(images.keys) - set(frames.keys)
        for odd, verb in ((missing, "lacks"), (extra, "has, besides,")):
            if odd:
                raise InputError(
                    f"{images.folder}: {name} {verb} {len(odd)} frames, such as {min(odd)!r}; "
                    f"wanted the {len(frames.keys)} frames of {frames.folder}"
                )
    return methods


def check_common(args: argparse.Namespace) -> None:
    """Options that all commands of measures have.

    Raises:
        InputError: one that makes no sense.
    """
    for name, least in (("resamples", 10), ("seed", 0)):
        if getattr(args, name) < least:
            raise InputError(f"--{name}: got {getattr(args, name)}, wanted {least} or more")
    if args.out.suffix != ".json":
        raise InputError(f"--out: got {args.out}, wanted a name that ends in .json")


def device_of(name: str) -> torch.device:
    """The device that --device names.

    Raises:
        InputError: this machine has none such.
    """
    if name.partition(":")[0] not in ("cpu", "cuda") or (name != "cpu" and not torch.cuda.is_available()):
        raise InputError(f"--device: got {name}, which this machine does not offer; use cpu")
    return torch.device(name)


def relative(folder: Path, to: Path) -> str:
    """A folder as records write it: relative to the record's own."""
    return Path(os.path.relpath(folder.resolve(), to)).as_posix()
