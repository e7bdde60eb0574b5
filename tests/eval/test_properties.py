"""What must hold of metrics whatever the numbers: identity, symmetry, invariances, and growth with what they measure.

Examples are drawn by hypothesis, the same ones every time. Slack: float64 sums in another order, 1e-9 of their terms,
unless said.
"""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from epe.losses.perceptual import LAYERS
from epe.networks.backbones.vgg import CHANNELS, VGG16
from eval.metrics import kid_cmmd
from eval.metrics.bootstrap import interval, resample_counts
from eval.metrics.frechet import FeatureGaussian, fit_gaussian, frechet
from eval.metrics.kid_cmmd import GaussianKernel, cmmd, kid
from eval.metrics.lpips import lpips
from eval.metrics.mmd import cubic_kernel, mmd2
from eval.metrics.niqe import BLOCK, FEATURES, Pristine, features, halved, niqe
from eval.metrics.precision_recall import precision, recall
from eval.metrics.psnr_ssim import psnr, ssim
from eval.metrics.warping import seen_again, warping_error
from gbuffer_tools.io.psnr import MAX_PSNR

few = settings(max_examples=15, deadline=None, derandomize=True)
SEEDS = st.integers(0, 2**32 - 1)
STRETCH = st.floats(0.25, 4)
SHIFTS = (0.5, 1.0, 2.0, 4.0)
AMOUNTS = (2.0, 8.0, 24.0, 60.0)


def draw(seed: int, n: int = 24, m: int = 31, d: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of unlike distributions."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(0.3, 1.3, (m, d))


def turn(seed: int, d: int = 6) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng([seed, 1]).normal(size=(d, d)))[0]


def shuffled(seed: int, x: np.ndarray) -> np.ndarray:
    return np.random.default_rng([seed, 2]).permutation(x)


# Distances of two sets of features: (N, D), (M, D) -> number.


def grouped(x: np.ndarray, y: np.ndarray) -> float:
    """`mmd2` of Gram matrices, every sample an image of its own."""
    d = x.shape[1]
    groups = {"x_groups": np.arange(len(x)), "y_groups": len(x) + np.arange(len(y))}
    return float(mmd2(cubic_kernel(x @ x.T / d), cubic_kernel(x @ y.T / d), cubic_kernel(y @ y.T / d), **groups))


def blocked(kernel: kid_cmmd.Kernel, *, unbiased: bool) -> Callable[[np.ndarray, np.ndarray], float]:
    return lambda x, y: kid_cmmd.mmd2_in_blocks(torch.from_numpy(x), torch.from_numpy(y), kernel, unbiased=unbiased)


def normal(x: np.ndarray, y: np.ndarray) -> float:
    return frechet(fit_gaussian([x]), fit_gaussian([y[:9], y[9:]]))


UNBIASED = {
    "mmd of inner products": grouped,
    "cubic": blocked(kid_cmmd.kid_kernel, unbiased=True),
    "Gaussian": blocked(GaussianKernel(2.0), unbiased=True),
}
BIASED = {
    "cubic_kernel, biased": blocked(kid_cmmd.kid_kernel, unbiased=False),
    "GaussianKernel, biased": blocked(GaussianKernel(2.0), unbiased=False),
    "CMMD": lambda x, y: cmmd(torch.from_numpy(x), torch.from_numpy(y)),
    "Frechet": normal,
}
DISTANCES = UNBIASED | BIASED
every_distance = pytest.mark.parametrize("name", DISTANCES)


@pytest.mark.parametrize("name", BIASED)
@few
@given(seed=SEEDS)
def test_a_set_is_at_no_distance_from_itself_and_at_some_from_others(name: str, seed: int) -> None:
    x, y = draw(seed)
    # Frechet's roots of eigenvalues keep half of the digits.
    assert BIASED[name](x, shuffled(seed, x)) == pytest.approx(0, abs=1e-6)
    assert BIASED[name](x, y) > 1e-3


@pytest.mark.parametrize("name", UNBIASED)
@few
@given(seed=SEEDS)
def test_without_bias_a_set_is_less_than_nothing_away_from_itself(name: str, seed: int) -> None:
    """2 (mean of pairs - mean with the diagonal), and a positive kernel's diagonal is no less than its mean."""
    x, _ = draw(seed)
    assert UNBIASED[name](x, x.copy()) <= 0


