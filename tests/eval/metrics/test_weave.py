"""A weave is put into a picture in closed form, and found in its size; what is none is not found."""

import cv2
import numpy as np
import pytest

from eval.metrics.spectrum import weave

SIZE = (128, 192)


def texture(seed: int = 0, sigma: float = 1.0) -> np.ndarray:
    """Smoothed noise about 0.5."""
    noise = np.random.default_rng(seed).normal(size=SIZE)
    return 0.5 + 0.1 * cv2.GaussianBlur(noise, (0, 0), sigma) * 2 * sigma


def chequers(amplitude: float) -> np.ndarray:
    y, x = np.indices(SIZE)
    return amplitude * (-1.0) ** (x + y)


class TestWeave:
    def test_white_noise_has_none(self) -> None:
        noise = 0.5 + np.random.default_rng(0).normal(0, 0.1, (512, 768))
        # 127 coefficients, of which a window leaves a fifth independent, of 96 patches: known to 2 %, 0.1 decibels.
        assert weave(noise) == pytest.approx(0, abs=0.25)

    @pytest.mark.parametrize("pattern", ["rows", "columns", "chequers"])
    def test_is_the_power_of_the_pattern(self, pattern: str) -> None:
        y, x = np.indices(SIZE)
        phase = {"rows": y, "columns": x, "chequers": x + y}[pattern]
        noise = np.random.default_rng(0).normal(0, 0.05, SIZE)
        found = weave(0.5 + noise + 0.02 * (-1.0) ** phase)
        # The amplitude squared times the pixels of a patch is spread over the 64 coefficients of two lines; a Hann
        # window moves a third of it to the lines beside. A chequerboard lies on both lines.
        lines = 2 if pattern == "chequers" else 1
        wanted = 10 * np.log10(1 + lines * 2 / 3 * 0.02**2 * 64**2 / 128 / 0.05**2)
        assert found == pytest.approx(wanted, abs=0.5)

    def test_sharpening_and_noise_are_no_weave(self) -> None:
        plain = texture()
        sharp = plain + 1.5 * (plain - cv2.GaussianBlur(plain, (0, 0), 1))
        noisy = plain + np.random.default_rng(5).normal(0, 0.02, SIZE)
        woven = plain + chequers(0.01)
        assert weave(woven) - weave(plain) > 8
        assert abs(weave(sharp) - weave(plain)) < 1.5
        assert weave(noisy) < weave(woven) - 5

    def test_upsampling_by_a_transposed_convolution_has_it(self) -> None:
        """Odena et al.: a kernel of 3 with stride 2 covers every other pixel twice."""
        small = texture()[::2, ::2]
        grown = np.zeros(SIZE)
        grown[::2, ::2] = small
        kernel = np.outer([1, 1, 1], [1, 1, 1.0])
        uneven = cv2.filter2D(grown, -1, kernel)
        smooth = cv2.resize(small, SIZE[::-1], interpolation=cv2.INTER_LINEAR)
        assert weave(uneven / uneven.max()) > weave(smooth) + 15

    def test_small_pictures_are_refused(self) -> None:
        with pytest.raises(ValueError, match="63x80"):
            weave(np.zeros((80, 63)))
