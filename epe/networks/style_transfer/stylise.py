"""A picture in the style of another: the whitening and colouring transform at named parts of a network.

By regions where label maps tell what is what: a label that takes `MIN_FRACTION` of both pictures gets the moments of
the same label in the style; all else is changed as the whole picture is. (Li et al. 2018, sec. 3.1, leave it as it
is.)

Shapes: C channels, H W pixels.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from epe.networks.style_transfer.vgg_autoencoder import MULTIPLE_OF, Change
from epe.networks.style_transfer.whitening import FeatureMoments, Rule, between, moments

MIN_FRACTION = 0.01
WHOLE = -1
"""Stands for the whole picture among the labels."""

StyleStatistics = dict[str, dict[int, FeatureMoments]]
"""By place and label."""


class Network(Protocol):
    """An autoencoder that calls back with the features of each of its named parts."""

    rule: Rule

    def visit(self, image: Tensor, visitor: Change) -> None: ...
    def __call__(self, image: Tensor, change: Change) -> Tensor: ...


def encode_style(
    network: Network, image: Tensor, labels: Tensor | None = None, *, parts: Collection[str] | None = None
) -> StyleStatistics:
    """All that there is to know of a style picture.

    Args:
        image: (1, 3, H, W), sRGB in [0, 1].
        labels: (H, W), whole numbers from 0.
        parts: where features will be changed; None: everywhere.
    """
    recorder = StyleRecorder(Regions.of(labels), parts)
    network.visit(pad_to_multiple(image), recorder)
    return recorder.style


def stylise(network: Network, image: Tensor, style: StyleStatistics, labels: Tensor | None = None) -> Tensor:
    """A picture in a style, its features changed in the parts that the style was measured in.

    Args:
        network: the one that `style` was made with.
        image: (1, 3, H, W), sRGB in [0, 1].
        style: of `encode_style`.
        labels: (H, W), of the taxonomy of the style's.

    Returns:
        (1, 3, H, W), not clipped.
    """
    change = Transfer(style, Regions.of(labels), network.rule)
    return network(pad_to_multiple(image), change)[..., : image.shape[-2], : image.shape[-1]]


def pad_to_multiple(image: Tensor) -> Tensor:
    """(…, H, W) mirrored at the lower and right border until sides divide by 8.

    Raises:
        ValueError: a side is shorter than 16 pixels, of which the deepest features could not be mirrored.
    """
    height, width = image.shape[-2:]
    if min(height, width) < 2 * MULTIPLE_OF:
        raise ValueError(f"an image of {width}x{height} is too small; wanted sides of {2 * MULTIPLE_OF} or more.")
    return F.pad(image, (0, -width % MULTIPLE_OF, 0, -height % MULTIPLE_OF), mode="reflect")


@dataclass(frozen=True)
class Regions:
    """Labels that are worth statistics of their own.

    Attributes:
        labels: those that take `MIN_FRACTION` of the picture, ascending.
        map: (H, W), filled up as images are; None where there are no labels.
    """

    labels: tuple[int, ...]
    map: Tensor | None

    @classmethod
    def of(cls, labels: Tensor | None) -> "Regions":
        """Of a label map (H, W), or of none."""
        if labels is None:
            return cls((), None)
        present, counts = labels.unique(return_counts=True)
        return cls(
            tuple(present[counts >= MIN_FRACTION * labels.numel()].tolist()),
            pad_to_multiple(labels[None, None].double())[0, 0].long(),
        )

    def masks(self, features: Tensor) -> dict[int, Tensor]:
        """Per label its places (N,) among those of features (1, C, h, w), flattened; only such of 2 places or more."""
        if self.map is None:
            return {}
        stride = self.map.shape[-1] // features.shape[-1]
        cells = self.map[stride // 2 :: stride, stride // 2 :: stride].flatten()
        masks = {label: cells == label for label in self.labels}
        return {label: mask for label, mask in masks.items() if mask.sum() >= 2}


class StyleRecorder:
    """Keeps the moments of a style picture's features in some parts."""

    def __init__(self, regions: Regions, parts: Collection[str] | None) -> None:
        self.regions, self.parts = regions, parts
        self.style: StyleStatistics = {}

    def __call__(self, part_name: str, features: Tensor) -> Tensor:
        if self.parts is not None and part_name not in self.parts:
            return features
        flat = features[0].flatten(1)
        found = {label: moments(flat[:, mask]) for label, mask in self.regions.masks(features).items()}
        self.style[part_name] = found | {WHOLE: moments(flat)}
        return features


@dataclass(frozen=True)
class Transfer:
    """Gives a content's features the moments of a style's."""

    style: StyleStatistics
    regions: Regions
    rule: Rule

    def __call__(self, part_name: str, features: Tensor) -> Tensor:
        if part_name not in self.style:
            return features
        style, flat = self.style[part_name], features[0].flatten(1)
        result = torch.empty_like(flat)
        rest = torch.ones(flat.shape[1], dtype=torch.bool, device=flat.device)
        for label, mask in self.regions.masks(features).items():
            if label in style:
                part = flat[:, mask]
                result[:, mask] = self.within(part, between(moments(part), style[label], self.rule)(part))
                rest &= ~mask
        if rest.any():
            part = flat[:, rest]
            result[:, rest] = self.within(part, between(moments(flat), style[WHOLE], self.rule)(part))
        return result.view_as(features)

    def within(self, part: Tensor, result: Tensor) -> Tensor:
        """What became of a part, cut off at the part's own extremes where the method does so."""
        return result.clamp(part.min(), part.max()) if self.rule.clamp else result
