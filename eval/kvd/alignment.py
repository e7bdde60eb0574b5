"""sKVD's alignment: crops, and which real crop is compared with which rendered one, by label layout.

Richter et al., "Enhancing Photorealism Enhancement", 2021 (https://arxiv.org/abs/2105.04619): a metric that
compares whole sets rewards the layout of the target's scenes, so only crops whose label maps agree are compared.
Crops are squares of an eighth of the frame's area; a crop is described by its labels on a grid of 16 x 16
cells; the similarity of two crops is the fraction of equal cells.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.inputs import generator_for

GRID = 16
AREA = 1 / 8
ABOVE = 0.5
"""A pair is kept if its similarity is greater than this."""


@dataclass(frozen=True)
class Crop:
    """A square region of an image, in pixels of that image as it is judged (photographs: after resizing).

    Attributes:
        key: name of the image.
        top: first row.
        left: first column.
        ticket: random number that decides between equally similar crops.
    """

    key: str
    top: int
    left: int
    ticket: int


@dataclass(frozen=True)
class CropMatch:
    """The nearest real crop of one rendered crop.

    Attributes:
        fake: index of the rendered crop.
        real: index of the real crop.
        similarity: fraction of equal cells, in (0, 1].
    """

    fake: int
    real: int
    similarity: float


def crop_side(height: int, width: int) -> int:
    """Side of a square crop of an eighth of the area, rounded down to an even number of pixels."""
    return math.isqrt(int(height * width * AREA)) // 2 * 2


def draw_crops(key: str, height: int, width: int, *, side: int, count: int, seed: int) -> list[Crop]:
    """Crops at uniformly random positions in one image.

    The same key and seed give the same crops, whatever other files there are.

    Raises:
        ValueError: the image is smaller than a crop.
    """
    if min(height, width) < side:
        raise ValueError(f"{key}: got {width}x{height} pixels, wanted at least {side}x{side}")
    rng = generator_for(key, seed)
    crops = []
    for _ in range(count):
        # Drawn crop by crop: asking for more crops leaves the first ones where they were.
        top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        crops.append(Crop(key, top, left, int(rng.integers(2**63))))
    return crops


def describe(labels: NDArray[np.uint8], crop: Crop, side: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Labels of a crop at the centres of its 16 x 16 cells.

    Args:
        labels: (h, w) label map of the whole image; any size, the image's aspect.
        crop: region in pixels of the image.
        side: the crop's side in pixels of the image.
        size: height and width of the image.

    Returns:
        (256,) labels, row by row.
    """
    return labels_at(labels, crop, (np.arange(GRID) + 0.5) * side / GRID, size).reshape(-1)


def labels_at(
    labels: NDArray[np.uint8], crop: Crop, offsets: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Labels of a crop on a square lattice.

    Args:
        labels: (h, w) label map of the whole image, as in `describe`.
        crop: region in pixels of the image.
        offsets: (K,) rows and columns of the lattice, in pixels from the crop's corner; pixel centres are at 0.5, ...
        size: height and width of the image.

    Returns:
        (K, K) labels.
    """
    rows = ((crop.top + offsets) * labels.shape[0] / size[0]).astype(np.int64)
    columns = ((crop.left + offsets) * labels.shape[1] / size[1]).astype(np.int64)
    return labels[np.ix_(rows, columns)]


def match(
    fake: NDArray[np.uint8],
    real: NDArray[np.uint8],
    *,
    fake_tickets: Sequence[int],
    real_tickets: Sequence[int],
    above: float = ABOVE,
) -> list[CropMatch]:
    """The nearest real crop for every rendered crop, if it is near enough. Real crops may serve several times.

    Plain crops (all road, all sky) are equally near to many real ones. The first in the list would then serve them all,
    and its photograph would weigh too much; tickets spread them and do not depend on file order.

    Args:
        fake: (N, 256) descriptors of rendered crops.
        real: (M, 256) descriptors of real crops.
        fake_tickets: N random numbers.
        real_tickets: M random numbers.
        above: a pair is kept if its similarity is greater than this.

    Returns:
        One entry for each rendered crop that found a partner, in the order of `fake`.
    """
    tickets = np.array(real_tickets, dtype=np.uint64)
    matches = []
    for index, cells in enumerate(fake):
        equal = (real == cells).sum(axis=1)
        best = int(equal.max())
        if best <= above * cells.size:
            continue
        tied = np.flatnonzero(equal == best)
        chosen = tied[np.argmin(tickets[tied] ^ np.uint64(fake_tickets[index]))]
        matches.append(CropMatch(index, int(chosen), best / cells.size))
    return matches
