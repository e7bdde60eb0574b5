"""Total variation: how much neighbouring pixels differ (Rudin, Osher, Fatemi 1992; absolute, both ways)."""

from torch import Tensor


def total_variation(image: Tensor) -> Tensor:
    """Mean difference between neighbours side by side plus that between neighbours one above the other; a scalar.

    Means, not sums: a sum grows with the picture and soon outweighs every other term.

    Args:
        image: (B, C, H, W), 2 pixels or more a side.
    """
    across, down = image[..., 1:] - image[..., :-1], image[..., 1:, :] - image[..., :-1, :]
    return across.abs().mean() + down.abs().mean()
