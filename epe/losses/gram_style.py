"""Style distance: the difference between the Gram matrices of features, which ignore where features are in the image.

Gatys et al., "Image Style Transfer Using Convolutional Neural Networks", 2016. Their distance grows with the fourth
power of the features, which differ a thousandfold between layers and between bright and dark images. Here the distance
of every layer is normalised to lie between 0 and 1.
"""

from collections.abc import Mapping

import torch
from torch import Tensor


def gram_matrix(x: Tensor) -> Tensor:
    """Return the Gram matrices (B, C, C) of features (B, C, H, W): mean products over positions."""
    flat = x.flatten(2)
    return flat @ flat.mT / flat.shape[-1]


def style_distance(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Tensor:
    """Return the style distance of each pair of images.

    Args:
        a, b: features (B, C, H, W) by layer of the two images, of any sizes. The layers of `b` are used.

    Returns:
        (B,): squared differences of the Gram matrices divided by the sum of their squares, summed over layers. Scalar
        products of Gram matrices are not negative, so a layer adds at most 1.
    """
    per_layer = []
    for name in b:
        mine, theirs = gram_matrix(a[name]), gram_matrix(b[name])
        both = (mine.square() + theirs.square()).sum(dim=(1, 2))
        per_layer.append((mine - theirs).square().sum(dim=(1, 2)) / both.clamp(min=1e-6))
    return torch.stack(per_layer).sum(dim=0)
