import numpy as np
import pytest
from skimage import color

from eval.fidelity.colour import ciede2000, class_sums, to_lab

# Pairs 1, 4, 5, 7, 9, 13, 17, 21, 25 of the paper's table 1: cases in which implementations go wrong.
PAIRS = [
    ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
    ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0000),
    ((50.0, -1.1848, -84.8006), (50.0, 0.0, -82.7485), 1.0000),
    ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
    ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0009), 7.1792),
    ((50.0, -0.001, 2.49), (50.0, 0.0009, -2.49), 4.8045),
    ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
    ((50.0, 2.5, 0.0), (50.0, 3.1736, 0.5854), 1.0000),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
]


@pytest.mark.parametrize(("one", "other", "wanted"), PAIRS)
def test_the_papers_own_values(one: tuple[float, ...], other: tuple[float, ...], wanted: float) -> None:
    # Four decimals are printed.
    assert float(ciede2000(np.array(one), np.array(other))) == pytest.approx(wanted, abs=5.1e-5)


def test_scikit_image_agrees() -> None:
    rng = np.random.default_rng(0)
    one, other = (rng.uniform((0, -80, -80), (100, 80, 80), (2000, 3)) for _ in range(2))
    np.testing.assert_allclose(ciede2000(one, other), color.deltaE_ciede2000(one, other), rtol=1e-9)
    np.testing.assert_allclose(ciede2000(one, other), ciede2000(other, one), rtol=1e-9)
    assert ciede2000(one, one).max() == 0


def test_lab_is_that_of_scikit_image() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    # The white points are rounded to four and to five digits.
    np.testing.assert_allclose(to_lab(picture), color.rgb2lab(picture), atol=0.02)


def test_sums_are_those_of_each_class() -> None:
    rng = np.random.default_rng(0)
    lab, ids = rng.normal(size=(12, 15, 3)), rng.integers(0, 3, (12, 15))
    found = class_sums(lab, ids, 5)
    for number in range(5):
        np.testing.assert_allclose(found[number], lab[ids == number].sum(axis=0), atol=1e-12)
