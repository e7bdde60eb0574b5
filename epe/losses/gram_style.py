"""Style distance: how differently features go together, wherever in the picture they are.

Gatys et al., "Image Style Transfer Using Convolutional Neural Networks", 2016. Theirs grows with the fourth power of
the features, which differ a thousandfold from layer to layer and between bright and dark pictures; here every layer's
distance lies between 0 and 1.
"""

from collections.abc import Mapping

import torch
from torch import Tensor


def gram_matrix(x: Tensor) -> Tensor:
    """Mean products of features over places: (B, C, H, W) -> (B, C, C)."""
    flat = x.flatten(2)
    return flat @ flat.mT / flat.shape[-1]


def style_distance(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Tensor:
    """Distance per image.

    Args:
        a, b: per layer, features (B, C, H, W) of the two images, of any sizes. Layers of `b` are used.

    Returns:
        (B,): per layer the squared difference of all products over the squared products of both, summed over layers.
        As scalar products of Gram matrices are not negative, a layer adds at most 1.
    """
    per_layer = []
    for name in b:
        mine, theirs = gram_matrix(a[name]), gram_matrix(b[name])
        both = (mine.square() + theirs.square()).sum(dim=(1, 2))
        per_layer.append((mine - theirs).square().sum(dim=(1, 2)) / both.clamp(min=1e-6))
    return torch.stack(per_layer).sum(dim=0)
