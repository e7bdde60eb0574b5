"""The procedure behind the published rows of sKVD and cKVD: FeaMGAN's evaluation, step by step.

Stuhr et al., "Masked Discriminators for Content-Consistent Unpaired Image-to-Image Translation", 2023
(https://arxiv.org/abs/2309.13188), and its repository BonifazStuhr/feamgan, commit 35e65aa: `eval/kvdEval.py` with
`Metrics/SkvdMetric.py`, `CkvdMetric.py`, `KidMetric.py`. `eval.kvd.protocols` puts these functions together.

1. Frames and photographs are resized to 526 rows with cubic interpolation and cropped to the middle 957 columns (935 if
   the frames have no more, as their 16:9 ones). Their loader is DALI 1.7: 4 x 4 pixels of Keys' kernel with a = -1/2,
   without the antialiasing filter that DALI has had since 1.13. Label maps are resized by nearest neighbour.
2. One crop per picture, of an eighth of the area. One generator with seed 42 draws the row and column of its centre,
   first for a frame, then for the photograph beside it (their script only takes batches of 1; larger ones would draw in
   another order). There are as many steps as frames: surplus photographs are left out; if there are too few, they start
   again.
3. A crop is described by its labels, resized to 16 x 16 by nearest neighbour.
4. Each photograph's crop takes the first of the most similar frame crops, if more than half of the cells agree. In the
   metric's own code, rendered crops choose among real ones, but the script behind the published rows passes it the
   frames as the real side and the photographs as the fake one.
5. relu5_3 of torchvision's VGG16, neither pooled nor scaled; the unbiased MMD² over all pairs. A crop that serves twice
   counts as two samples, and pairs of crops from one picture are not left out. The published numbers are assumed to be
   1000 times this: their code has no factor.
6. cKVD: for each of nine groups of MSeg labels, the crops that it covers by more than 5 % are matched anew among
   themselves by their whole description. Everything else becomes 0 in [-1, 1], mid grey. "rest" is what belongs to no
   group, in all crops, however little it is. The mean is over all of these.

Remaining differences:
- Sums are float32 there, float64 here. DALI looks up the kernel weights in a table and computes in float32: compared
  with DALI 2.4 with `antialias=False`, noise of 1024 x 2048 differed by one level in 3 % of the values, and labels in
  one row. JPEGs are decoded by another library.
- Photographs that are too narrow abort their run; here they are dropped and counted.
- A group that only photographs have, or that has no pair, aborts their run. So does one with one or two pairs: they
  also compute the estimate's variance, which divides by (m - 1) (m - 2) for m pairs, but do not use it. Here groups
  with no pair, or with a single one, for which no estimate exists, are left out; one with two pairs has its estimate.
- Some of their rows used only every 2nd, 4th or 8th step (`--every_x_steps`): pick those frames and photographs from
  the folders first.
- Files are ordered by key here, by folder and name there: the same unless names contain odd characters.
- Intervals, differences between methods, and KVD are ours.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from epe.networks.backbones.resize import keys_cubic
from eval.inputs import generator_for
from eval.kvd.alignment import ABOVE, GRID, Crop, CropMatch, labels_at
from eval.kvd.crops import DrawnCrops, Pixels, Size, Sizes

HEIGHT, WIDTH = 526, 957
SEED = 42

CropPositions = NDArray[np.float64]
Has = NDArray[np.bool_]
PairIndices = tuple[NDArray[np.int64], NDArray[np.int64]]


def judged_size(own: Size) -> Size:
    """The height and width at which a frame of a given file size is judged."""
    return HEIGHT, min(WIDTH, _scaled_width(own, HEIGHT))


def fit(picture: Pixels, size: Size) -> Pixels:
    """A picture (H, W, 3) uint8 resized to the height of `size` and cropped to the middle `size` of it.

    A narrower one keeps its width.
    """
    own = (picture.shape[0], picture.shape[1])
    rows, columns = _sources(own, own, size)
    tall = _cubic(picture.astype(np.float64), rows)
    found = _cubic(tall.swapaxes(0, 1), columns).swapaxes(0, 1)
    return np.ascontiguousarray(np.rint(found).clip(0, 255).astype(np.uint8))


def fit_label(label: Pixels, own: Size, size: Size) -> Pixels:
    """A label map (h, w) of a file of `own` size, resized by nearest neighbour and cropped like its picture."""
    rows, columns = _sources((label.shape[0], label.shape[1]), own, size)
    return label[np.ix_(_nearest(rows, label.shape[0]), _nearest(columns, label.shape[1]))]


def draw(frames: Sizes, photos: Sizes, side: int, seed: int) -> tuple[list[Crop], list[Crop]]:
    """A crop of each frame and, beside it, a crop of the next photograph, all drawn by one generator.

    Args:
        frames, photos: sizes as judged, by key, in key order.
        side: a crop's side.
        seed: the generator's seed.
    """
    rng, half = np.random.default_rng(seed), side // 2
    keys = sorted(photos)

    def drawn(key: str, size: Size, step: int) -> Crop:
        row = int(rng.integers(half, size[0] - half))
        column = int(rng.integers(half, size[1] - half))
        # Here the ticket only decides which pairs a report shows.
        return Crop(key, row - half, column - half, int(generator_for(f"{step} {key}", seed).integers(2**63)))

    fake, real = [], []
    for step, key in enumerate(sorted(frames)):
        fake.append(drawn(key, frames[key], step))
        beside = keys[step % len(keys)]
        real.append(drawn(beside, photos[beside], step))
    return fake, real


def describe(labels: Pixels, crop: Crop, side: int, size: Size) -> Pixels:
    """(256,) labels of a crop, as torch's "nearest" picks them: at floor(i * side / 16)."""
    return labels_at(labels, crop, np.floor(np.arange(GRID) * side / GRID) + 0.5, size).reshape(-1)


