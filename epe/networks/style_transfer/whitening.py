"""The whitening and colouring transform: gives features the mean and covariance of other features, in closed form.

Li et al., "Universal Style Transfer via Feature Transforms", 2017, sec. 3.2: x -> S^(1/2) C^(-1/2) (x - m) + n, with
the content's mean m and covariance C, and the style's n and S; roots are symmetric. It is computed in float64, because
the smallest eigenvalues are a millionth of the largest.

Shapes: C channels, N positions.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class FeatureMoments:
    """Mean (C,) and covariance (C, C) of features, float64."""

    mean: Tensor
    covariance: Tensor


@dataclass(frozen=True)
class WhiteningRule:
    """How a method uses the transform.

    With ridges of 0 the result has exactly the style's moments, in all directions in which the content varies.
    Features are scaled to mean 1 (`vgg16`; VGG19 as the authors release it), so a ridge of 1 keeps directions in
    which the content hardly varies from being amplified. With equal ridges, features stay unchanged if content and
    style have equal moments.

    Attributes:
        content_ridge, style_ridge: added to the variances before roots are taken.
        clamp: clamp results to the range of the content's features.
    """

    content_ridge: float = 0.0
    style_ridge: float = 0.0
    clamp: bool = False


@dataclass(frozen=True)
class Affine:
    """The affine map x -> matrix x + offset, with a matrix (C, C) and an offset (C,)."""

    matrix: Tensor
    offset: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Apply the map to features (C, N), in their own dtype."""
        return self.matrix.to(features) @ features + self.offset.to(features)[:, None]


def moments(features: Tensor) -> FeatureMoments:
    """Return the moments of features (C, N).

    Raises:
        ValueError: N is less than 2.
    """
    count = features.shape[1]
    if count < 2:
        raise ValueError(f"a covariance needs 2 positions or more, got {count}.")
    values = features.double()
    mean = values.mean(1)
    centred = values - mean[:, None]
    return FeatureMoments(mean, centred @ centred.T / (count - 1))


def power(covariance: Tensor, exponent: float) -> Tensor:
    """Raise a positive semidefinite matrix (C, C) to a power in the directions that it spans; use 0 in the others."""
    values, vectors = torch.linalg.eigh(covariance)
    # Rounding leaves eigenvalues up to this size where they should be 0, such as with fewer positions than channels.
    spanned = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
    powers = torch.where(spanned, values, 1.0) ** exponent * spanned
    return (vectors * powers) @ vectors.T


def between(content: FeatureMoments, style: FeatureMoments, rule: WhiteningRule) -> Affine:
    """Return the transform from the content's moments to the style's; `rule.clamp` is left to the caller."""
    diagonal = torch.eye(len(content.mean), dtype=content.mean.dtype, device=content.mean.device)
    colour = power(style.covariance + rule.style_ridge * diagonal, 0.5)
    matrix = colour @ power(content.covariance + rule.content_ridge * diagonal, -0.5)
    return Affine(matrix, style.mean - matrix @ content.mean)
