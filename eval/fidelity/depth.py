"""How well a network's depth estimate from a picture fits the frame's depth.

Networks that estimate depth from one picture give inverse depth, up to an unknown scale and shift. Both are fitted to
the truth by least squares (Ranftl et al., "Towards Robust Monocular Depth Estimation", PAMI 44(3), 2022, sec. 6). What
is left is measured by the scale-invariant error of Eigen, Puhrsch, Fergus, "Depth Map Prediction from a Single Image
using a Multi-Scale Deep Network", NIPS 2014, eq. 1.
"""

import numpy as np
from numpy.typing import NDArray

from eval.no_value import NoValueError

Array = NDArray[np.float64]


def si_rmse(estimate: Array, truth: Array) -> float:
    """Root mean square difference of log depths, minus their mean difference: 0 for a scaled copy; 0.1 is about 10 %.

    Args:
        estimate, truth: (N,) depths above 0, one for each pixel that counts.
    """
    return float((np.log(estimate) - np.log(truth)).std())


def aligned(estimate: Array, truth: Array) -> Array:
    """Depth from inverse depth of unknown scale and shift, fitted to the truth.

    Args:
        estimate: (N,) from the network.
        truth: (N,) depths in metres, above 0 and finite.

    Returns:
        (N,) metres. Nothing is farther than the farthest true depth: inverse depths near or below 0 would be.
    """
    system = np.stack([estimate, np.ones_like(estimate)], axis=1)
    fitted = system @ np.linalg.lstsq(system, 1 / truth, rcond=None)[0]
    return 1 / np.maximum(fitted, 1 / truth.max())


def depth_error(estimate: Array, truth: Array) -> float:
    """The scale-invariant error of a network's output, where something was drawn.

    Args:
        estimate: (H, W) inverse depth of unknown scale and shift.
        truth: (H, W) metres, inf where nothing was drawn.

    Raises:
        NoValueError: fewer than three pixels show anything.
    """
    drawn = np.isfinite(truth) & (truth > 0)
    if drawn.sum() < 3:
        raise NoValueError("no depth")
    found, wanted = estimate[drawn].astype(np.float64), truth[drawn].astype(np.float64)
    return si_rmse(aligned(found, wanted), wanted)
