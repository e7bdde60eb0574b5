"""Nearest neighbours among more crops than fit in memory, by inverted lists of product-quantised features.

Jegou, Douze, Schmid, "Product Quantization for Nearest Neighbor Search", 2011, with FAISS. A crop takes 64 bytes
instead of 2,048. Candidates found by the codes are compared again exactly, so cosines are exact, and only the selection
of candidates is approximate.

Shapes: N frame crops, M photo crops, D feature length.
"""

from typing import Protocol

import faiss
import numpy as np

# Features per 8-bit code.
PER_CODE = 8
# FAISS wants 39 examples for each of a code's 256 values, and for each list centre.
EXAMPLES = 39
MIN_CROPS = EXAMPLES * 256
# Candidate crops per wanted photograph, at first and at most. Several are needed, because neighbouring crops of one
# photograph are similar, and only one of them is kept.
CANDIDATES, MAX_CANDIDATES = 20, 320
# Fraction of the lists that are searched.
PROBED = 1 / 16
ROWS = 65_536
# Number of features that are compared at once.
BLOCK = 16_384


class Rows(Protocol):
    """Features (M, D), in memory or in files."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray: ...


class PhotoIndex:
    """A search index over the crops of all photographs.

    Args:
        photos: (M, D) unit vectors, D a multiple of 8; read in pieces.
        image: (M,) the photograph of each crop.
        seed: seed for the choice of training examples.

    Raises:
        ValueError: there are too few crops to learn codes from, or D is not a multiple of 8.
    """

    def __init__(self, photos: Rows, image: np.ndarray, seed: int = 0) -> None:
        count, length = photos.shape
        if count < MIN_CROPS or length % PER_CODE:
            raise ValueError(f"wanted {MIN_CROPS:,} crops or more, of a multiple of {PER_CODE} features, got {count:,}")
        self.photos, self.image = photos, image
        self._photographs = len(np.unique(image))
        lists = max(1, min(int(4 * count**0.5), count // EXAMPLES))
        self._lists = faiss.IndexFlatIP(length)
        self._index = faiss.IndexIVFPQ(self._lists, length, lists, length // PER_CODE, 8, faiss.METRIC_INNER_PRODUCT)
        self._index.cp.seed = self._index.pq.cp.seed = seed + 1
        examples = np.random.default_rng(seed).permutation(count)[: max(ROWS, 2 * EXAMPLES * lists)]
        self._index.train(self._read(np.sort(examples)))
        for start in range(0, count, ROWS):
            self._index.add(self._read(np.arange(start, min(start + ROWS, count))))
        self._index.nprobe = max(8, round(lists * PROBED))

    def _read(self, rows: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(self.photos[rows], np.float32)

    def nearest(self, frames: np.ndarray, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the photographs most similar to each frame crop: an approximation of `epe.matching.matching.nearest`.

        Args:
            frames: (N, D) unit vectors.
            neighbours: k, photographs per frame crop.

        Returns:
            Indices of photo crops (N, k) and exact cosines (N, k), best first, k at most the number of photographs. If
            fewer were found, the remaining cosines are -inf.
        """
        neighbours = min(neighbours, self._photographs)
        wanted, limit = (min(neighbours * n, len(self.image)) for n in (CANDIDATES, MAX_CANDIDATES))
        found, cosines = self._in_blocks(frames, wanted, neighbours)
        # If a few photographs take all the places, search again with more candidates.
        while wanted < limit and (short := ~np.isfinite(cosines).all(axis=1)).any():
            wanted = min(4 * wanted, limit)
            found[short], cosines[short] = self._in_blocks(frames[short], wanted, neighbours)
        return found, cosines

    def _in_blocks(self, frames: np.ndarray, wanted: int, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
        block = max(1, BLOCK // wanted)
        parts = [self._nearest(frames[i : i + block], wanted, neighbours) for i in range(0, len(frames), block)]
        found, cosines = (np.concatenate(values) for values in zip(*parts, strict=True))
        return found, cosines

    def _nearest(self, frames: np.ndarray, wanted: int, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
        frames = np.ascontiguousarray(frames, np.float32)
        _, rows = self._index.search(frames, wanted)
        distinct, inverse = np.unique(rows, return_inverse=True)
        features = self._read(np.maximum(distinct, 0))[inverse.reshape(rows.shape)]
        cosines = np.where(rows < 0, -np.inf, np.einsum("nd,nkd->nk", frames, features))
        rows = np.maximum(rows, 0)
        # Sort with the best first, then keep only the first crop of each photograph.
        order = np.argsort(-cosines, axis=1, kind="stable")
        rows, cosines = (np.take_along_axis(values, order, axis=1) for values in (rows, cosines))
        by_image = np.argsort(self.image[rows], axis=1, kind="stable")
        images = np.take_along_axis(self.image[rows], by_image, axis=1)
        again = np.zeros(rows.shape, bool)
        np.put_along_axis(again, by_image[:, 1:], images[:, 1:] == images[:, :-1], axis=1)
        cosines = np.where(again, -np.inf, cosines)
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :neighbours]
        return np.take_along_axis(rows, order, axis=1), np.take_along_axis(cosines, order, axis=1)


def recall(found: np.ndarray, exact: np.ndarray) -> float:
    """Return the fraction of the exact nearest photographs (N, k) that are among the found ones (N, k)."""
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, exact, strict=True)]))
