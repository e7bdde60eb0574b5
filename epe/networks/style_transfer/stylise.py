"""Photographic style transfer: the whitening and colouring transform applied at named layers of an autoencoder.

With label maps, it works by region: a label that covers at least `MIN_FRACTION` of both images receives the moments of
the same label in the style image; all other pixels are transformed with the moments of the whole images. (Li et al.
2018, sec. 3.1, leave those pixels unchanged.)

Shapes: C channels, H W pixels.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from epe.networks.style_transfer.vgg_autoencoder import MULTIPLE_OF, FeatureChange
from epe.networks.style_transfer.whitening import FeatureMoments, WhiteningRule, between, moments

MIN_FRACTION = 0.01
WHOLE = -1
"""The label that means the whole image."""

StyleStatistics = dict[str, dict[int, FeatureMoments]]
"""Moments of style features by layer and label."""


class Network(Protocol):
    """An autoencoder that calls a function with the features of each of its named layers."""

    rule: WhiteningRule

    def visit(self, image: Tensor, visitor: FeatureChange) -> None: ...
    def __call__(self, image: Tensor, change: FeatureChange) -> Tensor: ...


def encode_style(
    network: Network, image: Tensor, labels: Tensor | None = None, *, parts: Collection[str] | None = None
) -> StyleStatistics:
    """Measure the style statistics of an image.

    Args:
        network: the autoencoder.
        image: (1, 3, H, W), sRGB in [0, 1].
        labels: (H, W), integers from 0; None for no regions.
        parts: layers where features will be changed; None: all.
    """
    recorder = StyleRecorder(Regions.of(labels), parts)
    network.visit(pad_to_multiple(image), recorder)
    return recorder.style


def stylise(network: Network, image: Tensor, style: StyleStatistics, labels: Tensor | None = None) -> Tensor:
    """Transfer a style to an image by changing its features at the layers where the style was measured.

    Args:
        network: the network that measured `style`.
        image: (1, 3, H, W), sRGB in [0, 1].
        style: statistics from `encode_style`.
        labels: (H, W), in the taxonomy of the style's labels; None for no regions.

    Returns:
        (1, 3, H, W), not clipped.
    """
    change = Transfer(style, Regions.of(labels), network.rule)
    return network(pad_to_multiple(image), change)[..., : image.shape[-2], : image.shape[-1]]


def pad_to_multiple(image: Tensor) -> Tensor:
    """Pad (…, H, W) by reflection at the bottom and right to multiples of 8.

    Raises:
        ValueError: a side is shorter than 16 pixels, too short for reflection padding of the deepest features.
    """
    height, width = image.shape[-2:]
    if min(height, width) < 2 * MULTIPLE_OF:
        raise ValueError(f"an image of {width}x{height} is too small; wanted sides of {2 * MULTIPLE_OF} or more.")
    return F.pad(image, (0, -width % MULTIPLE_OF, 0, -height % MULTIPLE_OF), mode="reflect")


@dataclass(frozen=True)
class Regions:
    """The labels of an image that are frequent enough to have their own statistics.

    Attributes:
        labels: labels that cover at least `MIN_FRACTION` of the image, ascending.
        map: label map (H, W), padded as images are; None if there are no labels.
    """

    labels: tuple[int, ...]
    map: Tensor | None

    @classmethod
    def of(cls, labels: Tensor | None) -> "Regions":
        """Find the regions of a label map (H, W); None gives no regions."""
        if labels is None:
            return cls((), None)
        present, counts = labels.unique(return_counts=True)
        return cls(
            tuple(present[counts >= MIN_FRACTION * labels.numel()].tolist()),
            pad_to_multiple(labels[None, None].double())[0, 0].long(),
        )

    def masks(self, features: Tensor) -> dict[int, Tensor]:
        """Return the mask (N,) of each label over the flattened positions of features (1, C, h, w).

        Labels with fewer than 2 positions are left out.
        """
        if self.map is None:
            return {}
        stride = self.map.shape[-1] // features.shape[-1]
        cells = self.map[stride // 2 :: stride, stride // 2 :: stride].flatten()
        masks = {label: cells == label for label in self.labels}
        return {label: mask for label, mask in masks.items() if mask.sum() >= 2}


class StyleRecorder:
    """Records the moments of a style image's features at the given layers; None: at all layers."""

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
    """Gives the features of a content image the moments of a style."""

    style: StyleStatistics
    regions: Regions
    rule: WhiteningRule

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
        """Clamp the result of a region to the range of its original features, if the rule says so."""
        return result.clamp(part.min(), part.max()) if self.rule.clamp else result
