"""Which photograph looks like which part of a frame: crops paired by VGG16 features, weighted by coverage.

Richter, AlHaija, Koltun, "Enhancing Photorealism Enhancement", 2021, sec. 3.4. Unmatched sampling teaches the
enhancer the photographs' layout (trees in the sky); matched crops teach their look.

Shapes: N frame crops, M photo crops, D feature length, P pairs.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import faiss
import numpy as np
import torch
from torch import Tensor

from epe.matching.ivfpq import Rows
from epe.networks.backbones.vgg import VGG16

LAYER = "relu5_3"
# One relu5_3 vector of an unpadded VGG16 sees exactly this many pixels, and the next one starts a stride further.
CROP = 196
STRIDE = 16


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


@torch.inference_mode()
def describe(vgg: VGG16, image: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """relu5_3 of every crop of 196 px on a grid of 16 px, unit length.

    Without padding, cell (i, j) of the whole image's relu5_3 depends on the 196 px from (16 i, 16 j) and on nothing
    else: one pass gives what the release computes crop by crop.

    Args:
        vgg: with padding "none".
        image: (3, H, W), sRGB in [0, 1], sides of at least 196.
        mean, std: (3,) of the image's own domain. Each domain is whitened by its own colours instead of ImageNet's,
            so that what tells the domains apart as a whole does not decide which parts correspond.

    Returns:
        (h, w, 512).

    Raises:
        ValueError: the image is smaller than a crop, or the network pads.
    """
    if min(image.shape[-2:]) < CROP:
        raise ValueError(f"matching needs images of at least {CROP} px a side, got {tuple(image.shape[-2:])}.")
    if vgg.padding != "none":
        raise ValueError(f"matching needs a VGG16 with padding none, got {vgg.padding}.")
    whitened = (image - mean.view(3, 1, 1)) / std.view(3, 1, 1) * vgg.std + vgg.mean
    features = vgg(whitened[None], [LAYER])[LAYER][0].movedim(0, -1)
    return torch.nn.functional.normalize(features, dim=-1)


def moments(images: Iterable[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the colours of a set of (H, W, 3) uint8, each (3,), pixels in [0, 1]."""
    total, squares, pixels = np.zeros(3), np.zeros(3), 0
    for image in images:
        values = image.reshape(-1, 3).astype(np.float64) / 255
        total, squares, pixels = total + values.sum(0), squares + np.square(values).sum(0), pixels + len(values)
    mean = total / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 1e-8))
    return torch.from_numpy(mean).float(), torch.from_numpy(std).float()


def describe_grid(
    vgg: VGG16, image: np.ndarray, mean: Tensor, std: Tensor, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """The crops of a 16 px grid, shifted at random: top and left (n, 2) int64, features (n, 512) float32.

    Args:
        vgg, mean, std: as of `describe`.
        image: (H, W, 3) uint8, sRGB.
        rng: of the shift.

    Returns:
        None for an image that is smaller than a crop.
    """
    height, width = image.shape[:2]
    if min(height, width) < CROP:
        return None
    top, left = (int(rng.integers(min(STRIDE, side - CROP + 1))) for side in (height, width))
    pixels = torch.from_numpy(np.ascontiguousarray(image[top:, left:])).movedim(-1, 0).float() / 255
    found = describe(vgg, pixels, mean, std).numpy()
    rows, cols = np.indices(found.shape[:2]).reshape(2, -1) * STRIDE
    return np.stack([rows + top, cols + left], axis=1), found.reshape(-1, found.shape[-1])


def nearest(frames: np.ndarray, photos: Rows, image: np.ndarray, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """The photographs most similar to each frame crop, each by its best crop, exactly.

    One crop a photograph: those around the best one show nearly the same, and would take all places.

    Args:
        frames, photos: (N, D) and (M, D) unit vectors.
        image: (M,) the photograph of each photo crop.
        neighbours: k, photographs per frame crop.

    Returns:
        Indices of photo crops (N, k) and cosines (N, k), best first; k at most the number of photographs.
    """
    frames = np.ascontiguousarray(frames, np.float32)
    found: np.ndarray = np.zeros((len(frames), 0), np.int64)
    cosines: np.ndarray = np.zeros((len(frames), 0), np.float32)
    for number in np.unique(image):
        rows = np.flatnonzero(image == number)
        index = faiss.IndexFlatIP(photos.shape[1])
        index.add(np.ascontiguousarray(photos[rows], np.float32))
        cosine, best = index.search(frames, 1)
        cosines = np.concatenate([cosines, cosine], axis=1)
        found = np.concatenate([found, rows[best]], axis=1)
        # Stable, so that of equal cosines the earlier photograph stays.
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :neighbours]
        cosines, found = (np.take_along_axis(values, order, axis=1) for values in (cosines, found))
    return found, cosines


@dataclass(frozen=True)
class CropPairs:
    """Matched crops.

    Attributes:
        frame, photo: (P,) indices into the two sets of crops.
        cosine: (P,) similarity.
        weight: (P,) how often to draw the pair, relative.
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
    inside = table[bottom, right] - table[crops.top, right] - table[bottom, crops.left] + table[crops.top, crops.left]
    return density.max() * crop**2 / inside


def pair(
    frame_crops: Crops,
    photo_crops: Crops,
    found: np.ndarray,
    cosines: np.ndarray,
    *,
    min_cosine: float,
    balance: float,
    crop: int,
    size: tuple[int, int],
) -> CropPairs:
    """Keep neighbours above the least cosine, weigh them by coverage and by how sought-after the photograph is.

    In high dimensions a few photographs are the neighbours of everything (hubs; Radovanovic et al. 2010). Unchecked,
    the enhancer would learn the look of those few.

    Args:
        frame_crops, photo_crops: the crops that `found` is about.
        found, cosines: (N, k) as from `nearest`.
        min_cosine: cosine above which a pair is kept (0.5: squared distance below 1, as released).
        balance: the weight is divided by the number of the photograph's pairs to this power. 0: as released; 1:
            every photograph is drawn as often as any other.
        crop: side, pixels.
        size: height and width of the frames.
    """
    row, column = np.nonzero(cosines > min_cosine)
    kept = Crops(frame_crops.image[row], frame_crops.top[row], frame_crops.left[row])
    photo = found[row, column]
    weight = coverage_weights(kept, crop, size) if len(row) else np.zeros(0)
    image = photo_crops.image[photo]
    weight = weight / np.bincount(image, minlength=1)[image] ** balance
    return CropPairs(frame=row, photo=photo, cosine=cosines[row, column], weight=weight)
