"""Match frame crops with photo crops by VGG16 features, and weight the pairs by coverage.

Richter, AlHaija, Koltun, "Enhancing Photorealism Enhancement", 2021, sec. 3.4. With unmatched sampling the enhancer
learns the layout of the photographs (trees in the sky); with matched crops it learns their appearance.

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
# The receptive field of a relu5_3 vector of an unpadded VGG16, in pixels, and the stride between neighbouring vectors.
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
    """Return the relu5_3 features, scaled to unit length, of every crop of 196 px on a grid of 16 px.

    Without padding, cell (i, j) of the whole image's relu5_3 depends only on the 196 px square whose corner is at
    (16 i, 16 j). So one pass computes the same features as the release, which runs VGG16 crop by crop.

    Args:
        vgg: a VGG16 with padding "none"; it computes on its device.
        image: (3, H, W), sRGB in [0, 1], sides of at least 196.
        mean, std: (3,), colour statistics of the image's own domain. Each domain is whitened with its own statistics
            instead of ImageNet's, so that overall differences between domains do not affect which crops match.

    Returns:
        (h, w, 512), on the network's device.

    Raises:
        ValueError: the image is smaller than a crop, or the network pads.
    """
    if min(image.shape[-2:]) < CROP:
        raise ValueError(f"matching needs images of at least {CROP} px a side, got {tuple(image.shape[-2:])}.")
    if vgg.padding != "none":
        raise ValueError(f"matching needs a VGG16 with padding none, got {vgg.padding}.")
    image, mean, std = (x.to(vgg.mean.device) for x in (image, mean, std))
    whitened = (image - mean.view(3, 1, 1)) / std.view(3, 1, 1) * vgg.std + vgg.mean
    features = vgg(whitened[None], [LAYER])[LAYER][0].movedim(0, -1)
    return torch.nn.functional.normalize(features, dim=-1)


def moments(images: Iterable[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of the colours in a set of images (H, W, 3) uint8, each (3,), in [0, 1]."""
    total, squares, pixels = np.zeros(3), np.zeros(3), 0
    for image in images:
        values = image.reshape(-1, 3).astype(np.float64) / 255
        total, squares, pixels = total + values.sum(0), squares + np.square(values).sum(0), pixels + len(values)
    mean = total / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 1e-8))
    return torch.from_numpy(mean).float(), torch.from_numpy(std).float()


