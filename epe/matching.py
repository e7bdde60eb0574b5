"""Which photograph looks like which part of a frame: crops paired by VGG16 features, weighted by coverage.

Richter, AlHaija, Koltun, "Enhancing Photorealism Enhancement", 2021, sec. 3.4. Unmatched sampling teaches the
enhancer the photographs' layout (trees in the sky); matched crops teach their look.

Shapes: N frame crops, M photo crops, D feature length, P pairs.
"""

from dataclasses import dataclass

import faiss
import numpy as np
import torch
from torch import Tensor

from epe.networks.vgg import VGG16

LAYER = "relu5_3"
# One relu5_3 vector of an unpadded VGG16 sees exactly this many pixels.
CROP = 196


@dataclass(frozen=True)
class Crops:
    """Square crops of a set of images.

    Attributes:
        image: (N,) int64, index of the image.
        top, left: (N,) int64, pixels.
    """

    image: np.ndarray
    top: np.ndarray
    left: np.ndarray

    def __len__(self) -> int:
        return len(self.image)


def random_crops(sizes: list[tuple[int, int]], per_image: int, crop: int, rng: np.random.Generator) -> Crops:
    """Draw `per_image` crops uniformly in every image of at least `crop` pixels a side; smaller images get none."""
    rows = [
        (index, rng.integers(height - crop + 1), rng.integers(width - crop + 1))
        for index, (height, width) in enumerate(sizes)
        if min(height, width) >= crop
        for _ in range(per_image)
    ]
    table = np.array(rows, np.int64).reshape(-1, 3)
    return Crops(table[:, 0], table[:, 1], table[:, 2])


@torch.inference_mode()
def describe(vgg: VGG16, crops: Tensor) -> Tensor:
    """One vector per crop: relu5_3 of an unpadded VGG16, averaged over the map (1x1 for 196 px).

    Args:
        vgg: with padding "none".
        crops: (B, 3, c, c), c >= 196, sRGB in [0, 1].

    Returns:
        (B, 512).

    Raises:
        ValueError: crops too small for an unpadded network.
    """
    if crops.shape[-1] < CROP:
        raise ValueError(f"matching crops are at least {CROP} px, got {crops.shape[-1]}.")
    return vgg(crops, [LAYER])[LAYER].mean(dim=(2, 3))


def whiten(features: np.ndarray) -> np.ndarray:
    """Centre and scale each feature over its own domain, then scale each vector to length 1; (N, D) float32.

    The release whitens the images of each domain by their own statistics for the same purpose: what tells the
    domains apart as a whole (colour, contrast) is not to decide which parts of them correspond.
    """
    features = features.astype(np.float32)
    features = (features - features.mean(0)) / (features.std(0) + 1e-6)
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def nearest(frames: np.ndarray, photos: np.ndarray, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """The photo crops most similar to each frame crop, exactly.

    Args:
        frames, photos: (N, D) and (M, D) unit vectors.

    Returns:
        Indices (N, k) and cosines (N, k), best first; k = min(neighbours, M).
    """
    index = faiss.IndexFlatIP(photos.shape[1])
    index.add(np.ascontiguousarray(photos, np.float32))
    cosines, found = index.search(np.ascontiguousarray(frames, np.float32), min(neighbours, len(photos)))
    return found, cosines


@dataclass(frozen=True)
class Pairs:
    """Matched crops.

    Attributes:
        frame, photo: (P,) indices into the two sets of crops.
        cosine: (P,) similarity.
        weight: (P,) how often to draw the pair, relative; at least 1.
    """

    frame: np.ndarray
    photo: np.ndarray
    cosine: np.ndarray
    weight: np.ndarray


def coverage_weights(crops: Crops, crop: int, size: tuple[int, int]) -> np.ndarray:
    """max(d) / mean(d inside the crop), d the number of crops over each pixel position of the frame; (P,).

    Matches cluster where frames and photographs agree (the road below); rare positions weigh more.
    """
    height, width = size
    density = np.zeros((height + 1, width + 1))
    # Each crop adds 1 to a rectangle; written as four corners of the summed-area table's derivative.
    bottom, right = crops.top + crop, crops.left + crop
    np.add.at(density, (crops.top, crops.left), 1)
    np.add.at(density, (bottom, right), 1)
    np.add.at(density, (crops.top, right), -1)
    np.add.at(density, (bottom, crops.left), -1)
    density = density.cumsum(0).cumsum(1)[:height, :width]
    table = np.pad(density.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = (
        table[bottom, right]
        - table[crops.top, right]
        - table[bottom, crops.left]
        + table[crops.top, crops.left]
    )
    return density.max() * crop**2 / inside


def pair(
    frame_crops: Crops,
    found: np.ndarray,
    cosines: np.ndarray,
    *,
    least: float,
    crop: int,
    size: tuple[int, int],
) -> Pairs:
    """Keep neighbours above the least cosine and weigh them by coverage.

    Args:
        frame_crops: the N crops that were searched for.
        found, cosines: (N, k) as from `nearest`.
        least: cosine above which a pair is kept (0.5: squared distance below 1, as released).
        crop: side, pixels.
        size: height and width of the frames.
    """
    row, column = np.nonzero(cosines > least)
    kept = Crops(frame_crops.image[row], frame_crops.top[row], frame_crops.left[row])
    weight = coverage_weights(kept, crop, size) if len(row) else np.zeros(0)
    return Pairs(frame=row, photo=found[row, column], cosine=cosines[row, column], weight=weight)
