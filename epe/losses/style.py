"""Style distance: how differently features go together, wherever in the picture they are.

Gatys et al., "Image Style Transfer Using Convolutional Neural Networks", 2016. Theirs grows with the fourth power of
the features, which differ a thousandfold from layer to layer; here each layer's distance is relative to its reference.
"""

from collections.abc import Mapping

import torch
from torch import Tensor


def gram(x: Tensor) -> Tensor:
    """Mean products of features over places: (B, C, H, W) -> (B, C, C)."""
    flat = x.flatten(2)
    return flat @ flat.mT / flat.shape[-1]


def style_distance(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Tensor:
    """Distance per image.

    Args:
        a, b: per layer, features (B, C, H, W) of the image and of its reference, of any sizes. Layers of `b` are used.

    Returns:
        (B,): per layer the squared difference of all products over the squared products of `b`, summed over layers.
    """
    per_layer = []
    for name, reference in b.items():
        wanted = gram(reference)
        difference = (gram(a[name]) - wanted).square().sum(dim=(1, 2))
        # A reference without features, as of a black picture, is no style.
        per_layer.append(difference / wanted.square().sum(dim=(1, 2)).clamp(min=1e-6))
    return torch.stack(per_layer).sum(dim=0)