@every_distance
@few
@given(seed=SEEDS)
def test_distances_are_symmetric_blind_to_order_and_to_the_axes(name: str, seed: int) -> None:
    (x, y), q = draw(seed), turn(seed)
    distance = DISTANCES[name]
    wanted = pytest.approx(distance(x, y), rel=1e-7, abs=1e-9)
    assert distance(y, x) == wanted
    assert distance(shuffled(seed, x), shuffled(seed, y)) == wanted
    assert distance(x @ q, y @ q) == wanted


@every_distance
@few
@given(seed=SEEDS)
def test_distances_grow_with_a_shift_of_the_mean(name: str, seed: int) -> None:
    x, _ = draw(seed)
    x -= x.mean(0)
    along = turn(seed)[0]
    found = [DISTANCES[name](x, x + size * along) for size in (0.0, *SHIFTS)]
    assert found == sorted(found)


@pytest.mark.parametrize("name", BIASED)
@few
@given(seed=SEEDS)
def test_a_biased_distance_is_one_of_distributions(name: str, seed: int) -> None:
    """Every sample twice is the same distribution; covariances over N - 1 are those of it for many samples only."""
    x, y = draw(seed)
    rel = 0.1 if name == "Frechet" else 1e-9
    assert BIASED[name](np.repeat(x, 2, 0), y) == pytest.approx(BIASED[name](x, y), rel=rel)


@pytest.mark.parametrize("name", ["Gaussian", "GaussianKernel, biased", "CMMD", "Frechet"])
@few
@given(seed=SEEDS)
def test_where_zero_lies_does_not_matter(name: str, seed: int) -> None:
    (x, y), away = draw(seed), 3 * turn(seed)[0]
    assert DISTANCES[name](x + away, y + away) == pytest.approx(DISTANCES[name](x, y), rel=1e-7)


@few
@given(seed=SEEDS, scale=STRETCH)
def test_frechet_by_closed_forms(seed: int, scale: float) -> None:
    x, y = draw(seed)
    along, variances = turn(seed)[0], np.square(y[0]) + 0.1
    # Equal covariances: the square of the shift.
    assert normal(x, x + scale * along) == pytest.approx(scale**2, rel=1e-6)
    # The unit of features counts squared.
    assert normal(scale * x, scale * y) == pytest.approx(scale**2 * normal(x, y), rel=1e-7)
    # Scaled about the mean: deviations apart by (scale - 1), in every direction.
    spread = np.trace(np.cov(x, rowvar=False))
    about = x.mean(0) + scale * (x - x.mean(0))
    assert normal(x, about) == pytest.approx((scale - 1) ** 2 * spread, rel=1e-6, abs=1e-6)
    # Axes in common: the deviations' own distance.
    one, other = (FeatureGaussian(np.zeros(6), np.diag(v), 9) for v in (np.square(x[0]), variances))
    assert frechet(one, other) == pytest.approx(np.square(np.abs(x[0]) - np.sqrt(variances)).sum(), rel=1e-7)


