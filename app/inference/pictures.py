"""Pictures in and out of `app.upscale`: those that the user named, one by one, each enlarged in its own format."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from app.inference.enlarging import Enlarger
from app.inference.linear import Light, read_light, write_linear
from datasets.images import Images, check_not_read
from gbuffer_tools.errors import InputError
from gbuffer_tools.exr import reader as exr
from gbuffer_tools.io.images import SUFFIXES, image_size
from gbuffer_tools.picture_file.layout import SUFFIXES as WRITTEN
from gbuffer_tools.picture_file.layout import PixelLayout, bits_in, check_fit
from gbuffer_tools.picture_file.reader import StoredPicture, read_picture
from gbuffer_tools.picture_file.writer import write_picture
from gbuffer_tools.schema import Shard

EXR, FRAMES, PNG = ".exr", ".h5", ".png"


@dataclass(frozen=True)
class InputPicture:
    """A picture to enlarge.

    Attributes:
        path: the file that holds it.
        key: its path in the folder without suffix; for frames "<shard>/<frame>".
        suffix: suffix of the enlarged picture.
        size: (H, W).
        read: reads it.
    """

    path: Path
    key: str
    suffix: str
    size: tuple[int, int]
    read: Callable[[], StoredPicture | Light]


def input_pictures(named: Path, suffix: str | None) -> list[InputPicture]:
    """Find the pictures of a folder or a frame file, or the one picture that the user named; headers are read.

    Args:
        named: a picture, a frame file, or a folder of either.
        suffix: suffix of the enlarged pictures; None: each picture's own if it can be written, else PNG.

    Raises:
        InputError: nothing readable is found, or linear light is to be written in a format other than EXR.
    """
    if not named.exists():
        raise InputError(
            f"{named}: no such file or folder; wanted a picture, a frame file (.h5), or a folder of either."
        )
    if named.is_file() and named.suffix != FRAMES:
        return [_file(named, named.stem, suffix)]
    if named.is_file():
        shard = Shard(named)
        size = (shard.height, shard.width)
        return [
            _frame(named, f"{named.stem}/{name}", suffix, size, partial(shard.image, number))
            for number, name in enumerate(shard.names)
        ]
    found: list[InputPicture] = []
    images = Images(named, (*SUFFIXES, EXR))
    for index, key in enumerate(images.keys):
        path = images.path(index)
        if path.suffix == FRAMES:
            found.append(_frame(path, key, suffix, images.size(index), partial(images.__getitem__, index)))
        else:
            found.append(_file(path, key, suffix))
    return found


def _file(path: Path, key: str, suffix: str | None) -> InputPicture:
    if path.suffix.lower() == EXR:
        if suffix is not None:
            raise InputError(f"{path}: holds linear light, which is written as EXR alone; leave --format out.")
        return InputPicture(path, key, EXR, exr.header(path).display.shape, partial(read_light, path))
    same = path.suffix if path.suffix.lower() in WRITTEN else PNG
    return InputPicture(path, key, suffix or same, image_size(path), partial(read_picture, path))


def _frame(
    path: Path, key: str, suffix: str | None, size: tuple[int, int], read: Callable[[], np.ndarray]
) -> InputPicture:
    return InputPicture(path, key, suffix or PNG, size, lambda: StoredPicture(read()))


def check_target(source: InputPicture, path: Path, factor: int) -> None:
    """Refuse to overwrite the input, and refuse a picture that, by its size, its format cannot hold enlarged.

    Raises:
        InputError: the file is the one that is read, or the picture is too large.
    """
    check_not_read(path, source.path)
    if source.suffix != EXR:
        height, width = (factor * side for side in source.size)
        check_fit(path, PixelLayout(height, width, 1, 8))


def enlarge_file(enlarger: Enlarger, source: InputPicture, path: Path) -> str:
    """Enlarge a picture into a file.

    Returns:
        What the user should know about it, such as what was left out; empty if there is nothing.

    Raises:
        InputError: the picture cannot be read, or the format cannot hold it enlarged.
        FloatingPointError: the network returns values that are not finite.
    """
    picture = source.read()
    if isinstance(picture, Light):
        kind = torch.float16 if picture.half else torch.float32
        colours = torch.cat([band.to(kind) for band in enlarger.light(picture.colours, source.key)], dim=-2)
        alpha = None
        if picture.alpha is not None:
            alpha = torch.cat([band.to(kind) for band in enlarger.alpha(picture.alpha)], dim=-2)
        write_linear(path, colours, alpha, half=picture.half, texts=picture.texts)
        return picture.note
    height, width, channels = picture.pixels.shape
    size = (enlarger.factor * height, enlarger.factor * width)
    layout = PixelLayout(*size, channels, bits_in(path, 8 * picture.pixels.itemsize))
    check_fit(path, layout, picture.notes)
    write_picture(path, _pixels(enlarger, picture, source.key, layout.bits), layout, picture.notes)
    return picture.notes.lost


def _pixels(enlarger: Enlarger, picture: StoredPicture, key: str, bits: int) -> Iterator[np.ndarray]:
    """Yield the enlarged picture in bands (h, f W, C) of 8 or 16 bits."""
    planes = torch.from_numpy(np.ascontiguousarray(np.moveaxis(picture.pixels, -1, 0), np.float32))
    planes /= np.iinfo(picture.pixels.dtype).max
    colours, alpha = (planes[:-1], planes[-1:]) if picture.has_alpha else (planes, None)
    seen = None if alpha is None else enlarger.alpha(alpha)
    for band in enlarger.colours(colours, alpha, key):
        numbers = _whole_numbers([*band, *(next(seen) if seen is not None else ())], bits)
        del band  # before the next row of tiles is made
        yield numbers


def _whole_numbers(planes: Sequence[Tensor], bits: int) -> np.ndarray:
    """C planes (h, W) in [0, 1] as (h, W, C) uint8 or uint16, rounded."""
    numbers = np.empty((*planes[0].shape, len(planes)), np.uint8 if bits == 8 else np.uint16)
    for channel, plane in enumerate(planes):
        numbers[..., channel] = (plane * (2**bits - 1)).round().numpy()
    return numbers
