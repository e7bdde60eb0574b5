import numpy as np
import pytest

from eval.features.inner_products import InnerProducts
from eval.kvd.alignment import CropMatch
from eval.kvd.layers import LayerDistances, mean_square
from eval.kvd.pairing import Pairing
from eval.metrics.bootstrap import draw_resamples
from eval.records.estimate import estimate, ratio

FRAMES, PHOTOS = np.repeat(np.arange(6), 2), np.repeat(np.arange(10, 14), 3)


def layer(seed=0, square=1.0, resamples=300, dimension=5):
    """Features of 12 rendered crops by two methods and of 12 real crops, of which 5 are partners of 8."""
    rng = np.random.default_rng(seed)
    real = rng.normal(size=(12, dimension))
    fakes = [rng.normal(0.5, 1, size=(12, dimension)), rng.normal(0.2, 1, size=(12, dimension))]
    products = InnerProducts(
        real @ real.T / dimension,
        tuple(fake @ fake.T / dimension for fake in fakes),
        tuple(fake @ real.T / dimension for fake in fakes),
    )
    fake, partner = np.array([0, 1, 2, 4, 5, 8, 9, 11]), np.array([0, 3, 3, 7, 1, 10, 3, 0])
    pairing = Pairing([CropMatch(0, 0, 1.0)], np.arange(12), np.array([0, 1, 3, 4, 6, 7, 9, 10]), partner, fake)
    draws = draw_resamples(FRAMES, count=resamples, seed=0)
    return LayerDistances(products, square, [FRAMES, FRAMES], PHOTOS, pairing, draws), real, fakes, pairing


def k(a, b, square=1.0):
    return (float(np.dot(a, b)) / len(a) / square + 1.0) ** 3


def slow_paired(x, y, x_images, y_images, square=1.0):
    """sKVD's estimator, pair of pairs by pair of pairs, in float64."""
    kept = [
        k(x[i], x[j], square) + k(y[i], y[j], square) - k(x[i], y[j], square) - k(x[j], y[i], square)
        for i in range(len(x))
        for j in range(len(x))
        if x_images[i] != x_images[j] and y_images[i] != y_images[j]
    ]
    return sum(kept) / len(kept)


def slow(x, y, x_images, y_images):
    """KVD's estimator, pair of list entries by pair of list entries, in float64."""

    def within(samples, images):
        kept = [
            k(samples[i], samples[j])
            for i in range(len(samples))
            for j in range(len(samples))
            if images[i] != images[j]
        ]
        return sum(kept) / len(kept)

    return within(x, x_images) + within(y, y_images) - 2 * np.mean([[k(a, b) for b in y] for a in x])


@pytest.mark.parametrize("square", [1.0, 2.5])
def test_skvd_is_the_distance_of_the_pairs(square):
    found, real, fakes, pairing = layer(square=square)
    for method, fake in enumerate(fakes):
        x, y = fake[pairing.fake], real[pairing.partner]
        wanted = slow_paired(x, y, FRAMES[pairing.fake], PHOTOS[pairing.partner], square)
        # 1e-10: float64, other order of sums.
        assert found.skvd(method)[0] == pytest.approx(1000 * wanted, rel=1e-10)


def test_kvd_is_the_distance_of_all_crops_and_the_sample():
    found, real, fakes, pairing = layer()
    wanted = slow(fakes[1], real[pairing.sample], FRAMES, PHOTOS[pairing.sample])
    assert found.kvd(1)[0] == pytest.approx(1000 * wanted, rel=1e-10)


def test_a_resample_is_the_distance_of_the_drawn_frames():
    """A frame drawn twice puts its crops and their partners into the lists twice."""
    found, real, fakes, pairing = layer(resamples=20)
    for row in (1, 7, 20):
        times = found.draws[row][pairing.fake].astype(int)
        x, y = np.repeat(pairing.fake, times), np.repeat(pairing.partner, times)
        wanted = slow_paired(fakes[0][x], real[y], FRAMES[x], PHOTOS[y])
        assert found.skvd(0)[row] == pytest.approx(1000 * wanted, rel=1e-10)


def test_draws_are_shared_and_seeded():
    one, two = (draw_resamples(FRAMES, count=5, seed=seed) for seed in (0, 1))
    assert (one[0] == 1).all()
    assert np.array_equal(one, draw_resamples(FRAMES, count=5, seed=0))
    assert not np.array_equal(one, two)


def test_mean_square_is_that_of_the_features():
    found, real, _, pairing = layer()
    assert mean_square(found.products.real, pairing.sample) == pytest.approx((real[pairing.sample] ** 2).mean())


def test_scaling_makes_the_unit_of_features_vanish():
    found, _, _, pairing = layer()
    square = mean_square(found.products.real, pairing.sample)
    plain = LayerDistances(found.products, square, [FRAMES, FRAMES], PHOTOS, pairing, found.draws)
    products = found.products
    tripled = InnerProducts(
        9 * products.real, tuple(9 * g for g in products.fake), tuple(9 * g for g in products.across)
    )
    scaled = LayerDistances(tripled, 9 * square, [FRAMES, FRAMES], PHOTOS, pairing, found.draws)
    # 1e-9 of the largest: resamples near 0 are differences of values of that size.
    # A resample in which one image holds all pairs has no value.
    slack = 1e-9 * np.nanmax(np.abs(plain.skvd(0)))
    assert scaled.skvd(0) == pytest.approx(plain.skvd(0), abs=slack, nan_ok=True)


def test_ratio_is_paired():
    # Twice the first method in every resample: exactly 2, however wide the first one's own interval is.
    values = np.array([4.0, 1.0, 2.0, 8.0, 9.0])
    assert ratio(2 * values, values, 0.95) == estimate(np.full(5, 2.0), 0.95)


def test_no_ratio_to_what_may_be_zero():
    values = np.concatenate([[1.0], np.linspace(-1, 3, 100)])
    assert ratio(values, values, 0.95) is None


def test_interval_covers_the_distance_of_the_whole_population():
    # 100 samples of 14 frames out of a population whose distance to fixed photographs is known from 1500
    # frames. Percentile intervals over 14 frames cover 93 %; 100 trials have a standard error of 2.5 %.
    rng = np.random.default_rng(0)
    every = np.arange(6 * 4)
    photos = rng.normal(size=(24, 8))
    sample = Pairing([], every, every, every[:0], every[:0])
    covered = 0

    def distances(frames, crops, count):
        x = np.repeat(rng.normal(0.4, 1, (frames, 8)), crops, axis=0) + 0.5 * rng.normal(size=(frames * crops, 8))
        products = InnerProducts(photos @ photos.T / 8, (x @ x.T / 8,), (x @ photos.T / 8,))
        groups = np.repeat(np.arange(frames), crops)
        draws = draw_resamples(groups, count=count, seed=int(rng.integers(2**32)))
        return LayerDistances(products, 1.0, [groups], -1 - every // 4, sample, draws).kvd(0)

    true = distances(1500, 1, 1)[0]
    for _ in range(100):
        found = estimate(distances(14, 4, 300), 0.95)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= true <= found.high
    assert covered >= 85