@few
@given(seed=SEEDS, scale=STRETCH)
def test_weights_of_samples_have_no_unit_and_zero_leaves_out(seed: int, scale: float) -> None:
    x, y = draw(seed)
    rng, d = np.random.default_rng(seed), x.shape[1]
    kernel = cubic_kernel(x @ x.T / d), cubic_kernel(x @ y.T / d), cubic_kernel(y @ y.T / d)
    groups = {"x_groups": np.arange(len(x)) // 2, "y_groups": 99 + np.arange(len(y)) // 3}
    a, b = rng.uniform(0.1, 2, (3, len(x))), rng.uniform(0.1, 2, (3, len(y)))
    plain = mmd2(*kernel, **groups, x_counts=a, y_counts=b)
    assert plain.shape == (3,)
    assert mmd2(*kernel, **groups, x_counts=scale * a, y_counts=b / scale) == pytest.approx(plain, rel=1e-9, abs=1e-9)
    only = (np.arange(len(x)) < 8).astype(float)
    cut = mmd2(
        kernel[0][:8, :8], kernel[1][:8], kernel[2], x_groups=groups["x_groups"][:8], y_groups=groups["y_groups"]
    )
    assert mmd2(*kernel, **groups, x_counts=only) == pytest.approx(cut, rel=1e-9, abs=1e-9)


@few
@given(seed=SEEDS)
def test_kid_of_whole_sets_is_the_distance_itself(seed: int) -> None:
    x, y = (torch.from_numpy(side) for side in draw(seed, 20, 20))
    found = kid(x, y, subsets=3, size=20)
    assert found.mean == pytest.approx(
        kid_cmmd.mmd2_in_blocks(x, y, kid_cmmd.kid_kernel, unbiased=True), rel=1e-9, abs=1e-9
    )
    assert found.deviation == pytest.approx(0, abs=1e-9)


@few
@given(seed=SEEDS, k=st.integers(1, 4), scale=STRETCH)
def test_precision_and_recall(seed: int, k: int, scale: float) -> None:
    x, y = draw(seed)
    a, b = torch.from_numpy(x), torch.from_numpy(y)
    assert precision(a, b, k) == recall(b, a, k)
    moved = [torch.from_numpy(scale * shuffled(seed, side) @ turn(seed) + 1) for side in (x, y)]
    for fraction in (precision, recall):
        found = fraction(a, b, k)
        assert fraction(*moved, k) == found
        assert (fraction(a, a.clone(), k), fraction(a, b + 100, k)) == (1, 0)
        assert fraction(a, b, k + 2) >= found


# Pictures.


def picture(seed: int, size: tuple[int, int] = (40, 48)) -> np.ndarray:
    """Smooth and not near black or white: (H, W, 3) uint8."""
    noise = np.random.default_rng(seed).normal(size=(*size, 3))
    return np.clip(127 + 150 * cv2.GaussianBlur(noise, (0, 0), 3), 40, 215).astype(np.uint8)


def noisy(seed: int, image: np.ndarray, amount: float) -> np.ndarray:
    """The same noise, stronger and stronger."""
    noise = np.random.default_rng([seed, 3]).normal(size=image.shape)
    return np.clip(image + amount * noise, 0, 255).astype(np.uint8)


def soft(image: np.ndarray, amount: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), 0.3 + amount / 12)


@few
@given(seed=SEEDS)
def test_psnr_and_ssim(seed: int) -> None:
    a = picture(seed)
    b = noisy(seed, a, 12)
    for metric, same in ((psnr, MAX_PSNR), (ssim, 1.0)):
        plain = pytest.approx(metric(a, b), rel=1e-9)
        assert metric(a, a.copy()) == pytest.approx(same, rel=1e-12)
        assert metric(b, a) == plain
        for change in (
            lambda x: x[::-1],
            lambda x: x[:, ::-1],
            lambda x: x.swapaxes(0, 1),
            lambda x: x[..., [2, 0, 1]],
        ):
            assert metric(*(np.ascontiguousarray(change(x)) for x in (a, b))) == plain
        for worse in ([noisy(seed, a, amount) for amount in AMOUNTS], [soft(a, amount) for amount in AMOUNTS]):
            found = [metric(a, other) for other in worse]
            assert found == sorted(found, reverse=True)
            assert max(found) < same
    assert psnr(255 - a, 255 - b) == pytest.approx(psnr(a, b), rel=1e-12)


