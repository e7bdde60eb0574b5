import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.metrics.mmd import cubic_kernel, mmd2, paired_mmd2


def slow_mmd2(x, y, x_images, y_images):
    """The definition, pair by pair, in float64."""

    def k(a, b):
        return (sum(float(u) * float(v) for u, v in zip(a, b, strict=True)) / len(a) + 1.0) ** 3

    within = []
    for samples, images in ((x, x_images), (y, y_images)):
        pairs = [
            k(samples[i], samples[j])
            for i in range(len(samples))
            for j in range(len(samples))
            if images[i] != images[j]
        ]
        within.append(sum(pairs) / len(pairs))
    between = [k(a, b) for a, i in zip(x, x_images, strict=True) for b, j in zip(y, y_images, strict=True) if i != j]
    return within[0] + within[1] - 2 * sum(between) / len(between)


def fast_mmd2(x, y, x_images=None, y_images=None, **weights):
    d = x.shape[1]
    x_images = np.arange(len(x)) if x_images is None else x_images
    y_images = -1 - np.arange(len(y)) if y_images is None else y_images
    kernels = cubic_kernel(x @ x.T / d), cubic_kernel(x @ y.T / d), cubic_kernel(y @ y.T / d)
    return mmd2(*kernels, x_groups=x_images, y_groups=y_images, **weights)


def draw(seed, n=7, m=9, d=5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(0.3, 1.2, size=(m, d))


def test_worked_case():
    # x: 0 and 2, y: 1 and -1, one dimension. k(0, 2) = 1; k(1, -1) = 0;
    # k(0, ±1) = 1; k(2, 1) = 27; k(2, -1) = -1. So 1 + 0 - 2 * (1 + 1 + 27 - 1) / 4 = -13.
    x, y = np.array([[0.0], [2.0]]), np.array([[1.0], [-1.0]])
    assert fast_mmd2(x, y) == -13.0


def test_two_points_at_a_distance():
    # All x are 0 and all y are c: k(x, x) = k(x, y) = 1 and k(y, y) = (c² + 1)³, so MMD² = (c² + 1)³ - 1.
    x, y = np.zeros((3, 4)), np.full((5, 4), 0.5)
    # 1e-12: float64, sums of a few dozen terms.
    assert fast_mmd2(x, y) == pytest.approx(1.25**3 - 1, rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_definition(seed):
    x, y = draw(seed)
    images = np.arange(7) // 2, 2 + np.arange(9) // 3  # images 2 and 3 stand on both sides
    # 1e-11: both in float64; only the order of the sums differs.
    assert fast_mmd2(x, y, *images) == pytest.approx(slow_mmd2(x, y, *images), rel=1e-11, abs=1e-11)


def test_expected_value_is_zero_for_one_distribution():
    # Unbiased: the mean over many draws of two sets of one distribution is 0 within 4 standard errors.
    rng = np.random.default_rng(0)
    values = [fast_mmd2(rng.normal(size=(6, 3)), rng.normal(size=(8, 3))) for _ in range(2000)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))


def test_crops_of_one_image_do_not_bias():
    # Two crops of an image differ by little noise. Counting their pairs would look like a narrower
    # distribution (the mean would be about 0.4); leaving them out keeps the mean at 0.
    rng = np.random.default_rng(0)

    def images(n):
        return np.repeat(rng.normal(size=(n, 3)), 2, axis=0) + 0.1 * rng.normal(size=(2 * n, 3))

    groups = np.arange(12) // 2
    pairs = [(images(6), images(6)) for _ in range(2000)]
    values = [fast_mmd2(x, y, groups, -1 - groups) for x, y in pairs]
    counted = [fast_mmd2(x, y) for x, y in pairs]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))
    assert np.mean(counted) > 4 * np.std(counted) / np.sqrt(len(counted))


