"""Feature matching: the distance between two images in the features of a network, trained or frozen.

Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs", 2018, sec. 3.2 (features
of critics); Johnson, Alahi, Fei-Fei, "Perceptual Losses for Real-Time Style Transfer", 2016 (features of VGG).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

VGG_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
VGG_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
"""Weights of `VGG_LAYERS`, from the release of SPADE."""


def feature_distance(fake: Sequence[Tensor], photo: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Return the weighted sum over layers of mean absolute differences, a scalar.

    Args:
        fake, photo: features per layer, of any shape; no gradient flows to `photo`.
        weights: one weight per layer.
    """
    terms = zip(fake, photo, weights, strict=True)
    return torch.stack([weight * F.l1_loss(a, b.detach()) for a, b, weight in terms]).sum()
