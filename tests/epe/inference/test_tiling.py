"""Tiles cover a frame, their weights add up to exactly 1, and what needs no neighbours is not changed by them."""

import itertools
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from epe.inference.tiling import pad, ramps, run_in_bands, run_tiled, spans, tile_count


@st.composite
def cuts(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """length, tile, overlap, multiple_of."""
    unit = draw(st.sampled_from([1, 2, 8, 32]))
    overlap = draw(st.integers(0, 40))
    tile = 4 * -(-max(overlap, 1) // unit) * unit + draw(st.integers(0, 300))
    return draw(st.integers(1, 2000 // unit)) * unit, tile, overlap, unit


@given(cuts())
def test_tiles_cover_the_axis_and_overlap_as_asked(cut: tuple[int, int, int, int]) -> None:
    length, tile, overlap, unit = cut
    parts = spans(length, tile, overlap, unit)
    assert parts[0][0] == 0
    assert parts[-1][1] == length
    assert len({stop - start for start, stop in parts}) == 1
    for start, stop in parts:
        assert start % unit == stop % unit == 0
        assert stop - start <= max(tile, 1) or len(parts) == 1
    for before, after in itertools.pairwise(parts):
        assert before[1] - after[0] >= overlap
    for before, after in zip(parts, parts[2:], strict=False):
        assert before[1] <= after[0]  # no pixel lies in three tiles


@given(cuts())
def test_weights_add_up_to_exactly_one(cut: tuple[int, int, int, int]) -> None:
    length, tile, overlap, unit = cut
    parts = spans(length, tile, overlap, unit)
    total = torch.zeros(length)
    for (start, stop), weight in zip(parts, ramps(parts), strict=True):
        assert weight.min() >= 0
        total[start:stop] += weight
    assert torch.equal(total, torch.ones(length))


def test_weights_add_up_to_exactly_one_in_two_dimensions() -> None:
    rows, columns = spans(300, 110, 23), spans(500, 130, 31)
    total = torch.zeros(300, 500)
    for (top, bottom), down in zip(rows, ramps(rows), strict=True):
        for (left, right), across in zip(columns, ramps(columns), strict=True):
            total[top:bottom, left:right] += down[:, None] * across
    assert torch.equal(total, torch.ones(300, 500))


def test_weights_rise_and_fall_over_the_overlap_only() -> None:
    first, second = ramps([(0, 100), (80, 180)])
    assert torch.equal(first[:80], torch.ones(80))
    assert bool((first[80:].diff() < 0).all())
    assert torch.equal(first[80:] + second[:20], torch.ones(20))
    assert first[80] == pytest.approx(1 - 0.5 / 20, abs=1 / 1024)


def test_a_frame_that_fits_runs_whole() -> None:
    seen: list[tuple[int, ...]] = []

    def network(x: Tensor) -> Tensor:
        seen.append(tuple(x.shape))
        return x

    frame = torch.rand(1, 3, 720, 1280)
    assert torch.equal(run_tiled(network, [frame], tile=1280), frame)
    assert seen == [(1, 3, 720, 1280)]


def pointwise(image: Tensor, gbuffers: Tensor, classes: Tensor) -> Tensor:
    return torch.sigmoid(3 * image - gbuffers[:, :3]) * (1 + classes[:, None])


@pytest.mark.parametrize(("size", "multiple_of"), [((150, 333), 1), ((150, 333), 16), ((64, 400), 8), ((401, 64), 1)])
def test_tiles_change_nothing_for_a_pointwise_network(size: tuple[int, int], multiple_of: int) -> None:
    generator = torch.Generator().manual_seed(0)
    image, gbuffers = (torch.rand(2, c, *size, generator=generator) for c in (3, 5))
    classes = torch.randint(0, 4, (2, *size), generator=generator)
    tiled = run_tiled(pointwise, [image, gbuffers, classes], tile=96, overlap=16, multiple_of=multiple_of)
    whole = pointwise(image, gbuffers, classes)
    assert tiled.shape == whole.shape
    # Values below 5 blended from at most four equal ones: a few roundings of float32.
    torch.testing.assert_close(tiled, whole, rtol=0, atol=2e-6)
    assert float((tiled - whole).abs().max()) / float(whole.max()) < 1e-6


def test_a_network_that_sees_less_than_the_overlap_differs_only_by_its_ramp() -> None:
    """A blur of radius 3: inside the overlap's middle both tiles know the truth; at tiles' ends one does not."""
    image = torch.rand(1, 1, 40, 300, generator=torch.Generator().manual_seed(0))

    def blur(x: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(x, (3, 3, 3, 3), mode="replicate"), 7, 1)

    whole = blur(image)
    error = [
        float((run_tiled(blur, [image], tile=160, overlap=overlap) - whole).abs().max()) for overlap in (4, 16, 40)
    ]
    # The wrong margin of 3 px gets at most the weight (3 - 1/2) / overlap.
    assert error[0] > error[1] > error[2]
    assert error[2] < 0.5 * 2.5 / 40


def test_the_network_gets_sizes_that_divide() -> None:
    def network(x: Tensor) -> Tensor:
        assert x.shape[-1] % 32 == x.shape[-2] % 32 == 0
        return x

    frame = torch.rand(1, 3, 270, 481)
    assert torch.equal(run_tiled(network, [frame], tile=512, multiple_of=32), frame)
    assert run_tiled(network, [frame], tile=256, overlap=32, multiple_of=32).shape == frame.shape


def test_padding_reflects_like_torch_and_keeps_the_type() -> None:
    x = torch.rand(1, 2, 5, 7)
    assert torch.equal(pad(x, 8, 12), F.pad(x, (0, 5, 0, 3), mode="reflect"))
    assert pad(torch.arange(3).view(1, 1, 3), 2, 8).tolist() == [[[0, 1, 2, 1, 0, 1, 2, 1]] * 2]
    assert pad(torch.ones(1, 1, 1, dtype=torch.uint8), 2, 2).dtype == torch.uint8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spans(1000, 100, 64), "too small"),
        (lambda: spans(1001, 100, 8, 2), "pad first"),
        (lambda: run_tiled(torch.add, [torch.ones(1, 1, 4, 4), torch.ones(1, 1, 4, 5)], tile=9), "differ in size"),
    ],
)
def test_refuses(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]


def test_a_network_may_be_told_where_its_tile_lies() -> None:
    """One that paints the place of each pixel paints the frame's places in every tile."""
    height, width = 40, 100

    def paint(image: torch.Tensor, crop_box: torch.Tensor | None = None) -> torch.Tensor:
        top, left, bottom, right = [0.0, 0.0, 1.0, 1.0] if crop_box is None else crop_box[0].tolist()
        rows = top + (bottom - top) * (torch.arange(image.shape[-2]) + 0.5) / image.shape[-2]
        columns = left + (right - left) * (torch.arange(image.shape[-1]) + 0.5) / image.shape[-1]
        return torch.stack([rows[:, None].expand(image.shape[-2:]), columns.expand(image.shape[-2:])])[None]

    frame = torch.zeros(1, 3, height, width)
    tiled = run_tiled(paint, [frame], tile=32, overlap=8, crop_boxes=True)
    assert torch.allclose(tiled, paint(frame), atol=1e-6)  # fp32
    assert not torch.allclose(run_tiled(paint, [frame], tile=32, overlap=8), paint(frame), atol=0.1)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_larger_results_lie_where_they_belong(scale: int) -> None:
    image = torch.rand(1, 3, 50, 37)
    enlarged = torch.nn.functional.interpolate(image, scale_factor=scale, mode="nearest")
    network = partial(torch.nn.functional.interpolate, scale_factor=scale, mode="nearest")
    tiled = run_tiled(network, [image], tile=20, overlap=4, multiple_of=2, scale=scale)
    assert torch.allclose(tiled, enlarged, atol=1e-6)


@pytest.mark.parametrize("margin", [0, 3])
def test_the_margins_of_tiles_do_not_count(margin: int) -> None:
    """A network that is wrong within three pixels of its borders is right inside the picture, with this margin."""

    def network(x: torch.Tensor) -> torch.Tensor:
        wrong = torch.full_like(x, 100.0)
        wrong[..., 3:-3, 3:-3] = x[..., 3:-3, 3:-3]
        return wrong

    image = torch.rand(1, 1, 80, 90)
    tiled = run_tiled(network, [image], tile=40, overlap=10, margin=margin)
    inside = (slice(None), slice(None), slice(3, -3), slice(3, -3))
    assert torch.allclose(tiled[inside], image[inside]) is (margin == 3)


@pytest.mark.parametrize(("size", "multiple_of"), [((331, 150), 1), ((397, 101), 16), ((64, 333), 8), ((90, 90), 1)])
def test_bands_are_the_blended_tiles_from_top_to_bottom(size: tuple[int, int], multiple_of: int) -> None:
    """Against a sum over all tiles in one array, as the weights are defined; the same order, so the same bits."""
    image, calls = torch.rand(1, 2, *size, generator=torch.Generator().manual_seed(0)), []

    def network(x: Tensor) -> Tensor:
        calls.append(x.shape)
        return F.interpolate(F.avg_pool2d(F.pad(x, (3, 3, 3, 3)), 7, 1), scale_factor=2)

    options = {"tile": 128, "overlap": 20, "multiple_of": multiple_of, "scale": 2, "margin": 4}
    bands = list(run_in_bands(network, [image], **options))
    assert len(calls) == tile_count(size, tile=128, overlap=20) or multiple_of > 1
    full = [-(-side // multiple_of) * multiple_of for side in size]
    padded, total = pad(image, *full), torch.zeros(1, 2, *(2 * side for side in full))
    rows, columns = (spans(side, 128, 20, multiple_of) for side in full)
    downs, acrosses = (ramps([(2 * a, 2 * b) for a, b in parts], 8) for parts in (rows, columns))
    for (top, bottom), down in zip(rows, downs, strict=True):
        for (left, right), across in zip(columns, acrosses, strict=True):
            part = network(padded[..., top:bottom, left:right])
            total[..., 2 * top : 2 * bottom, 2 * left : 2 * right] += part * (down[:, None] * across)
    wanted = total[..., : 2 * size[0], : 2 * size[1]]
    assert torch.equal(torch.cat(bands, dim=-2), wanted)
    assert torch.equal(run_tiled(network, [image], **options), wanted)
    assert len(bands) == len(rows)
    assert max(band.shape[-2] for band in bands) <= 2 * 128
