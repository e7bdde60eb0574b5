import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.kvd.alignment import Crop, crop_side, describe, draw_crops, match


def crop(top=0, left=0, ticket=0):
    return Crop("a", top, left, ticket)


@pytest.mark.parametrize(
    ("height", "width", "side"),
    # 526 x 957: the published protocol's 250 px. 270 x 480: sqrt(16200) = 127.3.
    [(526, 957, 250), (270, 480, 126), (96, 144, 40), (64, 64, 22)],
)
def test_side_is_an_eighth_of_the_area_rounded_down_to_even(height, width, side):
    assert crop_side(height, width) == side


@given(st.integers(16, 3000), st.integers(16, 3000))
def test_side_is_even_and_within_two_pixels_of_an_eighth(height, width):
    side = crop_side(height, width)
    assert side % 2 == 0
    assert side**2 <= height * width / 8 < (side + 2) ** 2


def test_crops_lie_inside_and_reach_every_edge():
    crops = draw_crops("k", 20, 30, side=8, count=2000, seed=0)
    tops, lefts = [c.top for c in crops], [c.left for c in crops]
    assert (min(tops), max(tops), min(lefts), max(lefts)) == (0, 12, 0, 22)


def test_crops_depend_on_key_and_seed_alone():
    crops = draw_crops("k", 50, 50, side=8, count=4, seed=0)
    assert crops == draw_crops("k", 50, 50, side=8, count=4, seed=0)
    assert crops == draw_crops("k", 50, 50, side=8, count=9, seed=0)[:4]
    assert crops != draw_crops("k", 50, 50, side=8, count=4, seed=1)
    assert [c.top for c in crops] != [c.top for c in draw_crops("l", 50, 50, side=8, count=4, seed=0)]


def test_an_image_smaller_than_a_crop_is_refused():
    with pytest.raises(ValueError, match="got 30x7 pixels, wanted at least 8x8"):
        draw_crops("k", 7, 30, side=8, count=1, seed=0)


def test_description_by_hand():
    # A crop of 16 px has one cell per pixel.
    labels = np.arange(400, dtype=np.uint32).reshape(20, 20).astype(np.uint8)
    cells = describe(labels, crop(top=2, left=3), side=16, size=(20, 20))
    assert cells.tolist() == labels[2:18, 3:19].reshape(-1).tolist()


def test_description_of_a_smaller_label_map():
    # The map has half the image's size; a crop of 32 px covers 16 of its pixels.
    labels = np.arange(30 * 30).reshape(30, 30).astype(np.uint8)
    cells = describe(labels, crop(top=4, left=8), side=32, size=(60, 60))
    assert cells.tolist() == labels[2:18, 4:20].reshape(-1).tolist()


def test_description_at_the_far_corner_stays_inside():
    labels = np.zeros((7, 9), np.uint8)
    labels[-1, -1] = 5
    cells = describe(labels, crop(top=60, left=80), side=10, size=(70, 90))
    assert cells.tolist() == [5] * 256


def cells(*counts):
    """Descriptor whose first cells hold label 0, then 1, ...: numbers of cells."""
    return np.repeat(np.arange(len(counts)), counts).astype(np.uint8)


def test_nearest_real_crop_by_hand():
    fake = np.stack([cells(256), cells(0, 256), cells(0, 0, 256)])
    real = np.stack([cells(200, 56), cells(130, 126), cells(100, 156)])
    matches = match(fake, real, fake_tickets=[1, 2, 3], real_tickets=[4, 5, 6])
    # Third: no label 2 anywhere. Second: 156 of 256 is more than one half.
    assert [(m.fake, m.real, m.similarity) for m in matches] == [(0, 0, 200 / 256), (1, 2, 156 / 256)]


@pytest.mark.parametrize(("equal", "kept"), [(127, 0), (128, 0), (129, 1)])
def test_exactly_one_half_is_not_enough(equal, kept):
    matches = match(np.stack([cells(256)]), np.stack([cells(equal, 256 - equal)]), fake_tickets=[0], real_tickets=[0])
    assert len(matches) == kept


def test_ties_are_spread_over_equally_near_crops():
    rng = np.random.default_rng(0)
    fake, real = np.zeros((400, 256), np.uint8), np.zeros((4, 256), np.uint8)
    tickets = rng.integers(2**63, size=404).tolist()
    chosen = [m.real for m in match(fake, real, fake_tickets=tickets[:400], real_tickets=tickets[400:])]
    # A fair share is 100; the tickets' own draw favours some, but none may be left out or serve most.
    assert np.bincount(chosen, minlength=4).min() > 10


@given(st.integers(0, 2**32 - 1))
def test_order_of_real_crops_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    fake, real = rng.integers(0, 2, (5, 256)).astype(np.uint8), rng.integers(0, 2, (6, 256)).astype(np.uint8)
    real[3] = real[0]
    tickets = rng.integers(2**63, size=11).tolist()
    order = rng.permutation(6)
    plain = match(fake, real, fake_tickets=tickets[:5], real_tickets=tickets[5:])
    mixed = match(fake, real[order], fake_tickets=tickets[:5], real_tickets=[tickets[5 + i] for i in order])
    assert [(m.fake, m.real) for m in plain] == [(m.fake, int(order[m.real])) for m in mixed]