def test_a_set_and_itself():
    # All three means are over the same pairs.
    x, _ = draw(5)
    assert fast_mmd2(x, x, np.arange(7) // 2, np.arange(7) // 2) == pytest.approx(0, abs=1e-12)


def test_whole_weights_are_repetitions():
    # A weight of 2 is a sample that stands in the list twice; it never pairs with its own copy.
    x, y = draw(1)
    x_counts, y_counts = np.array([2, 1, 0, 1, 3, 1, 1.0]), np.array([1, 2, 1, 0, 1, 1, 1, 2, 1.0])
    x_rows, y_rows = np.repeat(np.arange(7), x_counts.astype(int)), np.repeat(np.arange(9), y_counts.astype(int))
    weighted = fast_mmd2(x, y, x_counts=x_counts, y_counts=y_counts)
    assert weighted == pytest.approx(slow_mmd2(x[x_rows], y[y_rows], x_rows, -1 - y_rows), rel=1e-11)


def test_weights_of_one_are_the_plain_estimate():
    x, y = draw(2)
    ones = fast_mmd2(x, y, x_counts=np.ones((4, 7)), y_counts=np.ones((4, 9)))
    assert ones.shape == (4,)
    assert ones == pytest.approx(np.full(4, fast_mmd2(x, y)), rel=1e-13)


def test_one_resample_does_not_touch_another():
    x, y = draw(3)
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 4, (5, 7)).astype(float), rng.integers(0, 4, (5, 9)).astype(float)
    alone = [fast_mmd2(x, y, x_counts=a[i], y_counts=b[i]) for i in range(5)]
    assert fast_mmd2(x, y, x_counts=a, y_counts=b) == pytest.approx(np.array(alone), rel=1e-12)


def test_no_pair_is_no_number():
    x, y = draw(4)
    assert np.isnan(fast_mmd2(x, y, x_images=np.zeros(7, int)))


def test_shapes_must_fit():
    with pytest.raises(ValueError, match="wanted"):
        mmd2(np.ones((2, 2)), np.ones((2, 3)), np.ones((2, 2)), x_groups=np.arange(2), y_groups=np.arange(3))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 6), m=st.integers(2, 6))
def test_symmetric_and_blind_to_order(seed, n, m):
    x, y = draw(seed, n, m)
    rng = np.random.default_rng(seed)
    forth = fast_mmd2(x, y)
    # 1e-9 of the largest kernel value: sums of the same terms in another order.
    slack = 1e-9 * max(1.0, float(np.abs(cubic_kernel(np.concatenate([x, y]) @ np.concatenate([x, y]).T / 5)).max()))
    assert fast_mmd2(y, x) == pytest.approx(forth, abs=slack)
    assert fast_mmd2(rng.permutation(x), rng.permutation(y)) == pytest.approx(forth, abs=slack)


def kernels(x, y):
    return tuple(cubic_kernel(a @ b.T / x.shape[1]) for a, b in ((x, x), (x, y), (y, y)))


def slow_paired(x, y, x_images, y_images, counts):
    """The definition, pair by pair of pairs, in float64."""

    def k(a, b):
        return (float(a @ b) / len(a) + 1.0) ** 3

    total = weight = 0.0
    for i in range(len(x)):
        for j in range(len(x)):
            if x_images[i] == x_images[j] or y_images[i] == y_images[j]:
                continue
            if x_images[i] == y_images[j] or x_images[j] == y_images[i]:
                continue
            both = counts[i] * counts[j]
            total += both * (k(x[i], x[j]) + k(y[i], y[j]) - k(x[i], y[j]) - k(x[j], y[i]))
            weight += both
    return total / weight


