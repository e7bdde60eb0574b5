"""Each defect is put into a picture in closed form, and found in its size; what is none is not found."""

import cv2
import numpy as np
import pytest

from eval.fidelity.defects import beyond_grading, chroma_kept, corner_lightness, halo

SIZE = (128, 192)


def scene() -> np.ndarray:
    """A box, 5 m away, before a wall at 20 m."""
    depth = np.full(SIZE, 20.0, np.float32)
    depth[40:90, 60:130] = 5
    return depth


class TestHalo:
    def ring(self, inside: bool, outer: int) -> np.ndarray:
        """Pixels of one side of the box, up to so many from its border."""
        box = (scene() == 5).astype(np.uint8)
        kernel = np.ones((2 * outer + 1, 2 * outer + 1), np.uint8)
        grown, shrunk = cv2.dilate(box, kernel), cv2.erode(box, kernel)
        return ((box > shrunk) if inside else (grown > box)).astype(float)

    @pytest.mark.parametrize("inside", [False, True])
    @pytest.mark.parametrize("strength", [0.1, -0.06])
    def test_a_fringe_has_its_strength(self, inside: bool, strength: float) -> None:
        """On one side of two, which count by their pixels: between 0.6 and 0.8 of the root mean square."""
        found = halo(strength * self.ring(inside, 4), scene())
        assert 0.6 * abs(strength) < found < 0.8 * abs(strength)

    def test_a_fringe_on_both_sides_has_its_whole_strength(self) -> None:
        change = 0.1 * (self.ring(True, 4) + self.ring(False, 4))
        assert halo(change, scene()) == pytest.approx(0.1, rel=0.02)

    def test_other_changes_are_no_halo(self) -> None:
        box = (scene() == 5).astype(float)
        y = np.linspace(0, 1, SIZE[0])[:, None]
        assert halo(np.full(SIZE, 0.3), scene()) < 1e-9
        assert halo(0.3 * box, scene()) < 1e-9  # all of a thing
        # A slope of 0.2 over the picture: 5 px of it.
        assert halo(np.tile(0.2 * y, SIZE[1]), scene()) < 0.2 * 8 / SIZE[0]

    def test_a_floor_is_no_jump(self) -> None:
        rows = np.arange(SIZE[0], 0, -1.0)[:, None]
        floor = np.tile(2 + 200 / (SIZE[0] + 10 - rows[::-1]), SIZE[1]).astype(np.float32)
        with pytest.raises(ValueError, match="no jumps"):
            halo(np.zeros(SIZE), floor)

    def test_the_sky_is_behind_everything(self) -> None:
        depth = scene()
        depth[depth == 20] = np.inf
        change = 0.1 * (self.ring(True, 4) + self.ring(False, 4))
        assert halo(change, depth) == pytest.approx(0.1, rel=0.02)


class TestGrading:
    def rendered(self) -> np.ndarray:
        rng = np.random.default_rng(0)
        smooth = cv2.GaussianBlur(rng.normal(size=(*SIZE, 3)), (0, 0), 3)
        return (255 * np.clip(0.5 + smooth / smooth.std() * 0.15, 0, 1)).astype(np.uint8)

    def test_a_grade_is_explained(self) -> None:
        rendered = self.rendered()
        red, green, blue = (rendered[..., i] / 255 for i in range(3))
        light = 0.1 + 0.5 * red**2 - 0.2 * green * blue + 0.3 * blue**3 + 0.2 * green
        assert np.abs(beyond_grading(light, rendered)).max() < 1e-6
        assert np.abs(beyond_grading(np.sqrt(green), rendered)).mean() < 0.01  # nearly a cubic, but for black

    def test_a_halo_is_not(self) -> None:
        fringe = 0.1 * (TestHalo().ring(True, 4) + TestHalo().ring(False, 4))
        left = beyond_grading(self.rendered() @ [0.3, 0.6, 0.1] / 255 + fringe, self.rendered())
        assert halo(left, scene()) == pytest.approx(0.1, rel=0.05)

    def test_grey_frames_have_one(self) -> None:
        grey = np.repeat(self.rendered()[..., :1], 3, axis=2)
        assert np.abs(beyond_grading((grey[..., 0] / 255) ** 2, grey)).max() < 1e-6
        assert np.abs(beyond_grading(np.full(SIZE, 0.4), np.full((*SIZE, 3), 9, np.uint8))).max() < 1e-6


def colours(chroma: float, hue: float = 0.5) -> np.ndarray:
    lab = np.zeros((20, 30, 3))
    lab[..., 0], lab[..., 1], lab[..., 2] = 50, chroma * np.cos(hue), chroma * np.sin(hue)
    return lab


def test_chroma_that_strong_colours_kept() -> None:
    before, after = colours(60), colours(45, hue=1.0)
    before[:10], after[:10] = colours(10)[:10], colours(30)[:10]  # weak ones do not count
    assert chroma_kept(after, before) == pytest.approx(0.75)
    assert chroma_kept(before, before) == 1
    with pytest.raises(ValueError, match="no strong"):
        chroma_kept(before, colours(39.9))


def test_darkened_corners_have_their_depth() -> None:
    """L* falls by 12 times the square of the radius: in the corners by about 0.85 of that, in the middle by 0.1."""
    y, x = ((np.arange(side) + 0.5) / side * 2 - 1 for side in SIZE)
    square = (y[:, None] ** 2 + x**2) / 2
    wanted = -12 * (square[square >= 0.85**2].mean() - square[square <= 0.25].mean())
    assert corner_lightness(-12 * square) == pytest.approx(wanted)
    assert -11 < wanted < -7
    assert corner_lightness(np.full(SIZE, -5.0)) == pytest.approx(0, abs=1e-12)
