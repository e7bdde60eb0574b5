"""Cross-entropy of pixel classes, ignoring pixels without a class."""

import torch.nn.functional as F
from torch import Tensor


def pixel_cross_entropy(scores: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean cross-entropy of all pixels that have a class, a scalar.

    Args:
        scores: (B, K, H, W), unnormalised log probabilities.
        labels: (B, H, W) int64, a class, or less than 0 for none.
        weights: (K,), weight of a pixel of each class.

    Returns:
        0 if no pixel counts.
    """
    counted = labels >= 0
    summed = F.cross_entropy(scores, labels.where(counted, -100), weights, ignore_index=-100, reduction="sum")
    return summed / (weights[labels.clamp_min(0)] * counted).sum().clamp_min(1e-12)
