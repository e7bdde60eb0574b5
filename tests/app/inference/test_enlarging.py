"""Enlarging: what needs no network's skill is exact, transparency stays clean, textures tile, light stays bright."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from app.inference.enlarging import Enlarger, inside, without_hidden
from epe.networks.generators import build_upscaler
from tests.app.made import plain_upscaler


@pytest.fixture(scope="module")
def enlarger() -> Enlarger:
    """One convolution of random weights between the first and the last, so results reach 3 pixels."""
    network = plain_upscaler()
    return Enlarger(network, 4 * network.overlap, network.spec.scale)


@pytest.fixture(scope="module")
def nearest() -> Enlarger:
    """Repeats pixels."""
    network = plain_upscaler(repeats=True)
    return Enlarger(network, 4 * network.overlap, network.spec.scale)


def noise(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed))


def repeated(x: torch.Tensor, times: int) -> torch.Tensor:
    return x.repeat_interleave(times, -1).repeat_interleave(times, -2)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 7)])
@pytest.mark.parametrize("preset", ["rrdb-x4-tiny", "guided-x2"])
def test_pictures_of_a_pixel(preset: str, size: tuple[int, int]) -> None:
    network = build_upscaler(preset, guides=0).eval() if preset == "rrdb-x4-tiny" else build_upscaler(preset).eval()
    found = Enlarger(network, network.tile, network.spec.scale)
    scale = network.spec.scale
    if preset == "guided-x2":
        found = replace(found, guides=_Guides((scale * size[0], scale * size[1]), network.spec.guides))
    made = found.whole(noise(3, *size))
    assert made.shape == (3, scale * size[0], scale * size[1])
    if preset == "guided-x2":  # untrained, it is bicubic; of one pixel that is this pixel
        wanted = F.interpolate(noise(3, *size)[None], scale_factor=2, mode="bicubic")[0].clamp(0, 1)
        assert torch.allclose(made, wanted, atol=1e-6)


class _Guides:
    """Frames of which only the buffers are read."""

    def __init__(self, size: tuple[int, int], count: int) -> None:
        self.keys, self.gbuffers = ("",), noise(count, *size)

    def __getitem__(self, _: int) -> "_Guides":
        return self


def test_grey_pictures_are_the_mean_of_what_grey_rgb_gives(enlarger: Enlarger) -> None:
    grey = noise(1, 12, 9)
    made = enlarger.whole(grey)
    assert made.shape == (1, 24, 18)
    assert torch.allclose(made, enlarger.whole(grey.expand(3, -1, -1)).mean(0, keepdim=True), atol=1e-6)


def test_a_network_that_enlarges_more_than_asked_is_averaged() -> None:
    network = plain_upscaler(scale=4)
    full = Enlarger(network, 4 * network.overlap, 4)
    image = noise(3, 350, 21)  # in tiles
    assert torch.allclose(replace(full, factor=2).whole(image), F.avg_pool2d(full.whole(image)[None], 2)[0], atol=1e-6)
    assert replace(full, factor=1).whole(image).shape == image.shape


class TestCircular:
    @pytest.mark.parametrize("size", [(17, 23), (340, 20)])
    def test_a_rolled_picture_gives_the_rolled_result(self, enlarger: Enlarger, size: tuple[int, int]) -> None:
        circular, image = replace(enlarger, circular=True), noise(3, *size)
        made = circular.whole(image)
        for down, right in ((5, 0), (0, 9), (size[0] // 2, 11)):
            rolled = circular.whole(image.roll((down, right), (1, 2)))
            # Where tiles meet differs, and so does the order of a few sums.
            assert (rolled - made.roll((2 * down, 2 * right), (1, 2))).abs().max() < 2e-6
        plain = enlarger.whole(image)
        assert (enlarger.whole(image.roll(5, 1)) - plain.roll(10, 1)).abs().max() > 1e-3  # the option does something

    def test_inside_it_is_the_same_picture(self, enlarger: Enlarger) -> None:
        image = noise(3, 30, 30)
        both = replace(enlarger, circular=True).whole(image), enlarger.whole(image)
        assert (both[0] - both[1])[:, 6:-6, 6:-6].abs().max() < 2e-6

    def test_light_and_transparency_are_circular_too(self, enlarger: Enlarger) -> None:
        circular = replace(enlarger, circular=True)
        light, alpha = 4 * noise(3, 9, 14), noise(1, 9, 14).round()
        for run, plane in ((circular.light, light), (circular.alpha, alpha)):
            made, rolled = (torch.cat(list(run(x)), -2) for x in (plane, plane.roll(4, 2)))
            assert torch.allclose(rolled, made.roll(8, 2), atol=2e-5)

    def test_tiles_are_counted_with_what_is_around(self, enlarger: Enlarger) -> None:
        calls = []
        for circular in (False, True):
            counted = replace(enlarger, circular=circular, after_tile=lambda: calls.append(1))
            counted.whole(noise(3, 300, 20))
            assert len(calls) == counted.tiles((300, 20)) == (2 if circular else 1)
            calls.clear()


class TestTransparency:
    def test_what_is_opaque_and_what_is_clear_stay_so(self, enlarger: Enlarger) -> None:
        alpha = torch.zeros(1, 20, 20)
        alpha[:, :, 10:] = 1
        (made,) = enlarger.alpha(alpha)
        assert made.min() >= 0
        assert made.max() <= 1
        assert torch.equal(made[:, :, :18], torch.zeros(1, 40, 18))
        assert torch.equal(made[:, :, 22:], torch.ones(1, 40, 18))
        assert torch.equal(next(enlarger.alpha(torch.full((1, 5, 5), 0.7))), torch.full((1, 10, 10), 0.7))

    def test_it_is_the_networks(self, enlarger: Enlarger) -> None:
        alpha = noise(1, 12, 12)
        (made,), grey = enlarger.alpha(alpha), enlarger.whole(alpha)
        within = (made == grey).float().mean()
        assert within > 0.2  # elsewhere the untrained network leaves what its neighbours allow
        assert not torch.equal(made, repeated(alpha, 2))

    def test_of_guided_networks_it_is_bicubic(self) -> None:
        network = build_upscaler("guided-x2").eval()
        alpha = noise(1, 12, 12)
        (made,) = Enlarger(network, network.tile, 2).alpha(alpha)
        bicubic = F.interpolate(alpha[None], scale_factor=2, mode="bicubic")[0]
        bounds = [
            f(F.unfold(F.pad(alpha[None], (1,) * 4, mode="replicate"), 3)[0], 0) for f in (torch.amin, torch.amax)
        ]
        low, high = (repeated(bound.view(1, 12, 12), 2) for bound in bounds)
        assert torch.allclose(made, bicubic.maximum(low).minimum(high))

    def test_hidden_colours_do_not_show(self, enlarger: Enlarger) -> None:
        alpha = (noise(1, 25, 25) > 0.4).float()
        alpha[:, :9] = 0
        image = noise(3, 25, 25, seed=1)
        other = torch.where(alpha > 0, image, noise(3, 25, 25, seed=2))
        assert torch.equal(*(torch.cat(list(enlarger.colours(x, alpha)), -2) for x in (image, other)))

    def test_the_nearest_visible_colour_stands_in(self) -> None:
        image, alpha = noise(3, 1, 7), torch.tensor([[[0, 0, 1, 0.01, 0, 0, 0]]])
        assert torch.equal(without_hidden(image, alpha), image[..., [2, 2, 2, 3, 3, 3, 3]])
        assert torch.equal(without_hidden(image, torch.zeros(1, 1, 7)), image)


class TestLight:
    def test_what_a_network_repeats_is_repeated_in_light(self, nearest: Enlarger) -> None:
        light = torch.tensor([0.0, 0.18, 1.0, 50.0, 60000.0, -0.25]).view(1, 6, 1, 1).expand(3, 6, 4, 4)
        even = light.permute(0, 2, 1, 3).reshape(3, 4, 24)  # six even squares in a row
        (made,) = nearest.light(even)
        centres = made[:, 3, 3::8]
        # float32 through sRGB and back
        assert torch.allclose(centres, even[:, 0, ::4], rtol=1e-5, atol=1e-6)
        assert made.max() <= 60000.1
        assert made.min() >= -0.2501

    def test_below_white_it_is_the_picture(self, enlarger: Enlarger) -> None:
        from app.inference.linear import lit, shown

        light = noise(3, 15, 11)
        assert torch.allclose(torch.cat(list(enlarger.light(light)), -2), lit(enlarger.whole(shown(light)), None))

    def test_brightness_between_pixels_is_between_theirs(self, nearest: Enlarger) -> None:
        """In stops: halfway from 1 to 16, a quarter of a pixel at a time, is 1, 2, 8, 16 of white."""
        light = torch.tensor([1.0, 16.0]).view(1, 1, 2).expand(3, 1, 2)
        (made,) = nearest.light(light)
        assert torch.allclose(made[0, 0], torch.tensor([1.0, 2.0, 8.0, 16.0]), rtol=1e-5)


def test_weights_that_are_not_finite_end_it() -> None:
    network = plain_upscaler()
    network.get_parameter("body.0.weight").data[0, 0, 0, 0] = float("nan")
    with pytest.raises(FloatingPointError):
        Enlarger(network, network.tile, 2).whole(noise(3, 5, 5))


def test_the_part_inside_is_cut_out_of_any_bands() -> None:
    whole = torch.arange(12.0 * 10).view(1, 1, 12, 10)
    for heights in ([12], [1] * 12, [3, 4, 5]):
        found = list(inside(iter(whole.split(heights, dim=-2)), 3, 6, 4))
        assert torch.equal(torch.cat(found, -2), whole[..., 3:9, 3:7])


def test_memory_does_not_grow_with_the_height(enlarger: Enlarger) -> None:
    """A band is a row of tiles: at most a tile high, enlarged."""
    heights = [band.shape[-2] for band in enlarger.colours(noise(3, 2000, 5))]
    assert sum(heights) == 4000
    assert max(heights) <= 2 * enlarger.tile
    assert np.mean(heights) > 2 * enlarger.tile / 2
