"""Joint clusters: they find what is alike across domains, whatever separates the domains as a whole."""

import numpy as np
import pytest
import torch

from epe.matching.clusters import Clusters, fit, pixel_features
from epe.networks.backbones.vgg import VGG16, frozen

LENGTH, KINDS = 24, 3


def domains(sizes: tuple[int, int] = (300, 500)) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Features of two domains of three kinds, and the kinds; the second is shifted and scaled as a whole."""
    rng = np.random.default_rng(0)
    centres = 4 * rng.normal(size=(KINDS, LENGTH))
    offset = 10 * rng.normal(size=LENGTH)
    features, kinds = [], []
    for index, size in enumerate(sizes):
        kind = np.arange(size) % KINDS
        values = centres[kind] + 0.3 * rng.normal(size=(size, LENGTH))
        features.append((values if index == 0 else offset + 0.5 * values).astype(np.float32))
        kinds.append(kind)
    return features, kinds


def test_alike_things_get_the_same_id_in_both_domains() -> None:
    features, kinds = domains()
    clusters = fit(features, KINDS, seed=0)
    ids = [clusters.assign(f, domain) for domain, f in enumerate(features)]
    names = {int(i): {int(k) for k in kinds[0][ids[0] == i]} for i in range(KINDS)}
    assert sorted(map(sorted, names.values())) == [[0], [1], [2]]
    for domain in range(2):
        assert ids[domain].dtype == np.uint8
        assert all(names[int(i)] == {int(k)} for i, k in zip(ids[domain], kinds[domain], strict=True))


def test_assign_is_the_nearest_centroid() -> None:
    features, _ = domains()
    clusters = fit(features, 7, seed=1)
    points = clusters.project(features[1], 1).astype(np.float64)
    distances = np.square(points[:, None] - clusters.centroids.astype(np.float64)[None]).sum(-1)
    # Where the two nearest are a hair apart fp32 may choose either.
    nearest = np.partition(distances, 1, axis=1)
    clear = nearest[:, 1] - nearest[:, 0] > 1e-4
    assert clear.mean() > 0.99
    assert np.array_equal(clusters.assign(features[1], 1)[clear], distances.argmin(1)[clear])


def test_projected_domains_have_mean_zero_and_one_spread() -> None:
    features, _ = domains((300, 300))  # of equal size, so that the fit sees all of both
    clusters = fit(features, KINDS, seed=0)
    first, second = (clusters.project(f, i) for i, f in enumerate(features))
    assert clusters.mean.shape == (2, LENGTH)
    assert clusters.scale.shape == (2, clusters.basis.shape[1])
    # 1e-3: fp32 of values of about 10.
    np.testing.assert_allclose(first.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(second.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(first.std(0), second.std(0), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(clusters.basis.T @ clusters.basis, np.eye(clusters.basis.shape[1]), atol=1e-8)


def test_the_seed_decides() -> None:
    features, _ = domains()
    once, again = fit(features, 5, seed=3), fit(features, 5, seed=3)
    assert all(np.array_equal(getattr(once, name), getattr(again, name)) for name in vars(once))


def test_a_constant_domain_stays_finite() -> None:
    features, _ = domains()
    clusters = fit([features[0], np.ones((50, LENGTH), np.float32)], KINDS, seed=0)
    assert np.isfinite(clusters.project(np.ones((4, LENGTH), np.float32), 1)).all()


def test_too_few_positions() -> None:
    features, _ = domains()
    with pytest.raises(ValueError, match="9 clusters"):
        fit([features[0], features[1][:8]], 9, seed=0)


def test_pixel_features_lie_on_a_grid_of_8_px_and_see_locally() -> None:
    torch.manual_seed(0)
    vgg = frozen(VGG16("replicate"))
    image = torch.rand(3, 52, 260)
    found = pixel_features(vgg, image)
    assert found.shape == (6, 32, 1024)
    # Both halves have unit length before the average over 3x3, so at most that after it.
    assert float(found[..., :512].norm(dim=-1).max()) < 1 + 1e-5
    changed = image.clone()
    changed[..., 230:] = 0
    # 98 px is half of what relu5_3 sees, 16 and 8 its interpolation and the average: column 8 lies at 64 px.
    assert torch.allclose(pixel_features(vgg, changed)[:, :8], found[:, :8], atol=1e-5)
    assert not torch.allclose(pixel_features(vgg, changed)[:, -3:], found[:, -3:], atol=1e-3)


def test_pixel_features_are_computed_where_the_network_is() -> None:
    assert pixel_features(frozen(VGG16("replicate")).to("meta"), torch.rand(3, 32, 32)).device.type == "meta"


def test_a_clustering_is_plain_arrays() -> None:
    features, _ = domains()
    clusters = fit(features, KINDS, seed=0)
    assert Clusters(**{name: value.copy() for name, value in vars(clusters).items()}).assign(
        features[0], 0
    ).tolist() == (clusters.assign(features[0], 0).tolist())
