"""The Frechet distance against torch-fidelity, closed forms, and what any distance does."""

import numpy as np
import pytest
import torch

from eval.metrics.frechet import FeatureGaussian, fit_gaussian, frechet, frechet_distance, frechet_of_few
from tests.torchvision_loader import load_torchvision


def features(seed: int, n: int = 200, d: int = 16) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)


def test_moments_of_blocks_are_numpys() -> None:
    x = features(0).astype(np.float32)
    found = fit_gaussian(np.array_split(x, 7))
    np.testing.assert_allclose(found.mean, x.astype(np.float64).mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(x.astype(np.float64).T), rtol=1e-10)
    assert found.count == 200
    with pytest.raises(ValueError, match="two vectors or more, got 1"):
        fit_gaussian([x[:1]])


def test_torch_fidelity_agrees() -> None:
    load_torchvision()
    metric = pytest.importorskip("torch_fidelity.metric_fid")
    x, y = features(1), features(2)
    theirs = [metric.fid_features_to_statistics(torch.from_numpy(each)) for each in (x, y)]
    wanted = metric.fid_statistics_to_metric(*theirs, False)["frechet_inception_distance"]
    assert frechet(fit_gaussian([x]), fit_gaussian([y])) == pytest.approx(wanted, rel=1e-9)


def test_independent_dimensions() -> None:
    # Per dimension (mean difference)² + (difference of deviations)².
    a = FeatureGaussian(np.array([0.0, 1.0]), np.diag([4.0, 9.0]), 9)
    b = FeatureGaussian(np.array([3.0, 1.0]), np.diag([1.0, 25.0]), 9)
    assert frechet(a, b) == pytest.approx(9 + (2 - 1) ** 2 + (3 - 5) ** 2)


def test_turning_the_axes_changes_nothing() -> None:
    x, y = features(3), features(4)
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(16, 16)))[0]
    plain, turned = (frechet(fit_gaussian([x @ m]), fit_gaussian([y @ m])) for m in (np.eye(16), turn))
    assert turned == pytest.approx(plain, rel=1e-9)
    assert frechet(fit_gaussian([y]), fit_gaussian([x])) == pytest.approx(plain, rel=1e-9)


def test_a_set_is_at_no_distance_from_itself_even_if_smaller_than_its_dimensions() -> None:
    few = features(6, n=5)
    # The root of a rounding error of 1e-16 relative is 1e-8.
    assert frechet(fit_gaussian([few]), fit_gaussian([few])) == pytest.approx(0, abs=1e-5)
    assert frechet(fit_gaussian([few]), fit_gaussian([few + 1])) == pytest.approx(16, rel=1e-5)


@pytest.mark.parametrize(("n", "m"), [(7, 9), (2, 12), (20, 5)])
def test_few_vectors_of_many_dimensions_have_the_same_distance(n: int, m: int) -> None:
    x, y = features(3, n, 48), features(4, m, 48)
    wanted = frechet(fit_gaussian([x]), fit_gaussian([y]))
    # 1e-6: the eigenvalues that are 0 are rounding there, and their roots are larger than they.
    assert frechet_of_few(x, y) == pytest.approx(wanted, rel=1e-6)
    sets = (torch.from_numpy(side) for side in (x, y))
    assert frechet_distance(*sets) == pytest.approx(wanted, rel=1e-6)
    assert frechet_of_few(x, x) == pytest.approx(0, abs=1e-9 * float(np.square(x).sum()))
    with pytest.raises(ValueError, match="two vectors or more, got 1"):
        frechet_of_few(x[:1], y)
