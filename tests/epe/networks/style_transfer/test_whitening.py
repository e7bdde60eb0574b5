"""The transform gives features the moments that it promises, in closed form."""

import pytest
import torch
from torch import Tensor

from epe.networks.style_transfer.whitening import FeatureMoments, WhiteningRule, between, moments, power

PLAIN = WhiteningRule()


def drawn(channels: int, count: int, seed: int) -> Tensor:
    """Correlated features with a mean, float64."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(channels, channels, generator=generator, dtype=torch.float64)
    spread = torch.randn(channels, count, generator=generator, dtype=torch.float64)
    return mixing @ spread + torch.randn(channels, 1, generator=generator, dtype=torch.float64)


def assert_equal(found: FeatureMoments, wanted: FeatureMoments, atol: float = 1e-9) -> None:
    torch.testing.assert_close(found.mean, wanted.mean, rtol=0, atol=atol)
    torch.testing.assert_close(found.covariance, wanted.covariance, rtol=0, atol=atol)


def test_moments_are_torchs() -> None:
    x = drawn(5, 40, 0).float()
    found = moments(x)
    assert found.mean.dtype == found.covariance.dtype == torch.float64
    torch.testing.assert_close(found.covariance, torch.cov(x.double()))
    torch.testing.assert_close(found.mean, x.double().mean(1))


def test_the_result_has_the_styles_moments() -> None:
    content, style = drawn(6, 200, 1), drawn(6, 50, 2)
    wanted = moments(style)
    # 1e-9: covariances of size 10, condition numbers of some 1e4, in float64.
    assert_equal(moments(between(moments(content), wanted, PLAIN)(content)), wanted)


@pytest.mark.parametrize("rule", [PLAIN, WhiteningRule(1.0, 1.0)])
def test_equal_moments_change_nothing(rule: WhiteningRule) -> None:
    x = drawn(6, 200, 1)
    torch.testing.assert_close(between(moments(x), moments(x), rule)(x), x, rtol=0, atol=1e-9)


def test_equal_features_change_nothing_where_places_are_fewer_than_channels() -> None:
    x = drawn(12, 4, 3)
    torch.testing.assert_close(between(moments(x), moments(x), PLAIN)(x), x, rtol=0, atol=1e-9)


def test_few_places_get_the_styles_moments_in_the_directions_that_they_span() -> None:
    """Of 12 channels, 4 places span 3 directions; the result's covariance is S^(1/2) P S^(1/2), P the projection."""
    content, style = drawn(12, 4, 3), moments(drawn(12, 100, 4))
    found = moments(between(moments(content), style, PLAIN)(content))
    basis = torch.linalg.svd(content - content.mean(1, keepdim=True))[0][:, :3]
    values, vectors = torch.linalg.eigh(style.covariance)
    colour = (vectors * values.sqrt()) @ vectors.T
    assert_equal(found, FeatureMoments(style.mean, colour @ basis @ basis.T @ colour))
    assert int(torch.linalg.matrix_rank(found.covariance, rtol=1e-9)) == 3


def test_constant_features_get_the_mean() -> None:
    content, style = torch.full((4, 9), 2.5, dtype=torch.float64), drawn(4, 30, 5)
    found = between(moments(content), moments(style), PLAIN)(content)
    torch.testing.assert_close(found, style.mean(1, keepdim=True).expand(4, 9))


def test_a_constant_style_takes_all_variance_away() -> None:
    found = between(moments(drawn(4, 30, 5)), moments(torch.full((4, 9), 2.5)), PLAIN)(drawn(4, 30, 5))
    torch.testing.assert_close(found, torch.full((4, 30), 2.5, dtype=torch.float64))


def test_ridges_by_the_definition() -> None:
    """One channel: (s + 0.5)^(1/2) (c + 2)^(-1/2) in front."""
    content, style = drawn(1, 50, 6), drawn(1, 60, 7)
    c, s = content.var(), style.var()
    found = between(moments(content), moments(style), WhiteningRule(2.0, 0.5))(content)
    wanted = (content - content.mean()) * ((s + 0.5) / (c + 2)).sqrt() + style.mean()
    torch.testing.assert_close(found, wanted)


def test_powers_multiply_to_the_projection() -> None:
    covariance = moments(drawn(8, 5, 8)).covariance
    assert torch.linalg.matrix_rank(covariance) == 4
    root, inverse = power(covariance, 0.5), power(covariance, -0.5)
    torch.testing.assert_close(root @ root, covariance, rtol=0, atol=1e-9)
    projection = root @ inverse
    torch.testing.assert_close(projection @ projection, projection, rtol=0, atol=1e-7)
    assert projection.trace().item() == pytest.approx(4)


def test_the_transform_keeps_the_type_of_features() -> None:
    x = drawn(3, 20, 9).float()
    assert between(moments(x), moments(2 * x), PLAIN)(x).dtype == torch.float32


def test_one_place_has_no_covariance() -> None:
    with pytest.raises(ValueError, match="2 positions or more, got 1"):
        moments(torch.zeros(3, 1))
