"""Names the textures of a capture by their looks.

A graphics API knows a texture's pixels, not the file they came from. A game's image files are on disk, so the 16 x 16
box averages of both tell which is which. Textures may have been linearised on upload, and some have red and blue
swapped, so each texture is compared in all four readings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from gbuffer_tools import geometry
from gbuffer_tools.io.atomic import replacing
from gbuffer_tools.io.late import LateModule

if TYPE_CHECKING:
    import cv2
else:
    cv2 = LateModule("cv2")

SIDE = 16
MAX_ERROR = 0.03
"""Mean absolute difference up to which a texture counts as found; at 512 px most are below 0.005."""
SUFFIXES = {".png", ".jpg", ".jpeg", ".ppm"}
SHARED_BIAS, FOREIGN_BIAS = 1e-4, 3e-4
"""Among equal pictures, those of the captured level win over those of no level, and these over other levels'."""

Signature = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ImageIndex:
    """Files (paths below a data folder, sorted) and their signatures (K,16,16,3)."""

    files: tuple[str, ...]
    signatures: Signature

    @cached_property
    def means(self) -> Signature:
        """(K,3) mean colours."""
        return self.signatures.mean((1, 2))


@dataclass(frozen=True)
class TextureMatch:
    """The image file that looks most like a texture, None if none is near, and how near it is."""

    file: str | None
    error: float


def signature(image: npt.NDArray[np.uint8]) -> Signature:
    """(16,16,3) box averages in [0,1] of (H,W,3) uint8."""
    # INTER_AREA is a box filter only when it shrinks; textures smaller than that are blown up first.
    height, width = image.shape[:2]
    if min(height, width) < SIDE:
        image = np.repeat(np.repeat(image, -(-SIDE // height), 0), -(-SIDE // width), 1)
    small = cv2.resize(image.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255


def readings(texture: npt.NDArray[np.uint8]) -> Signature:
    """(4,16,16,3): what a texture (H,W,3+) may have looked like in its file."""
    rgb = texture[..., :3]
    encode = np.round(geometry.linear_to_srgb(np.arange(256) / 255) * 255).astype(np.uint8)
    straight = np.stack([signature(encode[rgb]), signature(np.ascontiguousarray(rgb))])
    return np.concatenate([straight, straight[..., ::-1]])


def match(texture: Signature, index: ImageIndex, level_folder: str, level: str) -> TextureMatch:
    """The image file that looks most like one of a texture's readings.

    Args:
        texture: (R,16,16,3), its readings.
        index: the game's images.
        level_folder: the folder of the index with a folder for each level, with / between its parts; "" if images
            belong to no level.
        level: name of the captured level; its folder's files win over equal ones elsewhere.
    """
    if not index.files:
        return TextureMatch(None, 1.0)
    # The difference of the means is never above the mean of the differences: most files need no closer look.
    bound = np.stack([np.abs(index.means - reading.mean((0, 1))).mean(1) for reading in texture]).min(0)
    near = np.flatnonzero(bound < MAX_ERROR)
    if not near.size:
        return TextureMatch(None, float(bound.min()))
    errors = np.stack([np.abs(index.signatures[near] - reading).mean((1, 2, 3)) for reading in texture]).min(0)
    best = int(np.argmin(errors + [_bias(index.files[i], level_folder, level) for i in near]))
    error = float(errors[best])
    return TextureMatch(index.files[near[best]] if error < MAX_ERROR else None, error)


def _bias(file: str, level_folder: str, level: str) -> float:
    path = PurePath(file)
    if not level_folder or not path.is_relative_to(level_folder):
        return SHARED_BIAS
    return 0.0 if path.is_relative_to(PurePath(level_folder, level)) else FOREIGN_BIAS


def image_index(data: Path, folders: Sequence[str], cache: Path) -> ImageIndex:
    """Signatures of all image files of a game, from the cache if the files have not changed.

    Args:
        data: the game's data folder.
        folders: where to look, below `data`.
        cache: folder for the index; made if absent.
    """
    files = sorted(p for f in folders for p in (data / f).rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    listing = json.dumps([[str(p.relative_to(data)), p.stat().st_size] for p in files])
    key = hashlib.sha256(f"{SIDE}{listing}".encode()).hexdigest()[:16]
    stored = cache / f"images-{key}.npz"
    if stored.is_file():
        with np.load(stored, allow_pickle=False) as found:
            return ImageIndex(tuple(str(f) for f in found["files"]), found["signatures"])
    known = []
    for path in tqdm(files, desc="index of the game's images (once)", unit="image"):
        image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        if image is not None:
            known.append((str(path.relative_to(data)), signature(image)))
    index = ImageIndex(tuple(n for n, _ in known), np.array([s for _, s in known], np.float32))
    with replacing(stored) as partial, partial.open("wb") as file:
        np.savez_compressed(file, files=np.array(index.files), signatures=index.signatures)
    return index