class TestPaired:
    @pytest.mark.parametrize("seed", range(5))
    def test_agrees_with_the_definition(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        x, y = draw(seed, n=9, m=9)
        images = np.arange(9) // 2, np.array([3, 3, 5, 6, 7, 7, 8, 9, 9])  # images 3 and 4 may stand on both sides
        counts = rng.integers(0, 3, size=(4, 9)).astype(float)
        found = paired_mmd2(*kernels(x, y), x_groups=images[0], y_groups=images[1], counts=counts)
        # 1e-11: both in float64; only the order of the sums differs.
        assert found == pytest.approx([slow_paired(x, y, *images, one) for one in counts], rel=1e-11, abs=1e-11)
        plain = paired_mmd2(*kernels(x, y), x_groups=images[0], y_groups=images[1])
        assert plain == pytest.approx(slow_paired(x, y, *images, np.ones(9)), rel=1e-11, abs=1e-11)

    def test_two_sets_that_are_one(self) -> None:
        """x_i = y_i: every term is 0, whatever is left out."""
        x, _ = draw(0)
        groups = np.arange(7) // 2
        found = paired_mmd2(*kernels(x, x), x_groups=groups, y_groups=-1 - np.arange(7) // 3)
        assert found == pytest.approx(0, abs=1e-12)

    def test_two_points_at_a_distance(self) -> None:
        """As above: (c² + 1)³ - 1."""
        x, y = np.zeros((4, 4)), np.full((4, 4), 0.5)
        found = paired_mmd2(*kernels(x, y), x_groups=np.arange(4), y_groups=-1 - np.arange(4))
        assert found == pytest.approx(1.25**3 - 1, rel=1e-12)

    def test_unbiased_where_layouts_differ_and_photographs_are_few(self) -> None:
        """Both sides of one law given the layout; frames and photographs have layouts that they prefer.

        Means of their own (`mmd2`) are too low then: what one photograph has often is left out among the y alone.
        """
        found = np.array([null_distances(seed) for seed in range(80)])
        mean, error = found.mean(0), found.std(0, ddof=1) / np.sqrt(len(found))
        assert abs(mean[0]) < 4 * error[0]
        assert mean[1] < -8 * error[1]

    def test_resamples_lie_around_the_value(self) -> None:
        """Of whole images on the side of x; pairs of copies count no more than pairs of one image."""
        rng = np.random.default_rng(0)
        x, y, x_images, y_images = null_pairs(rng)
        drawn = rng.multinomial(x_images.max() + 1, np.full(x_images.max() + 1, 1 / (x_images.max() + 1)), size=800)
        groups = {"x_groups": x_images, "y_groups": y_images}
        values = paired_mmd2(*kernels(x, y), **groups, counts=drawn[:, x_images].astype(float))
        plain = paired_mmd2(*kernels(x, y), **groups)
        # A ratio of means is off by less than a tenth of its spread with 40 images.
        assert abs(values.mean() - plain) < 0.1 * values.std()

    def test_no_pair_is_left(self) -> None:
        x, y = draw(0, n=4, m=4)
        assert np.isnan(paired_mmd2(*kernels(x, y), x_groups=np.zeros(4, int), y_groups=-1 - np.arange(4)))
        with pytest.raises(ValueError, match="for 4 pairs"):
            paired_mmd2(*kernels(x, y[:3]), x_groups=np.arange(4), y_groups=np.arange(3))


def null_pairs(rng, frames=40, crops=4, photos=12, candidates=24, layouts=6, d=16):
    """Crops of frames and of photographs of one law, each with a partner of the same layout; images are numbers."""
    of_layout = rng.normal(1, 1, (layouts, d))

    def side(images, count):
        preferred = rng.dirichlet(np.full(layouts, 0.5), images)
        layout = np.concatenate([rng.choice(layouts, count, p=chances) for chances in preferred])
        own = np.repeat(rng.normal(0, 0.5, (images, d)), count, axis=0)
        return of_layout[layout] + own + rng.normal(size=own.shape), layout, np.repeat(np.arange(images), count)

    (x, x_layout, x_images), (y, y_layout, y_images) = side(frames, crops), side(photos, candidates)
    partner = [rng.choice(np.flatnonzero(y_layout == one)) if (y_layout == one).any() else -1 for one in x_layout]
    kept, partner = np.flatnonzero(np.array(partner) >= 0), np.array([one for one in partner if one >= 0])
    return x[kept], y[partner], x_images[kept], -1 - y_images[partner]


def null_distances(seed):
    x, y, x_images, y_images = null_pairs(np.random.default_rng(seed))
    groups = {"x_groups": x_images, "y_groups": y_images}
    return paired_mmd2(*kernels(x, y), **groups), mmd2(*kernels(x, y), **groups)
