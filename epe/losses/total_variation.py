"""Total variation: absolute differences of neighbouring pixels along both axes (Rudin, Osher, Fatemi 1992)."""

from torch import Tensor


def total_variation(image: Tensor) -> Tensor:
    """Return the mean absolute difference of horizontal neighbours plus that of vertical neighbours, a scalar.

    These are means, not sums: a sum grows with the image and soon outweighs every other loss term.

    Args:
        image: (B, C, H, W), 2 pixels or more a side.
    """
    across, down = image[..., 1:] - image[..., :-1], image[..., 1:, :] - image[..., :-1, :]
    return across.abs().mean() + down.abs().mean()
