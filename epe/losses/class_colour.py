"""A colour guard: the colour that a class takes on as a whole, apart from its brightness.

Critics are content when all red cars are paler, or a sky more violet. The perceptual distance hardly sees such a
change, which is the same all over a class and moves no edge. This loss sees nothing else: texture within a class, and
brightness, may change freely.

Shapes: B images, K classes, H W pixels.
"""

import torch
from torch import Tensor

from epe.layers.classes import soft_masks

# Red against green, and yellow against blue: both are 0 of grey, and do not change when grey is added.
OPPONENTS = ((1.0, -1.0, 0.0), (0.5, 0.5, -1.0))


def class_colour_change(image: Tensor, frame: Tensor, classes: Tensor, count: int) -> Tensor:
    """Return the part of a picture's mean squared change of colour that is the same all over a class.

    Args:
        image, frame: (B, 3, H, W), sRGB in [0, 1].
        classes: ids (B, H, W), of which `count` stands for no class, or soft masks (B, K, H, W).
        count: K.

    Returns:
        (B,): the squared means of the change over each class, weighted by the share of the picture that it covers;
        0 if no class changed its mean colour, at most the picture's mean squared change.
    """
    change = torch.einsum("oc,bchw->bohw", image.new_tensor(OPPONENTS), image - frame).flatten(2)
    masks = soft_masks(classes, count).flatten(2).to(change.dtype)
    areas = masks.sum(dim=2)
    means = torch.einsum("bkn,bon->bko", masks, change) / areas.clamp(min=1e-6)[..., None]
    return (means.square().sum(dim=2) * areas).sum(dim=1) / masks.shape[2]
