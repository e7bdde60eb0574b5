"""Differentiable augmentation of the critics' inputs, which keeps critics from memorising a small set of photographs.

Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS 2020: photographs and generated
pictures are changed in the same ways, and gradients flow back through the changes, so the generator does not learn
them. Strengths are theirs. Here shifted pictures are padded by repeating their border instead of with black, because
critics read VGG16 features.

Shapes: B images, H W pixels.
"""

from collections.abc import Collection
from typing import Literal

import torch
from torch import Tensor

Augmentation = Literal["colour", "translation", "cutout"]
AUGMENTATIONS: tuple[Augmentation, ...] = ("colour", "translation", "cutout")
SHIFT = 8
"""Pictures are shifted by up to an eighth of a side."""


def diff_augment(
    image: Tensor, labels: Tensor, kinds: Collection[Augmentation], generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Change each picture of a batch at random.

    Args:
        image: (B, 3, H, W) sRGB in [0, 1].
        labels: (B, H, W) ids, shifted as their pictures are.
        kinds: kinds of changes, applied in the order of `AUGMENTATIONS`. "colour": brightness by up to 0.25, saturation
            by 0 to 2, contrast by 0.5 to 1.5; "translation": by up to an eighth of a side; "cutout": a grey square with
            half the side, its centre anywhere.
        generator: random generator; None: torch's own.

    Returns:
        The pictures, which may leave [0, 1], and the labels, with the same shapes.

    Raises:
        ValueError: a kind is unknown.
    """
    unknown = set(kinds) - set(AUGMENTATIONS)
    if unknown:
        raise ValueError(f"augmentations must be some of {', '.join(AUGMENTATIONS)}, got {min(unknown)!r}.")
    if "colour" in kinds:
        image = _recoloured(image, generator)
    if "translation" in kinds:
        image, labels = _shifted(image, labels, generator)
    if "cutout" in kinds:
        image = _cut(image, generator)
    return image, labels


def _uniform(image: Tensor, low: float, high: float, generator: torch.Generator | None) -> Tensor:
    """Draw one number per picture, (B, 1, 1, 1)."""
    drawn = torch.rand(len(image), 1, 1, 1, generator=generator).to(image.device)
    return low + (high - low) * drawn


def _whole(image: Tensor, low: int, high: int, generator: torch.Generator | None) -> Tensor:
    """Draw one integer per picture, (B, 1), from low to high inclusive."""
    return torch.randint(low, high + 1, (len(image), 1), generator=generator).to(image.device)


def _recoloured(image: Tensor, generator: torch.Generator | None) -> Tensor:
    image = image + _uniform(image, -0.25, 0.25, generator)  # theirs is 0.5, for images in [-1, 1]
    grey = image.mean(1, keepdim=True)
    image = grey + (image - grey) * _uniform(image, 0, 2, generator)
    middle = image.mean((1, 2, 3), keepdim=True)
    return middle + (image - middle) * _uniform(image, 0.5, 1.5, generator)


def _shifted(image: Tensor, labels: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    height, width = image.shape[-2:]
    rows, columns = (
        (torch.arange(side, device=image.device) + _whole(image, -reach, reach, generator)).clamp(0, side - 1)
        for side, reach in ((height, height // SHIFT), (width, width // SHIFT))
    )
    batch = torch.arange(len(image), device=image.device)[:, None, None]
    moved = image.movedim(1, -1)[batch, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)
    return moved, labels[batch, rows[:, :, None], columns[:, None, :]]


def _cut(image: Tensor, generator: torch.Generator | None) -> Tensor:
    inside = []
    for side in image.shape[-2:]:
        start = _whole(image, 0, side, generator) - side // 4
        places = torch.arange(side, device=image.device)
        inside.append((places >= start) & (places < start + side // 2))
    square = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return image.masked_fill(square, 0.5)
