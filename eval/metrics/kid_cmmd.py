"""KID and CMMD: MMD² between two large sets of feature vectors, in bounded memory.

`eval.metrics.mmd` starts from all inner products, which suits a few hundred samples of a million dimensions. These
functions are for the opposite case: 100,000 samples of a few hundred dimensions, whose table of kernel values would
take 80 GB. They compute it block by block, and keep only the sums.

Shapes: N samples x, M samples y, D dimensions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from eval.no_value import NoValueError

BLOCK = 1024
"""Samples per side of a block, whose 8 MiB of float64 stay in the cache."""
Kernel = Callable[[Tensor, Tensor], Tensor]
"""Features (n, D) and (m, D) float64 -> kernel values (n, m)."""


def kid_kernel(x: Tensor, y: Tensor) -> Tensor:
    """KID's kernel (x·y / D + 1)³; Binkowski et al., "Demystifying MMD GANs", ICLR 2018, sec. 4."""
    base = (x @ y.T).div_(x.shape[1]).add_(1)
    return base.square().mul_(base)


@dataclass(frozen=True)
class GaussianKernel:
    """CMMD's kernel, exp(-|x - y|² / 2σ²).

    Attributes:
        sigma: σ; 10 in CMMD.
    """

    sigma: float = 10.0

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        apart = (x @ y.T).mul_(-2).add_(x.square().sum(1)[:, None]).add_(y.square().sum(1))
        return apart.clamp_(min=0).mul_(-0.5 / self.sigma**2).exp_()


def total(x: Tensor, y: Tensor, kernel: Kernel) -> float:
    """Sum of the kernel over all pairs of (N, D) and (M, D)."""
    found = 0.0
    for rows in x.split(BLOCK):
        for columns in y.split(BLOCK):
            found += float(kernel(rows.double(), columns.double()).sum())
    return found


def total_within(x: Tensor, kernel: Kernel) -> tuple[float, float]:
    """Sum of the kernel over all ordered pairs of two different samples of (N, D), and over each sample with itself."""
    apart, same = 0.0, 0.0
    blocks = x.split(BLOCK)
    for i, rows in enumerate(blocks):
        own = kernel(rows.double(), rows.double())
        diagonal = float(own.diagonal().sum())
        same += diagonal
        apart += float(own.sum()) - diagonal
        apart += 2 * sum(float(kernel(rows.double(), columns.double()).sum()) for columns in blocks[i + 1 :])
    return apart, same


@torch.no_grad()
def mmd2_in_blocks(x: Tensor, y: Tensor, kernel: Kernel, *, unbiased: bool) -> float:
    """MMD² of two sets (Gretton et al., "A Kernel Two-Sample Test", JMLR 2012), summed block by block.

    Args:
        x, y: (N, D), (M, D) floats, on one device.
        kernel: applied to all pairs.
        unbiased: whether to leave out a sample's pair with itself (their lemma 6) or to count it (eq. 5).

    Raises:
        ValueError: other shapes.
        NoValueError: fewer than two samples.
    """
    problem = f"wanted (N, D) and (M, D) with N and M above 1, got {tuple(x.shape)} and {tuple(y.shape)}."
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(problem)
    if min(len(x), len(y)) < 2:
        raise NoValueError(problem)
    means = []
    for one in (x, y):
        apart, same = total_within(one, kernel)
        n = len(one)
        means.append(apart / (n * (n - 1)) if unbiased else (apart + same) / n**2)
    return means[0] + means[1] - 2 * total(x, y, kernel) / (len(x) * len(y))


@dataclass(frozen=True)
class KID:
    """KID over random subsets: the mean of their distances, and the standard deviation (not an error of the mean)."""

    mean: float
    deviation: float


def kid(x: Tensor, y: Tensor, *, subsets: int = 100, size: int = 1000, seed: int = 2020) -> KID:
    """KID as it is reported: unbiased MMD² of random subsets under the cubic kernel.

    Subsets are drawn as torch-fidelity draws them.

    Args:
        x, y: (N, D), (M, D).
        subsets: how many.
        size: samples per side in a subset.
        seed: seed for the draws.

    Raises:
        ValueError: fewer samples than a subset takes.
    """
    if min(len(x), len(y)) < size:
        raise ValueError(f"subsets of {size} cannot be drawn from {len(x)} and {len(y)} samples; take smaller ones.")
    rng = np.random.RandomState(seed)
    values = []
    for _ in range(subsets):
        ours, theirs = (one[torch.from_numpy(rng.choice(len(one), size, replace=False))] for one in (x, y))
        values.append(mmd2_in_blocks(ours, theirs, kid_kernel, unbiased=True))
    return KID(float(np.mean(values)), float(np.std(values)))


def cmmd(x: Tensor, y: Tensor) -> float:
    """1000 times the biased MMD² under a Gaussian kernel of σ = 10, as the authors of CMMD report it.

    Jayasumana et al., "Rethinking FID: Towards a Better Evaluation Metric for Image Generation", CVPR 2024, sec. 4: of
    CLIP embeddings of unit length. Of other features it is another measure, and must be named so.
    """
    return 1000 * mmd2_in_blocks(x, y, GaussianKernel(), unbiased=False)
