"""Classes that nobody has to annotate: k-means over VGG16 features of several domains at once.

In the place of a segmentation network (Richter et al. 2021 use MSeg): what the discriminator and sKVD need of labels
is that alike things get the same id in renderings and in photographs.

Shapes: N positions, D feature length, P components.
"""

import hashlib
from dataclasses import dataclass

import faiss
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from epe.networks.backbones.vgg import VGG16

LAYERS = ("relu4_3", "relu5_3")
COMPONENTS = 48
# Positions per domain that the clustering sees; the same number of each, or the larger set would own the clusters.
POSITIONS = 20_000


@dataclass(frozen=True)
class Clusters:
    """A clustering of features.

    Attributes:
        mean: (domains, D), subtracted from a domain's features: what separates the domains as a whole.
        basis: (D, P), principal directions of what is left.
        scale: (domains, P), brings each domain's components to the spread that they have in common.
        centroids: (K, P).
    """

    mean: np.ndarray
    basis: np.ndarray
    scale: np.ndarray
    centroids: np.ndarray

    def digest(self) -> str:
        """SHA-256 over all arrays, in hex: two clusterings of one digest give the same ids."""
        whole = hashlib.sha256()
        for array in (self.mean, self.basis, self.scale, self.centroids):
            whole.update(np.ascontiguousarray(array).tobytes())
        return whole.hexdigest()

    def project(self, features: np.ndarray, domain: int) -> np.ndarray:
        """(N, D) features of a domain -> (N, P) components that are comparable between domains."""
        return ((features - self.mean[domain]) @ self.basis * self.scale[domain]).astype(np.float32)

    def assign(self, features: np.ndarray, domain: int) -> np.ndarray:
        """(N, D) features of a domain -> (N,) uint8 ids of the nearest centroids."""
        index = faiss.IndexFlatL2(self.centroids.shape[1])
        index.add(np.ascontiguousarray(self.centroids, np.float32))
        return index.search(self.project(features, domain), 1)[1][:, 0].astype(np.uint8)


@torch.inference_mode()
def pixel_features(vgg: VGG16, image: Tensor) -> Tensor:
    """relu4_3 beside relu5_3, each of unit length, at 1/8 of the resolution and averaged over 3x3 positions.

    Args:
        vgg: with padding, so that borders have features.
        image: (3, H, W), sRGB in [0, 1].

    Returns:
        (H / 8, W / 8, 1024), rounded down.
    """
    found = vgg(image[None], LAYERS)
    fine = found["relu4_3"]
    coarse = F.interpolate(found["relu5_3"], size=fine.shape[-2:], mode="bilinear", align_corners=False)
    both = torch.cat([F.normalize(fine, dim=1), F.normalize(coarse, dim=1)], dim=1)
    both = F.avg_pool2d(F.pad(both, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return both[0].movedim(0, -1)


def fit(domains: list[np.ndarray], count: int, seed: int) -> Clusters:
    """Cluster the features of several domains jointly.

    Args:
        domains: (N_i, D) features each.
        count: K.
        seed: of the subset of positions and of k-means.

    Raises:
        ValueError: a domain with fewer positions than clusters.
    """
    if min(len(features) for features in domains) < count:
        raise ValueError(f"{count} clusters need at least as many positions in each domain.")
    rng = np.random.default_rng(seed)
    size = min(POSITIONS, *(len(features) for features in domains))
    subsets = [features[rng.choice(len(features), size, replace=False)].astype(np.float64) for features in domains]
    mean = np.stack([subset.mean(0) for subset in subsets])
    centred = [subset - m for subset, m in zip(subsets, mean, strict=True)]
    covariance = sum(c.T @ c for c in centred) / (size * len(centred))
    values, vectors = np.linalg.eigh(covariance)
    kept = min(COMPONENTS, len(values))
    basis = vectors[:, ::-1][:, :kept]
    common = np.sqrt(np.maximum(values[::-1][:kept], 1e-12))
    scale = np.stack([common / (c @ basis).std(0).clip(1e-6) for c in centred])
    draft = Clusters(mean, basis, scale, np.zeros((count, kept), np.float32))
    points = np.concatenate([draft.project(subset, i) for i, subset in enumerate(subsets)])
    # By default faiss would train on no more than 256 points a centroid.
    kmeans = faiss.Kmeans(kept, count, niter=40, nredo=3, seed=seed + 1, max_points_per_centroid=len(points))
    kmeans.train(np.ascontiguousarray(points))
    return Clusters(mean, basis, scale, np.array(kmeans.centroids))
