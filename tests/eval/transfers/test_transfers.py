"""Transfers of colour against what defines them: equal histograms, equal moments, the least movement, equal sets."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from skimage import exposure

from datasets.images import Images, write_png
from eval import baselines
from eval.transfers import histogram, idt, transport
from gbuffer_tools import command


def pictures(seed: int, mean: tuple[int, int, int], spread: tuple[int, int, int], count: int = 2) -> list[np.ndarray]:
    """Colours of one normal distribution whose axes are not those of RGB."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(np.random.default_rng(seed + 100).normal(size=(3, 3)))[0]
    values = rng.normal(size=(count, 40, 50, 3)) * spread @ turn + mean
    return list(np.clip(np.round(values), 0, 255).astype(np.uint8))


@pytest.fixture
def few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five of each pixel: these pictures have 4,000."""
    monkeypatch.setattr(idt, "SAMPLES", 20_000)


DARK, LIGHT = pictures(0, (80, 100, 90), (20, 9, 4)), pictures(1, (150, 140, 120), (8, 25, 12))


class TestHistogram:
    def test_the_shares_are_the_targets(self) -> None:
        table = histogram.table(histogram.histogram(DARK), histogram.histogram(LIGHT))
        moved = [np.round(histogram.match(image, table) * 255).astype(np.uint8) for image in DARK]
        ours, theirs = (np.cumsum(histogram.histogram(images), axis=1) for images in (moved, LIGHT))
        # A value of 8 bits holds up to 4 % of these pixels, and moves as one.
        assert np.abs(ours - theirs).max() < 0.04

    def test_scikit_image_agrees(self) -> None:
        wanted = exposure.match_histograms(DARK[0], LIGHT[0], channel_axis=-1)
        table = histogram.table(histogram.histogram(DARK[:1]), histogram.histogram(LIGHT[:1]))
        # They take the upper end of a value's step for its place, we the middle, and they cut the result to integers.
        assert np.abs(histogram.match(DARK[0], table) * 255 - wanted).max() <= 2

    def test_a_set_onto_itself_stays(self) -> None:
        own = histogram.histogram(DARK)
        assert np.abs(histogram.match(DARK[0], histogram.table(own, own)) * 255 - DARK[0]).max() < 1e-9

    def test_no_pictures(self) -> None:
        with pytest.raises(ValueError, match="no pictures"):
            histogram.histogram([])


class TestTransport:
    def test_moments_are_those_of_all_pixels(self) -> None:
        colours = np.concatenate([image.reshape(-1, 3) for image in DARK]) / 255
        found = transport.moments(DARK)
        np.testing.assert_allclose(found.mean, colours.mean(0), rtol=1e-12)
        np.testing.assert_allclose(found.covariance, np.cov(colours.T, bias=True), rtol=1e-9)

    def test_the_result_has_the_targets_moments(self) -> None:
        ours, theirs = transport.moments(DARK), transport.moments(LIGHT)
        moved = np.concatenate([transport.transfer(image, ours, theirs).reshape(-1, 3) for image in DARK])
        np.testing.assert_allclose(moved.mean(0), theirs.mean, atol=1e-12)
        np.testing.assert_allclose(np.cov(moved.T, bias=True), theirs.covariance, atol=1e-12)

    def test_the_map_moves_least(self) -> None:
        """The gradient of a convex function is: symmetric, positive; and no rotation of it moves less."""
        ours, theirs = transport.moments(DARK), transport.moments(LIGHT)
        matrix = transport.transport(ours, theirs)
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
        assert np.linalg.eigvalsh(matrix).min() > 0
        # Peyre, Cuturi, "Computational Optimal Transport", 2019, remark 2.31: the squared distance of two normals.
        half = transport.root(ours.covariance, 0.5)
        wanted = np.trace(
            ours.covariance + theirs.covariance - 2 * transport.root(half @ theirs.covariance @ half, 0.5)
        )
        moved = (np.eye(3) - matrix) @ ours.covariance @ (np.eye(3) - matrix)
        assert np.trace(moved) == pytest.approx(wanted, rel=1e-9)

    @pytest.mark.parametrize(("before", "after"), [(4, 5), (2, 12), (40, 0.5), (0, 5)])
    def test_small_spreads_are_stretched_too(self, before: float, after: float) -> None:
        """The spread of one axis in steps of 8 bits; one that is not there stays away."""
        ours, theirs = (
            transport.ColourMoments(np.full(3, 0.5), np.diag([30.0, 20.0, spread]) ** 2 / 255**2)
            for spread in (before, after)
        )
        matrix = transport.transport(ours, theirs)
        spread = 255 * np.sqrt((matrix @ ours.covariance @ matrix)[2, 2])
        assert spread == pytest.approx(after if before else 0, rel=1e-9)

    @pytest.mark.parametrize("axes", [0, 1, 2])
    def test_colours_without_spread_are_only_shifted(self, axes: int) -> None:
        flat = np.full((9, 8, 3), 80, np.uint8)
        flat[..., :axes] = np.random.default_rng(0).integers(0, 256, (9, 8, axes))
        ours, theirs = transport.moments([flat]), transport.moments(LIGHT)
        moved = transport.transfer(flat, ours, theirs)
        assert np.isfinite(moved).all()
        np.testing.assert_allclose(moved.mean((0, 1)), theirs.mean, atol=1e-12)

    def test_no_pictures(self) -> None:
        with pytest.raises(ValueError, match="no pictures"):
            transport.moments([])


class TestIdt:
    def test_the_distribution_is_the_targets_along_any_axis(self) -> None:
        chain = idt.fit(idt.sample(DARK, 0), idt.sample(LIGHT, 0), 0)
        moved = np.concatenate([idt.transfer(image, chain).reshape(-1, 3) for image in DARK])
        wanted = np.concatenate([image.reshape(-1, 3) for image in LIGHT]) / 255
        before = np.concatenate([image.reshape(-1, 3) for image in DARK]) / 255
        fractions = np.linspace(0.02, 0.98, 49)
        for axis in np.random.default_rng(5).normal(size=(20, 3)):
            ours, theirs, old = (np.quantile(x @ axis, fractions) for x in (moved, wanted, before))
            # 4,000 pixels a set: a quantile near the end is uncertain by 0.01.
            assert np.abs(ours - theirs).max() < 0.015
            assert np.abs(ours - theirs).mean() < 0.06 * np.abs(old - theirs).mean()

    @pytest.mark.usefixtures("few_samples")
    def test_a_set_onto_itself_stays(self) -> None:
        own = idt.sample(DARK, 0)
        # Within the gaps between quantiles of 8-bit colours.
        assert np.abs(idt.transfer(DARK[0], idt.fit(own, own, 0)) * 255 - DARK[0]).max() < 0.5

    @pytest.mark.usefixtures("few_samples")
    def test_the_seed_decides(self) -> None:
        chains = [idt.fit(idt.sample(DARK, 0), idt.sample(LIGHT, 0), seed) for seed in (0, 0, 1)]
        first, again, other = (idt.transfer(DARK[1], chain) for chain in chains)
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.floats(-3, 3), min_size=2, max_size=9), st.lists(st.floats(-9, 9), min_size=1, max_size=9))
    @example(ours=[0.0, 2.2e-311], values=[1.0, 2.2e-313])
    @example(ours=[0.0, 2.2e-311, 1.0], values=[0.0, 2.2e-313, 0.5])
    def test_maps_along_an_axis_keep_the_order(self, ours: list[float], values: list[float]) -> None:
        theirs = np.linspace(-1, 1, len(ours))
        moved = idt.moved_along(np.sort(values), np.sort(ours), theirs)
        assert np.isfinite(moved).all()
        assert (np.diff(moved) >= -1e-12).all()

    def test_no_pictures(self) -> None:
        with pytest.raises(ValueError, match="no pictures"):
            idt.sample([], 0)


@pytest.mark.usefixtures("few_samples")
@pytest.mark.parametrize("name", list(baselines.TRANSFERS))
def test_the_command_brings_every_transfer_nearer(name: str, tmp_path) -> None:
    for folder, images in (("frames", DARK), ("photos", LIGHT)):
        for i, image in enumerate(images):
            write_png(tmp_path / folder / f"{i}.png", image)
    words = [name, "--source", tmp_path / "frames", "--target", tmp_path / "photos", "--out", tmp_path / "out"]
    assert command.run(baselines.main, baselines.build_parser(), [str(word) for word in words]) == 0
    means = [np.mean([image.mean((0, 1)) for image in images], axis=0) for images in (Images(tmp_path / "out"), LIGHT)]
    assert np.abs(means[0] - means[1]).max() < 3
