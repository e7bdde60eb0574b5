"""Pictures as maps of codes, and windows of them for training.

A first stage is a large network, while a window of codes is a kilobyte: pictures are encoded once, not in each
step (as in the paper). A picture is encoded whole, as when it is enhanced or completed, in several variants: mirrored
or not, and shifted by a fraction of a code. Windows begin at any code.

Shapes: a map has h x w codes, a window s x s; H W pixels, f pixels per code along a side; P tokens of a condition.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from datasets.coding.conditions import ConditionMaps
from datasets.crops import as_tensor, check_size
from datasets.photos import Photos
from epe.first_stage import FirstStage
from epe.networks.codes.gpt import START

Codes = NDArray[np.int32]


class CodeMap(NamedTuple):
    """A picture as codes.

    Attributes:
        codes: (h, w).
        condition: codes (h, w), or one label (1,).
    """

    codes: Codes
    condition: Codes


class CodeWindow(NamedTuple):
    """A window of a map of codes.

    Attributes:
        codes: (s * s,) int64, row by row.
        seen: the same codes as the network reads them: some may be replaced by random ones.
        condition: (P,) int64.
    """

    codes: Tensor
    seen: Tensor
    condition: Tensor


@dataclass(frozen=True)
class FirstStageEncoder:
    """A first stage on its device, which encodes one picture at a time.

    Attributes:
        network: in evaluation mode.
        device: of the network.
    """

    network: FirstStage
    device: str

    @torch.inference_mode()
    def __call__(self, image: Tensor) -> Codes:
        """Return the codes (h, w) of a picture (C, H, W) as the network reads it, with sides that f divides."""
        return self.network.encode(image[None].to(self.device))[0].cpu().numpy().astype(np.int32)


@dataclass(frozen=True)
class Condition:
    """What pictures are conditioned on: a label or a map; without either, nothing.

    Attributes:
        labels: number of each picture's label, by key; empty: all pictures have the label `START`.
        maps: maps by key.
        encoder: the first stage of the maps.
    """

    labels: Mapping[str, int]
    maps: ConditionMaps | None = None
    encoder: FirstStageEncoder | None = None

    def of(self, key: str, size: tuple[int, int], rows: slice, cols: slice, *, flip: bool) -> Codes:
        """Return the condition of a picture of this size, or of a part of it; `flip` mirrors the picture first.

        Raises:
            InputError: no map has this key, or it cannot be used.
        """
        if self.maps is None or self.encoder is None:
            return np.array([self.labels.get(key, START)], np.int32)
        return self.encoder(self.maps.read(key, size, flip=flip)[:, rows, cols])


def encode_pictures(
    pictures: Photos, encoder: FirstStageEncoder, condition: Condition, *, side: int, variants: int, seed: int
) -> list[list[CodeMap]]:
    """Encode all pictures of a folder.

    Args:
        pictures: the folder.
        encoder: the first stage of the pictures.
        condition: what they are conditioned on; maps have as many pixels per code as pictures.
        side: s; each picture holds at least one window.
        variants: number per picture: unchanged, mirrored, then shifted by a random fraction of a code, every second one
            mirrored.
        seed: seed of the shifts.

    Returns:
        The variants of each picture.

    Raises:
        InputError: a picture is too small, or has no condition.
    """
    factor = encoder.network.factor
    for number, key in enumerate(pictures.keys):
        check_size(f"{pictures.folder}/{key}", pictures[number].shape, side * factor)
    found = []
    for number, key in enumerate(tqdm(pictures.keys, desc="encoding", unit="picture", leave=False)):
        pixels, rng, maps = pictures[number], np.random.default_rng((seed, number)), []
        size = pixels.shape[0], pixels.shape[1]
        for variant in range(variants):
            room = [min(factor - 1, length - side * factor) if variant > 1 else 0 for length in size]
            rows, cols = (
                part(int(rng.integers(max_shift + 1)), length, factor)
                for max_shift, length in zip(room, size, strict=True)
            )
            flip = bool(variant % 2)
            codes = encoder(as_tensor(pixels, flip=flip)[:, rows, cols])
            maps.append(CodeMap(codes, condition.of(key, size, rows, cols, flip=flip)))
        found.append(maps)
    return found


def part(begin: int, length: int, factor: int) -> slice:
    """Return the pixels from `begin` on, as many as make whole codes."""
    return slice(begin, begin + (length - begin) // factor * factor)


def window(found: CodeMap, top: int, left: int, side: int) -> tuple[Codes, Codes]:
    """Return the codes (s * s,) of a window, and its condition (P,)."""
    box = slice(top, top + side), slice(left, left + side)
    condition = found.condition if found.condition.ndim == 1 else found.condition[box].ravel()
    return found.codes[box].ravel(), condition


def as_window(codes: Codes, seen: Codes, condition: Codes) -> CodeWindow:
    """Return a window's codes, as they are and as the network reads them, and its condition as tensors."""
    return CodeWindow(*(torch.from_numpy(np.ascontiguousarray(x, np.int64)) for x in (codes, seen, condition)))


def tiles(maps: Sequence[CodeMap], side: int) -> list[CodeWindow]:
    """Return adjacent windows of maps, as many as each map holds; no codes are replaced."""
    windows = []
    for found in maps:
        height, width = found.codes.shape
        for top in range(0, height - side + 1, side):
            for left in range(0, width - side + 1, side):
                codes, condition = window(found, top, left, side)
                windows.append(as_window(codes, codes, condition))
    return windows


class CodeWindows(Dataset[CodeWindow]):
    """Random windows of maps of codes; a sample is a pure function of (seed, index).

    Args:
        maps: the variants of each picture.
        side: s.
        codes: number of different codes.
        keep: share of the codes that the network reads unchanged; the others are replaced by random ones.
        length: number of samples.
        seed: seed of all draws.
    """

    def __init__(
        self, maps: Sequence[Sequence[CodeMap]], *, side: int, codes: int, keep: float, length: int, seed: int
    ) -> None:
        self.maps, self.side, self.codes, self.keep = maps, side, codes, keep
        self.length, self.seed = length, seed

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> CodeWindow:
        rng = np.random.default_rng((self.seed, index))
        variants = self.maps[int(rng.integers(len(self.maps)))]
        found = variants[int(rng.integers(len(variants)))]
        top, left = (int(rng.integers(length - self.side + 1)) for length in found.codes.shape)
        codes, condition = window(found, top, left, self.side)
        replaced = rng.random(len(codes)) >= self.keep
        seen = np.where(replaced, rng.integers(self.codes, size=len(codes)), codes)
        return as_window(codes, seen, condition)
