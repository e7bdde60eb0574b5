"""Vignette, sharpness and grain, each against its closed form."""

import cv2
import numpy as np
import pytest

from eval.transfers.grading import grain, sharpness, vignette


def noise(seed: int, shape: tuple[int, ...] = (180, 240)) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


class TestVignette:
    def test_the_radius_is_1_in_the_corners(self) -> None:
        found = vignette.radius_squared(101, 301)
        assert found[50, 150] == 0
        assert found[0, 0] == found[-1, -1] == pytest.approx(1, abs=0.02)  # of the outermost pixel's centre

    @pytest.mark.parametrize("k", [-0.4, 0.0, 0.2])
    def test_measures_k_below_a_sky_of_any_brightness(self, k: float) -> None:
        sky = np.linspace(0.9, 0.1, 90)[:, None] * np.ones(160)
        assert vignette.falloff([sky * 0 + 0.5 * (1 + k * vignette.radius_squared(90, 160))]).mean == pytest.approx(k)
        # Rows count by their brightness here, and the corners above are no darker than the centre's surroundings.
        found = vignette.falloff([sky * (1 + k * vignette.radius_squared(90, 160))]).mean
        assert found == pytest.approx(k, abs=0.03)

    def test_only_a_certain_lack_is_added(self) -> None:
        none, strong = vignette.Falloff(0.0, 0.02), vignette.Falloff(-0.3, 0.05)
        assert vignette.fit(none, strong) == pytest.approx(-0.3)
        assert vignette.fit(strong, strong) == 0
        assert vignette.fit(none, vignette.Falloff(-0.3, 0.2)) == 0  # may be chance
        assert vignette.fit(vignette.Falloff(0.3, 0.02), none) == 0  # bright corners of frames are no vignette

    def test_the_mean_stays(self) -> None:
        image = np.full((40, 60, 3), 0.5)
        made = vignette.apply(image, -0.4)
        assert made.mean() == pytest.approx(0.5)
        assert made[0, 0, 0] / made[20, 30, 0] == pytest.approx((1 - 0.4 * 0.62) / (1 + 0.4 * 0.34), rel=0.05)


class TestSharpness:
    def test_white_noise_has_its_variance_in_every_band(self) -> None:
        found = sharpness.spectrum([2 * noise(seed) for seed in range(20)])
        # A band holds 300 coefficients or more of each picture, most of them coupled in threes by the window.
        np.testing.assert_allclose(found, 4, rtol=0.06)

    @pytest.mark.parametrize("strength", [-1.5, -0.4, 0.6, 2.0])
    def test_the_gain_is_what_the_filter_does(self, strength: float) -> None:
        planes = [noise(seed) for seed in range(20)]
        made = [sharpness.apply(np.repeat(plane[..., None], 3, 2), strength)[..., 0] for plane in planes]
        found = sharpness.spectrum(made) / sharpness.spectrum(planes)
        # Bands are 1/64 wide, within which a strong blur falls by a third, and leak through the window.
        np.testing.assert_allclose(found, sharpness.gain(strength), rtol=0.15, atol=1e-4)

    def test_a_blur_is_the_gaussian(self) -> None:
        plane = noise(0)
        made = sharpness.apply(np.repeat(plane[..., None], 3, 2), -1.3)[..., 1]
        wanted = cv2.GaussianBlur(plane, (0, 0), 1.3, borderType=cv2.BORDER_REFLECT)
        # OpenCV's kernel ends elsewhere: weights below 1e-3.
        np.testing.assert_allclose(made, wanted, atol=5e-3)

    @pytest.mark.parametrize("strength", [-1.2, -0.5, 0.3, 0.6])
    def test_finds_the_strength(self, strength: float) -> None:
        power = sharpness.FREQUENCIES**-2.5
        found = sharpness.fit(power, power * sharpness.gain(strength), (0.0, 0.0))
        assert found == pytest.approx(strength, abs=1e-6)

    def test_ends_where_halos_begin(self) -> None:
        power = sharpness.FREQUENCIES**-2.5
        found = sharpness.fit(power**2, power, (0.0, 0.0))
        assert found == pytest.approx(sharpness.STRONGEST)
        step = np.tile((np.arange(64) > 31).astype(float)[None, :, None], (64, 1, 3))
        assert sharpness.apply(step, found).max() == pytest.approx(1.2, abs=0.01)

    def test_noise_is_not_taken_for_sharpness(self) -> None:
        power = sharpness.FREQUENCIES**-2.5
        noisy = power * sharpness.gain(-0.5) + 6.0
        assert sharpness.fit(power, noisy, (0.0, 6.0)) == pytest.approx(-0.5, abs=1e-6)
        assert sharpness.fit(power, noisy, (0.0, 0.0)) > -0.35  # as it would be

    def test_all_noise_sharpens_nothing(self) -> None:
        power = sharpness.FREQUENCIES**-2.5
        assert sharpness.fit(power, power * 3, (1e3, 1e3)) == 0

    def test_small_pictures_are_refused(self) -> None:
        with pytest.raises(ValueError, match="60x70"):
            sharpness.spectrum([noise(0, (70, 60))])


class TestGrain:
    def test_measures_noise_on_any_slope(self) -> None:
        ramp = np.linspace(0.2, 0.8, 240) * np.ones((180, 1))
        found = grain.noise([ramp + 0.02 * noise(seed) for seed in range(5)])
        # The flattest tenth of 165 blocks: 4,000 responses a picture, their deviation known to 2 %.
        assert found == pytest.approx(0.02, rel=0.04)

    def test_texture_elsewhere_does_not_count(self) -> None:
        plane = 0.5 + 0.01 * noise(0)
        plane[:, :180] += 0.2 * cv2.GaussianBlur(noise(1), (0, 0), 1.0)[:, :180]
        assert grain.noise([plane]) == pytest.approx(0.01, rel=0.1)

    def test_clipped_places_do_not_count(self) -> None:
        plane = np.clip(np.where(np.arange(240) < 180, 1.2, 0.5) + 0.02 * noise(0), 0, 1)
        assert grain.noise([plane]) == pytest.approx(0.02, rel=0.1)
        assert grain.noise([np.ones((64, 64))]) == 0

    def test_variances_add_up(self) -> None:
        assert grain.fit(3 / 255, 5 / 255) == pytest.approx(4 / 255)
        assert grain.fit(5 / 255, 3 / 255) == 0
        assert grain.fit(0.0, 0.2 / 255) == 0  # would round to nothing

    def test_depends_on_key_and_seed_alone(self) -> None:
        grey = np.full((30, 30, 3), 0.5)
        first = grain.apply(grey, 0.02, "a", 0)
        assert np.array_equal(first, grain.apply(grey, 0.02, "a", 0))
        assert not np.array_equal(first, grain.apply(grey, 0.02, "b", 0))
        assert not np.array_equal(first, grain.apply(grey, 0.02, "a", 1))
        assert np.ptp(first, axis=2).max() == 0  # of luma
        assert first.std() == pytest.approx(0.02, rel=0.1)


def test_no_pictures() -> None:
    for measure in (vignette.falloff, sharpness.spectrum, grain.noise):
        with pytest.raises(ValueError, match="no pictures"):
            measure([])