@few
@given(seed=SEEDS, scale=STRETCH)
def test_lpips_of_features(seed: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    a, b = ({name: torch.rand(2, CHANNELS[name], 3, 4, generator=generator) for name in LAYERS} for _ in range(2))
    weights = {name: torch.rand(CHANNELS[name], generator=generator) for name in LAYERS}
    plain = lpips(a, b, weights)
    assert (plain > 0).all()
    assert lpips(a, a, weights).tolist() == [0, 0]
    # Float32 sums.
    wanted = pytest.approx(plain.tolist(), rel=1e-5)
    assert lpips(b, a, weights).tolist() == wanted
    assert lpips({n: scale * x for n, x in a.items()}, b, weights).tolist() == wanted
    assert lpips(*({n: x.flip(-1) for n, x in side.items()} for side in (a, b)), weights).tolist() == wanted
    assert (lpips(a, b, {n: scale * w for n, w in weights.items()}) / scale).tolist() == wanted
    assert sum(lpips(a, b, {n: w}) for n, w in weights.items()).tolist() == wanted


@settings(max_examples=3, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_lpips_grows_with_noise_and_with_blur(seed: int) -> None:
    torch.manual_seed(0)
    vgg, a = VGG16("zeros").eval(), picture(seed, (32, 32))
    shown = [a, *(noisy(seed, a, amount) for amount in AMOUNTS), *(soft(a, amount) for amount in AMOUNTS)]
    with torch.no_grad():
        found = vgg(torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2) / 255, LAYERS)
    plain = {name: x[:1].expand_as(x) for name, x in found.items()}
    same, *worse = lpips(found, plain, {name: torch.ones(CHANNELS[name]) for name in LAYERS}).tolist()
    assert same == 0
    assert worse[:4] == sorted(worse[:4])
    assert worse[4:] == sorted(worse[4:])


@settings(max_examples=2, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_niqe_is_nothing_for_the_model_of_a_picture_itself_and_grows(seed: int) -> None:
    image = picture(seed, (3 * BLOCK, 3 * BLOCK))[..., :1].repeat(3, -1)
    image = noisy(seed, image, 4)
    light = image.astype(np.float32) / 255
    luma = np.round(((light @ (65.481, 128.553, 24.966) + 16) / 255).astype(np.float32) * 255)
    own = np.concatenate([features(luma, BLOCK), features(halved(luma / 255) * 255, BLOCK // 2)], axis=1)
    model = Pristine(own.mean(0), np.cov(own, rowvar=False) + 0.01 * np.eye(FEATURES))
    found = [niqe(other, model) for other in (image, *(noisy(seed + 1, image, amount) for amount in AMOUNTS[:3]))]
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert found == sorted(found)
    assert found[1] > 0.1


@few
@given(seed=SEEDS, right=st.integers(-5, 5), down=st.integers(-5, 5))
def test_warping_error(seed: int, right: int, down: int) -> None:
    here = picture(seed)
    there = np.roll(here, (down, right), (0, 1))
    flow = np.broadcast_to(np.array([right, down], float), (*here.shape[:2], 2))
    seen = seen_again(flow, -flow)
    height, width = here.shape[:2]
    assert seen.sum() == (height - abs(down)) * (width - abs(right))
    assert warping_error(here, there, flow, seen) == pytest.approx(0, abs=1e-12)
    found = [warping_error(here, noisy(seed, there, amount), flow, seen) for amount in AMOUNTS]
    assert found == sorted(found)
    assert found[0] > 0
    # Mirrored: the flow turns round. Darker by a number: its square.
    mirrored = [np.ascontiguousarray(x[:, ::-1]) for x in (here, noisy(seed, there, 8.0), flow * (-1, 1), seen)]
    assert warping_error(*mirrored) == pytest.approx(found[1], rel=1e-9)
    assert warping_error(here, there - 13, flow, seen) == pytest.approx((13 / 255) ** 2, rel=1e-9)


# Intervals.


@few
@given(seed=SEEDS, images=st.integers(2, 12), each=st.integers(1, 4))
def test_resamples_are_of_whole_images(seed: int, images: int, each: int) -> None:
    groups = shuffled(seed, np.arange(images).repeat(each))
    weights = resample_counts(groups, 40, np.random.default_rng(seed))
    assert (weights.sum(1) == images * each).all()
    for image in range(images):
        of_it = weights[:, groups == image]
        assert (of_it == of_it[:, :1]).all()
        assert (of_it >= 0).all()
        assert (of_it % 1 == 0).all()


@few
@given(seed=SEEDS, scale=STRETCH, level=st.floats(0.5, 0.98))
def test_intervals_follow_their_values(seed: int, scale: float, level: float) -> None:
    values = np.random.default_rng(seed).standard_t(3, size=200)
    low, high = interval(values, level) or (np.nan, np.nan)
    assert low < np.median(values) < high
    assert np.mean((values >= low) & (values <= high)) == pytest.approx(level, abs=2 / 200)
    assert interval(shuffled(seed, values), level) == (low, high)
    assert interval(scale * values + 7, level) == pytest.approx((scale * low + 7, scale * high + 7))
    assert interval(-values, level) == pytest.approx((-high, -low))
    wide = interval(values, (1 + level) / 2) or (np.nan, np.nan)
    assert wide[0] <= low < high <= wide[1]
    assert interval(np.append(values, [np.nan] * 20), level) == (low, high)
