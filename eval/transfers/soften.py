"""What separates any rendering from a photograph: a lens that blurs, air that lifts blacks, a noisy sensor.

Not a published method, but the first thing to beat: renderings are sharper than what a camera resolves, and kernel
distances on VGG features reward nothing as cheaply as undoing that.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.inputs import generator_for

Pixels = NDArray[np.uint8]

BLUR = 0.7
CONTRAST = 0.9
LIFT = 10.0
NOISE = 4.0


def soften(image: Pixels, key: str, seed: int) -> Pixels:
    """Blur by a Gaussian of 0.7 px, scale by 0.9, add 10 and normal noise of deviation 4, in 8-bit steps.

    Args:
        image: (H, W, 3) uint8.
        key: the picture's key; with the seed it determines the noise, whatever other pictures there are.
        seed: shared by all pictures.
    """
    noise = NOISE * generator_for(key, seed).standard_normal(image.shape)
    blurred = cv2.GaussianBlur(image.astype(np.float64), (0, 0), BLUR, borderType=cv2.BORDER_REPLICATE)
    return np.clip(np.round(CONTRAST * blurred + LIFT + noise), 0, 255).astype(np.uint8)