def match(fake: DrawnCrops, real: DrawnCrops) -> list[CropMatch]:
    """The first of the most similar rendered crops for each real crop, in the order of the real crops."""
    return _first_nearest(fake.cells, real.cells)


def match_class(fake: Pixels, real: Pixels, fake_has: Has, real_has: Has, pairs: PairIndices) -> PairIndices:
    """Partners as in `match`, but only among the crops that have a class; sKVD's pairs do not matter.

    Args:
        fake, real: (N, 256) and (M, 256) descriptions of crops.
        fake_has, real_has: (N,) and (M,) which of them have the class.
        pairs: sKVD's pairs, by rendered and by real crop.
    """
    rows, columns = np.flatnonzero(fake_has), np.flatnonzero(real_has)
    found = _first_nearest(fake[rows], real[columns]) if len(rows) else []
    fake_chosen = np.array([match.fake for match in found], dtype=np.int64)
    real_chosen = np.array([match.real for match in found], dtype=np.int64)
    return rows[fake_chosen], columns[real_chosen]


def _first_nearest(fake: Pixels, real: Pixels) -> list[CropMatch]:
    matches = []
    for index, cells in enumerate(real):
        similarity = (fake == cells).mean(axis=1)
        first = int(similarity.argmax())
        if similarity[first] > ABOVE:
            matches.append(CropMatch(first, index, float(similarity[first])))
    return matches


def _scaled_width(own: Size, height: int) -> int:
    """The width in pixels of a picture scaled to a height; halves are rounded up."""
    return max(1, int(own[1] * height / own[0] + 0.5))


def _sources(source: Size, own: Size, size: Size) -> tuple[CropPositions, CropPositions]:
    """Where the row and column centres of a judged picture lie, in pixels of `source`: both share one centre.

    Args:
        source: size of the picture, or of its label map.
        own: size of the picture.
        size: judged size of frames; the columns are the middle ones, where one half is rounded up.
    """
    width, scale = _scaled_width(own, size[0]), source[0] / size[0]
    left = max(0, (width - size[1] + 1) // 2)
    columns = np.arange(left + 0.5, min(width, left + size[1]))
    rows = (np.arange(0.5, size[0]) - size[0] / 2) * scale + source[0] / 2
    return rows, (columns - width / 2) * scale + source[1] / 2


def _nearest(positions: CropPositions, source: int) -> NDArray[np.int64]:
    return np.floor(positions).astype(np.int64).clip(0, source - 1)


def _cubic(picture: NDArray[np.float64], positions: CropPositions) -> NDArray[np.float64]:
    """Rows of a picture (H, W, 3) interpolated at positions (K,): (K, W, 3). The border is repeated."""
    first = np.floor(positions - 0.5).astype(np.int64) - 1
    total = np.zeros((len(positions), *picture.shape[1:]))
    for tap in range(4):
        weight = keys_cubic(torch.from_numpy(np.abs(positions - 0.5 - (first + tap)))).numpy()
        total += weight[:, None, None] * picture[(first + tap).clip(0, len(picture) - 1)]
    return total
