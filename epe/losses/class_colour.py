"""A colour guard: the colour that a class takes on as a whole, or around a place, apart from its brightness.

Critics are content when all red cars are paler, or a sky more violet. The perceptual distance hardly sees such a
change, which is the same all over a class and moves no edge. This loss sees nothing else: texture within a class, and
brightness, may change freely. Of a class that becomes more violet above and greener below, the mean stays; squares
much larger than texture see that, too.

Shapes: B images, K classes, H W pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from epe.layers.classes import soft_masks

# Red against green, and yellow against blue: both are 0 of grey, and do not change when grey is added.
OPPONENTS = ((1.0, -1.0, 0.0), (0.5, 0.5, -1.0))


def class_colour_change(image: Tensor, frame: Tensor, classes: Tensor, count: int, side: int | None = None) -> Tensor:
    """Return the part of a picture's mean squared change of colour that is the same all over a class.

    Args:
        image, frame: (B, 3, H, W), sRGB in [0, 1].
        classes: ids (B, H, W), of which `count` stands for no class, or soft masks (B, K, H, W).
        count: K.
        side: of the squares in which a class's mean is taken, in pixels; those at the right and below may be cut off.
            None: one mean over the whole picture.

    Returns:
        (B,): the squared means of the change over each class, weighted by the share of the picture that it covers;
        0 if no class changed its mean colour, at most the picture's mean squared change.
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
