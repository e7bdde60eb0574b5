"""Whole degradations: sizes, seeds, places, and how often each branch is taken, against the published probabilities."""

from dataclasses import replace

import numpy as np
import pytest

from datasets.degradations import render, second_order
from datasets.degradations.degradations import DEGRADATIONS
from datasets.degradations.resizing import MODES
from datasets.degradations.second_order import ROUND_RANGES, Round, SecondOrderDraws
from datasets.degradations.steps import compressed, sharpened, with_gaussian_noise, with_poisson_noise
from tests.datasets.degradations.made import DRAWS, centre, dot, near, rng


def scene(size: tuple[int, int] = (48, 64)) -> np.ndarray:
    return rng(5).random((*size, 3)).astype(np.float32)


@pytest.mark.parametrize("name", DEGRADATIONS)
class TestEach:
    @pytest.mark.parametrize(("size", "scale"), [((48, 64), 4), ((50, 34), 2), ((4, 4), 4), ((16, 24), 1)])
    def test_sizes_and_range(self, name: str, size: tuple[int, int], scale: int) -> None:
        for seed in range(8):
            made = DEGRADATIONS[name](scene(size), scale, rng(seed))
            assert made.shape == (size[0] // scale, size[1] // scale, 3)
            assert made.dtype == np.float32
            assert 0 <= made.min() <= made.max() <= 1

    def test_a_seed_gives_the_same_bits_and_pictures_have_their_own_draws(self, name: str) -> None:
        made = [DEGRADATIONS[name](scene(), 4, rng(seed)) for seed in (0, 0, 1, 2, 3)]
        assert np.array_equal(made[0], made[1])
        assert len({picture.tobytes() for picture in made}) > 1

    def test_the_picture_itself_is_not_changed(self, name: str) -> None:
        picture = scene()
        DEGRADATIONS[name](picture, 4, rng())
        assert np.array_equal(picture, scene())


@pytest.fixture(scope="module")
def draws() -> list[SecondOrderDraws]:
    generator = rng()
    return [second_order.draw(generator) for _ in range(DRAWS // 4)]


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers of 8 bits alone move a centre by some thousandths of a pixel, so they are left out where places count."""
    for module in (second_order, render):
        monkeypatch.setattr(module, "rounded", lambda picture: picture)
        monkeypatch.setattr(module, "compressed", lambda picture, quality: picture)


class TestSecondOrder:
    @pytest.mark.parametrize("index", [0, 1])
    def test_branches_are_as_frequent_as_published(self, draws: list[SecondOrderDraws], index: int) -> None:
        ranges, rounds, count = ROUND_RANGES[index], [found.rounds[index] for found in draws], len(draws)
        assert near(sum(r.blur is not None for r in rounds), (1.0, 0.8)[index], count)
        up, down, keep = ((0.2, 0.7, 0.1), (0.3, 0.4, 0.3))[index]
        factors = np.array([r.factor for r in rounds])
        assert near(int((factors > 1).sum()), up, count)
        assert near(int((factors < 1).sum()), down, count)
        assert near(int((factors == 1).sum()), keep, count)
        low, high = ((0.15, 1.5), (0.3, 1.2))[index]
        assert low <= factors.min() < low + 0.01
        assert high - 0.01 < factors.max() <= high
        assert all(near(sum(r.mode == mode for r in rounds), 1 / 3, count) for mode in MODES)
        assert near(sum(r.noise == "gaussian" for r in rounds), 0.5, count)
        assert near(sum(r.grey for r in rounds), 0.4, count)
        for kind, limits in (("gaussian", (1, (30, 25)[index])), ("poisson", (0.05, (3, 2.5)[index]))):
            strengths = np.array([r.strength for r in rounds if r.noise == kind])
            width = limits[1] - limits[0]
            assert limits[0] <= strengths.min() < limits[0] + 0.01 * width
            assert limits[1] - 0.01 * width < strengths.max() <= limits[1]
        qualities = np.array([r.quality for r in rounds])
        assert 30 <= qualities.min() < 31
        assert 94 < qualities.max() <= 95
        assert ranges.blur == (1.0, 0.8)[index]
        blurs = [r.blur for r in rounds if r.blur is not None]
        assert near(sum(blur.kind == "sinc" for blur in blurs), 0.1, len(blurs))
        deviations = [blur.sigma[0] for blur in blurs if blur.kind != "sinc"]
        low, high = ((0.2, 3.0), (0.2, 1.5))[index]
        assert low <= min(deviations) < low + 0.02
        assert high - 0.02 < max(deviations) <= high

    def test_the_last_steps(self, draws: list[SecondOrderDraws]) -> None:
        count = len(draws)
        assert near(sum(found.resize_before_jpeg for found in draws), 0.5, count)
        assert near(sum(found.last_filter.kind == "sinc" for found in draws), 0.8, count)
        assert all(near(sum(found.last_mode == mode for found in draws), 1 / 3, count) for mode in MODES)

    @pytest.mark.usefixtures("exact")
    def test_a_dot_stays_where_it_is(self, draws: list[SecondOrderDraws]) -> None:
        """Without noise the dot stays within a hundredth of a pixel, whatever is drawn."""

        def silent(drawn: Round) -> Round:
            return replace(drawn, strength=0.0)

        picture = dot((384, 512), sigma=36.0)
        worst = 0.0
        for found in draws[:60]:
            quiet = replace(found, rounds=tuple(map(silent, found.rounds)))
            made = second_order.applied(picture, 4, quiet, rng())
            worst = max(worst, *np.abs((np.array(centre(made)) - centre(picture)) * made.shape[:2]))
        assert worst < 0.01


class TestRender:
    def test_branches(self) -> None:
        generator = rng()
        drawn = [render.draw(generator) for _ in range(DRAWS // 4)]
        count = len(drawn)
        assert all(
            near(sum(d.samples == name for d in drawn), probability, count)
            for name, probability in zip(render.SAMPLES, render.SAMPLED, strict=True)
        )
        assert near(sum(d.accumulated > 0 for d in drawn), render.TEMPORAL, count)
        assert near(sum(d.quality > 0 for d in drawn), render.JPEG, count)
        assert all(render.BIAS[0] <= d.bias <= render.BIAS[1] for d in drawn)

    @pytest.mark.usefixtures("exact")
    @pytest.mark.parametrize("samples", render.SAMPLES)
    @pytest.mark.parametrize("accumulated", [0.0, 0.7])
    @pytest.mark.parametrize("scale", [2, 3, 4])
    def test_a_dot_stays_where_it_is(self, samples: str, accumulated: float, scale: int) -> None:
        picture = dot((192, 240))
        made = render.applied(picture, scale, render.RenderDraws(samples, -0.5, accumulated, 0.0))
        assert np.abs((np.array(centre(made)) - centre(picture)) * made.shape[:2]).max() < 0.01

    def test_few_samples_alias_and_all_do_not(self) -> None:
        """Stripes of one pixel are grey at a quarter of the size; how grey tells who has looked at all of them."""
        stripes = np.tile(np.float32([0, 1, 0, 0, 1, 1, 0]), (64, 10))[:, :64, None].repeat(3, 2)
        spread = {
            samples: float(render.applied(stripes, 4, render.RenderDraws(samples, -6.0, 0.0, 0.0)).std())
            for samples in render.SAMPLES
        }
        assert spread["one"] > spread["four"] >= spread["all"]


def test_resampling_keeps_a_dot_in_its_place() -> None:
    for seed in range(12):
        made = DEGRADATIONS["resampled"](dot((192, 240)), 4, rng(seed))
        assert np.abs((np.array(centre(made)) - centre(dot((192, 240)))) * made.shape[:2]).max() < 0.01


class TestSteps:
    def test_gaussian_noise_has_its_deviation(self) -> None:
        grey = np.full((200, 200, 3), 0.5, np.float32)
        noise = with_gaussian_noise(grey, 12.0, False, rng()) - grey
        assert noise.std() * 255 == pytest.approx(12, rel=0.01)
        assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.03
        same = with_gaussian_noise(grey, 12.0, True, rng()) - grey
        assert np.allclose(same[..., 0], same[..., 1], atol=1e-6)

    def test_poisson_noise_has_its_variance(self) -> None:
        """Two values: 2 counts for white, so at 0.5 the variance is 0.5 / 2."""
        half = np.full((300, 300, 3), 128 / 255, np.float32)
        half[:10] = 0
        noise = (with_poisson_noise(half, 0.1, False, rng()) - half)[10:]
        assert noise.var() / 0.1**2 == pytest.approx(128 / 255 / 2, rel=0.02)
        same = with_poisson_noise(half, 0.1, True, rng()) - half
        assert np.allclose(same[..., 0], same[..., 2], atol=1e-6)

    def test_jpeg_loses_more_the_lower_its_quality(self) -> None:
        losses = [np.abs(compressed(scene(), quality) - scene()).mean() for quality in (95, 60, 30)]
        assert losses == sorted(losses)
        assert losses[0] < losses[2]

    def test_jpeg_moves_nothing(self) -> None:
        picture = dot((192, 240))
        offset = (np.array(centre(compressed(picture, 95))) - centre(picture)) * picture.shape[:2]
        assert np.abs(offset).max() < 0.05  # of what is rounded; half a pixel of colours would be 0.5

    def test_flat_pictures_are_not_sharpened_and_edges_are(self) -> None:
        flat = np.full((80, 80, 3), 0.4, np.float32)
        assert np.allclose(sharpened(flat), flat, atol=1e-6)
        edge = flat.copy()
        edge[:, 40:] = 0.6
        assert sharpened(edge)[40, 39, 0] < 0.39
        assert sharpened(edge)[40, 40, 0] > 0.61
