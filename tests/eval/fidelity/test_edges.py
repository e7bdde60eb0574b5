import numpy as np
import pytest

from eval.fidelity.edges import canny, f1, fraction_found, of_geometry


def boxes(left: int = 0, contrast: float = 1.0) -> np.ndarray:
    """Grey boxes with a margin; moved to the right by some pixels."""
    image = np.full((100, 140), 60.0)
    image[20:60, 20 + left : 70 + left] = 200
    image[50:90, 60 + left : 110 + left] = 130
    return np.repeat((30 + contrast * (image - 30))[..., None], 3, 2).astype(np.uint8)


def score(picture: np.ndarray, render: np.ndarray) -> float:
    edges, before = canny(picture), canny(render)
    return f1(fraction_found(edges, before), fraction_found(before, edges))


def test_edges_are_where_the_boxes_end() -> None:
    edges = canny(boxes())
    outline = np.zeros((100, 140), bool)
    outline[19:21, 20:70] = outline[20:60, 19:21] = True
    assert fraction_found(edges, of_geometry((boxes()[..., 0] // 10).astype(np.uint8), None)) == 1
    assert fraction_found(outline, edges) > 0.95  # Canny rounds the corners
    assert 200 < edges.sum() < 420  # lines a pixel wide: 360 round both boxes, less what one hides


def test_a_picture_and_itself() -> None:
    assert score(boxes(), boxes()) == 1


@pytest.mark.parametrize("contrast", [0.3, 0.7, 1.2])
def test_contrast_makes_and_loses_no_edges(contrast: float) -> None:
    # Rounding to 8 bits moves a threshold past a pixel or two.
    assert score(boxes(contrast=contrast), boxes()) > 0.99


def test_a_pixel_is_forgiven_and_five_are_not() -> None:
    assert score(boxes(1), boxes()) == 1
    # What runs from left to right, but for its ends, is found; all the rest is not.
    assert 0.3 < score(boxes(5), boxes()) < 0.7


def test_what_is_lost_and_what_is_invented() -> None:
    one = boxes()
    one[20:60, 20:60] = 60  # most of a box is gone
    edges, before = canny(one), canny(boxes())
    assert fraction_found(before, edges) < 0.8
    assert fraction_found(edges, before) > 0.85  # the rest ends at a place of its own


def test_flat_pictures_have_no_edges() -> None:
    edges = canny(np.full((40, 50, 3), 90, np.uint8))
    assert not edges.any()
    with pytest.raises(ValueError, match="no edges"):
        fraction_found(edges, canny(boxes()[:40, :50]))
    assert fraction_found(canny(boxes()[:40, :50]), edges) == 0
    assert f1(0.0, 0.0) == 0


class TestGeometry:
    def test_a_plane_has_no_edges_however_steep(self) -> None:
        rows, columns = np.mgrid[0:60, 0:80]
        plane = 1 / (0.001 + 0.002 * rows + 0.0005 * columns)  # inverse depth is linear in the picture
        assert not of_geometry(None, plane.astype(np.float32)).any()

    def test_a_jump_is_an_edge_on_both_sides(self) -> None:
        depth = np.full((30, 40), 10.0, np.float32)
        depth[:, 25:] = 12
        assert np.flatnonzero(of_geometry(None, depth)[7]).tolist() == [24, 25]
        assert np.array_equal(of_geometry(None, depth.T.copy()), of_geometry(None, depth).T)

    def test_nothing_drawn_is_far_away(self) -> None:
        depth = np.full((30, 40), 10.0, np.float32)
        depth[:12] = np.inf
        assert np.flatnonzero(of_geometry(None, depth)[:, 3]).tolist() == [11, 12]

    def test_classes_and_depth_are_put_together(self) -> None:
        ids, depth = np.zeros((30, 40), np.uint8), np.full((30, 40), 10.0, np.float32)
        ids[:, 9:] = 3
        depth[:, 25:] = 12
        assert np.flatnonzero(of_geometry(ids, depth)[0]).tolist() == [8, 9, 24, 25]

    def test_nothing_is_no_geometry(self) -> None:
        with pytest.raises(ValueError, match="classes or depth"):
            of_geometry(None, None)
