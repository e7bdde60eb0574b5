"""What is judged: one folder per method with pictures of the same frames, and the keys of those pictures."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets.images import Images
from datasets.labels import check_alike, read_facts
from gbuffer_tools.errors import InputError


def opened(folders: Mapping[str, Path]) -> dict[str, Images]:
    """Open every method's folder.

    Args:
        folders: folders by method name.

    Raises:
        InputError: a method does not show the same frames as the first one.
    """
    methods = {name: Images(folder) for name, folder in folders.items()}
    frames = next(iter(methods.values()))
    for name, images in methods.items():
        missing, extra = set(frames.keys) - set(images.keys), set(images.keys) - set(frames.keys)
        for odd, verb in ((missing, "lacks"), (extra, "has in addition")):
            if odd:
                raise InputError(
                    f"{images.folder}: {name} {verb} {len(odd)} frames, such as {min(odd)!r}; "
                    f"wanted the {len(frames.keys)} frames of {frames.folder}"
                )
    return methods


def picture_like(
    images: Images, index: int, reference: NDArray[np.uint8], whose: str = "the frame"
) -> NDArray[np.uint8]:
    """A method's picture (H, W, 3) of a frame, as large as what it is compared with.

    Args:
        images: the method's pictures.
        index: which one.
        reference: what it is compared with, (H, W, 3).
        whose: what messages call that.

    Raises:
        InputError: it has another size.
    """
    picture: NDArray[np.uint8] = images[index]
    if picture.shape != reference.shape:
        raise InputError(
            f"{images.path(index)}: {picture.shape[1]}x{picture.shape[0]} pixels, wanted "
            f"{reference.shape[1]}x{reference.shape[0]} as {whose} has; compare pictures of one size."
        )
    return picture


RENDER = "render"
"""The method that frame files stand for, in commands that read them with --frames."""


def with_render(frames: Path, fakes: Mapping[str, Path]) -> dict[str, Path]:
    """Folders by method: first the frame files themselves, as the render, then the methods of --fake.

    Raises:
        InputError: a method of --fake has the render's name.
    """
    if RENDER in fakes:
        raise InputError(f"--fake {RENDER}=…: the frame files are the render; give methods other names.")
    return {RENDER: frames, **fakes}


def relative(folder: Path, to: Path) -> str:
    """A folder as records write it: relative to the record's folder `to`, with slashes."""
    return Path(os.path.relpath(folder.resolve(), to)).as_posix()


def spread(keys: Sequence[str], count: int) -> tuple[str, ...]:
    """At most `count` of the keys, evenly spaced, including the first and the last."""
    steps = np.linspace(0, len(keys) - 1, min(count, len(keys)))
    return tuple(keys[round(step)] for step in steps)


def generator_for(key: str, seed: int) -> np.random.Generator:
    """One picture's random generator, which does not depend on which other pictures there are, or on their order.

    Args:
        key: the picture's key.
        seed: 0 or more, shared by all pictures.
    """
    words = np.frombuffer(hashlib.sha256(key.encode()).digest(), dtype="<u4")
    return np.random.default_rng([seed, *words.tolist()])


def label_facts(fake: Path, real: Path) -> tuple[str, int]:
    """How two folders of label maps were made: the method's name, and the number of classes.

    Raises:
        InputError: the two folders were not labelled alike.
    """
    ours, theirs = read_facts(fake), read_facts(real)
    check_alike(real, theirs, ours, fake)
    return str(ours.get("method", "unknown")), int(str(ours["classes"]))
