"""What is judged: folders of pictures of the same frames, each under the name of the method that made them."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from datasets.images import Images
from gbuffer_tools.errors import InputError


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


def relative(folder: Path, to: Path) -> str:
    """A folder as records write it: relative to the record's own."""
    return Path(os.path.relpath(folder.resolve(), to)).as_posix()


def spread(keys: Sequence[str], count: int) -> tuple[str, ...]:
    """At most `count` keys, evenly spaced."""
    steps = np.linspace(0, len(keys) - 1, min(count, len(keys)))
    return tuple(keys[round(step)] for step in steps)
