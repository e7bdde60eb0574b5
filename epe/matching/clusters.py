"""Robust labels without annotation: k-means over VGG16 features of several domains at once.

This replaces a segmentation network (Richter et al. 2021 use MSeg). The discriminator and sKVD only need similar
content to have the same id in renderings and in photographs.

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
# Positions used for clustering, at most. All domains give the same number, or the largest would dominate the clusters.
POSITIONS = 20_000
MAX_SEED = 2**31 - 2
"""Faiss receives the seed plus 1, as a 32-bit integer."""


@dataclass(frozen=True)
class Clusters:
    """A clustering of features.

    Attributes:
        mean: (domains, D), mean features of each domain, which separate the domains as a whole; they are subtracted.
        basis: (D, P), principal directions of the centred features.
        scale: (domains, P), factors that bring each domain's components to their common spread.
        centroids: (K, P), centres of the clusters.
    """

    mean: np.ndarray
    basis: np.ndarray
    scale: np.ndarray
    centroids: np.ndarray

    def digest(self) -> str:
        """Return the SHA-256 over all arrays, in hex: clusterings with the same digest give the same ids."""
        whole = hashlib.sha256()
        for array in (self.mean, self.basis, self.scale, self.centroids):
            whole.update(np.ascontiguousarray(array).tobytes())
        return whole.hexdigest()

    def project(self, features: np.ndarray, domain: int) -> np.ndarray:
        """Project features (N, D) of a domain to components (N, P) that are comparable between domains."""
        return ((features - self.mean[domain]) @ self.basis * self.scale[domain]).astype(np.float32)

    def assign(self, features: np.ndarray, domain: int) -> np.ndarray:
        """Return the ids (N,) uint8 of the centroids nearest to features (N, D) of a domain."""
        index = faiss.IndexFlatL2(self.centroids.shape[1])
        index.add(np.ascontiguousarray(self.centroids, np.float32))
        return index.search(self.project(features, domain), 1)[1][:, 0].astype(np.uint8)


@torch.inference_mode()
def pixel_features(vgg: VGG16, image: Tensor) -> Tensor:
    """Return relu4_3 and relu5_3, concatenated, each of unit length, at 1/8 of the resolution, averaged over 3x3.

    Args:
        vgg: a VGG16 with padding, so that borders have features; it computes on its device.
        image: (3, H, W), sRGB in [0, 1].

    Returns:
        (H / 8, W / 8, 1024), rounded down, on the network's device.
    """
    found = vgg(image[None].to(vgg.mean.device), LAYERS)
    fine = found["relu4_3"]
    coarse = F.interpolate(found["relu5_3"], size=fine.shape[-2:], mode="bilinear", align_corners=False)
    both = torch.cat([F.normalize(fine, dim=1), F.normalize(coarse, dim=1)], dim=1)
    both = F.avg_pool2d(F.pad(both, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return both[0].movedim(0, -1)


def fit(domains: list[np.ndarray], count: int, seed: int) -> Clusters:
    """Cluster the features of several domains jointly.

    Args:
        domains: features of each domain, (N_i, D).
        count: K, the number of clusters.
        seed: seed for the subset of positions and for k-means.

    Raises:
        ValueError: a domain has fewer positions than clusters.
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
    # By default faiss would train on at most 256 points per centroid.
    kmeans = faiss.Kmeans(kept, count, niter=40, nredo=3, seed=seed + 1, max_points_per_centroid=len(points))
    kmeans.train(np.ascontiguousarray(points))
    return Clusters(mean, basis, scale, np.array(kmeans.centroids))
