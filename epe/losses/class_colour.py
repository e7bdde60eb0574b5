"""A colour guard: penalises a colour shift of a class as a whole, or around a place, regardless of its brightness.

Critics accept it if all red cars are paler, or a sky is more violet. The perceptual distance hardly sees such a change,
which is the same all over a class and moves no edges. This loss sees nothing else: texture within a class, and
brightness, may change freely. If a class becomes more violet above and greener below, its mean stays the same; means
over squares much larger than the texture also see that.

Shapes: B images, K classes, H W pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from epe.layers.classes import soft_masks

# Red against green, and yellow against blue: both are 0 for grey, and do not change when grey is added.
OPPONENTS = ((1.0, -1.0, 0.0), (0.5, 0.5, -1.0))


def class_colour_change(image: Tensor, frame: Tensor, classes: Tensor, count: int, side: int | None = None) -> Tensor:
    """Return the part of a picture's mean squared colour change that is the same all over a class.

    Args:
        image, frame: (B, 3, H, W), sRGB in [0, 1].
        classes: ids (B, H, W), where `count` means no class, or soft masks (B, K, H, W).
        count: K.
        side: side in pixels of the squares over which each class's mean is taken; those at the right and bottom may be
            cut off. None: one mean over the whole picture.

    Returns:
        (B,): the squared mean change of each class, weighted by the share of the picture that the class covers; 0 if
        no class changed its mean colour, at most the picture's mean squared change.
    """
    change = torch.einsum("oc,bchw->bohw", image.new_tensor(OPPONENTS), image - frame)
    masks = soft_masks(classes, count).to(change.dtype)
    squares = tuple(masks.shape[2:]) if side is None else (side, side)
    areas, *sums = (
        F.avg_pool2d(x, squares, ceil_mode=True, divisor_override=1)
        for x in (masks, *(masks * opponent for opponent in change.split(1, dim=1)))
    )
    moved = torch.stack([x.square() for x in sums]).sum(dim=0) / areas.clamp(min=1e-6)
    return moved.sum(dim=(1, 2, 3)) / change[0, 0].numel()
