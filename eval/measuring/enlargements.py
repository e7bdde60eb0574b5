"""How good enlarged pictures are, compared with the large pictures that they should be: the means that papers report.

As in the validation of Real-ESRGAN's release (BasicSR): PSNR in dB of 8-bit RGB without the 4 pixels at each border,
and its mean over pictures.
"""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from eval.metrics.psnr_ssim import psnr
from eval.no_value import value_or_nan

Pixels = NDArray[np.uint8]
Niqe = Callable[[Pixels], float]

BORDER = 4
"""Pixels of the large picture that PSNR leaves out at each border."""


def measured(made: Iterable[tuple[Pixels, Pixels]], niqe: Niqe | None) -> dict[str, float]:
    """Mean "PSNR" (dB, of 0 .. 255), and mean "NIQE" over the pictures that it can judge.

    Args:
        made: pictures (H, W, 3), each with what it should be; each side longer than two borders.
        niqe: measures NIQE; None: it is not measured.

    Raises:
        ValueError: two pictures differ in size.
    """
    inside, ratios, naturals = slice(BORDER, -BORDER), [], []
    for picture, truth in made:
        ratios.append(psnr(picture[inside, inside], truth[inside, inside]))
        naturals += [] if niqe is None else [value_or_nan(niqe, picture)]
    judged = np.array(naturals)[np.isfinite(naturals)]
    return {"PSNR": float(np.mean(ratios))} | ({"NIQE": float(judged.mean())} if len(judged) else {})


def worded(values: dict[str, float]) -> str:
    """What was measured, as text for a line on the screen."""
    return ", ".join(f"{name} {value:.3f}{' dB' if name == 'PSNR' else ''}" for name, value in values.items())