def image_moments(images: Iterable[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Return the averages over images of their mean colours and of their deviations, as released; else as `moments`.

    A set of evenly coloured images that differ from each other has a small mean deviation, but a large deviation over
    all pixels. So crops are whitened more strongly than with `moments`.
    """
    means, deviations = [], []
    for image in images:
        values = image.reshape(-1, 3).astype(np.float64) / 255
        means.append(values.mean(0))
        deviations.append(values.std(0, ddof=1))
    std = np.maximum(np.mean(deviations, 0), 1e-4)
    return torch.from_numpy(np.mean(means, 0)).float(), torch.from_numpy(std).float()


def describe_crops(
    vgg: VGG16, image: np.ndarray, mean: Tensor, std: Tensor, rng: np.random.Generator, count: int | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Describe random crops of an image.

    Args:
        vgg, mean, std: as in `describe`.
        image: (H, W, 3) uint8, sRGB.
        rng: random generator for the positions.
        count: number of crops at random positions, as released; None: all crops of a randomly shifted 16 px grid.

    Returns:
        Top and left of the crops (n, 2) int64, and their features (n, 512) float32; None if the image is smaller than
        a crop.
    """
    height, width = image.shape[:2]
    if min(height, width) < CROP:
        return None
    if count is not None:
        corners = np.stack([rng.integers(side - CROP + 1, size=count) for side in (height, width)], axis=1)
        pixels = torch.from_numpy(np.ascontiguousarray(image)).movedim(-1, 0).float() / 255
        parts = [pixels[:, top : top + CROP, left : left + CROP] for top, left in corners]
        return corners, np.concatenate([describe(vgg, part, mean, std).cpu().numpy()[0] for part in parts])
    top, left = (int(rng.integers(min(STRIDE, side - CROP + 1))) for side in (height, width))
    pixels = torch.from_numpy(np.ascontiguousarray(image[top:, left:])).movedim(-1, 0).float() / 255
    found = describe(vgg, pixels, mean, std).cpu().numpy()
    rows, cols = np.indices(found.shape[:2]).reshape(2, -1) * STRIDE
    return np.stack([rows + top, cols + left], axis=1), found.reshape(-1, found.shape[-1])


def nearest(
    frames: np.ndarray, photos: Rows, image: np.ndarray, neighbours: int, per_photo: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Find the photo crops most similar to each frame crop, a limited number per photograph; the search is exact.

    Crops around a photograph's best one show nearly the same content and would take all the places.

    Args:
        frames, photos: (N, D) and (M, D) unit vectors.
        image: (M,) the photograph of each photo crop.
        neighbours: k, photo crops per frame crop.
        per_photo: how many of them may come from one photograph; k: as in the release.

    Returns:
        Indices of photo crops (N, k) and cosines (N, k), best first; k at most the number of crops that count.
    """
    frames = np.ascontiguousarray(frames, np.float32)
    found: np.ndarray = np.zeros((len(frames), 0), np.int64)
    cosines: np.ndarray = np.zeros((len(frames), 0), np.float32)
    for number in np.unique(image):
        rows = np.flatnonzero(image == number)
        index = faiss.IndexFlatIP(photos.shape[1])
        index.add(np.ascontiguousarray(photos[rows], np.float32))
        cosine, best = index.search(frames, min(per_photo, len(rows)))
        cosines = np.concatenate([cosines, cosine], axis=1)
        found = np.concatenate([found, rows[best]], axis=1)
        # A stable sort keeps the earlier photograph if cosines are equal.
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :neighbours]
        cosines, found = (np.take_along_axis(values, order, axis=1) for values in (cosines, found))
    return found, cosines


@dataclass(frozen=True)
class CropPairs:
    """Pairs of a frame's crop and a photograph's crop that was matched to it.

    Attributes:
        frame, photo: (P,) indices into the two sets of crops.
        cosine: (P,) similarity.
        weight: (P,) relative sampling weight of the pair.
    """

    frame: np.ndarray
    photo: np.ndarray
    cosine: np.ndarray
    weight: np.ndarray


def coverage_weights(crops: Crops, crop: int, size: tuple[int, int]) -> np.ndarray:
    """Return the sampling weights (P,) of crops: max(d) / mean(d inside the crop), d the crops covering each pixel.

    Matches cluster where frames and photographs agree (roads at the bottom), so crops at rare positions weigh more.

    Args:
        crops: the P crops.
        crop: side of the crops in pixels.
        size: height and width of the frames.
    """
    height, width = size
    density = np.zeros((height + 1, width + 1))
    # Each crop adds 1 to a rectangle, written as four corners whose cumulative sum is that rectangle.
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
    """Keep neighbours above a minimum cosine, and weight them by coverage and by how often their photograph matches.

    In high dimensions a few photographs are neighbours of everything (hubs; Radovanovic et al. 2010). Without
    balancing, the enhancer would learn the appearance of those few.

    Args:
        frame_crops, photo_crops: the crops of the two sets.
        found, cosines: (N, k), as returned by `nearest`.
        min_cosine: cosine above which a pair is kept (0.5: squared distance below 1, as in the release).
        balance: weights are divided by the number of the photograph's pairs to this power. 0: as in the release; 1:
            every photograph has the same total weight, apart from coverage.
        crop: side of the crops in pixels.
        size: height and width of the frames.
    """
    row, column = np.nonzero(cosines > min_cosine)
    kept = Crops(frame_crops.image[row], frame_crops.top[row], frame_crops.left[row])
    photo = found[row, column]
    weight = coverage_weights(kept, crop, size) if len(row) else np.zeros(0)
    image = photo_crops.image[photo]
    weight = weight / np.bincount(image, minlength=1)[image] ** balance
    return CropPairs(frame=row, photo=photo, cosine=cosines[row, column], weight=weight)
