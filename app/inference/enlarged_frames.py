"""Enlarging within `app.enhance`: after the enhancer, or before it, with G-buffers of the large size.

Shapes: H W pixels of the small frame, f the factor.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from app.inference.enlarging import Enlarger
from app.inference.upscalers import check_large
from datasets.frames import Frames, Reading, Sample

PICTURES_ALONE = Reading((), (), (), ())
"""How small frames are read if everything else is read from large ones."""


@dataclass(frozen=True)
class Upscaling:
    """How frames' pictures are enlarged.

    Attributes:
        enlarger: the upscaler.
        first: whether it runs before the enhancer.
        large: frames of the large size, whose G-buffers and classes the enhancer then reads; None: it reads none.
    """

    enlarger: Enlarger
    first: bool
    large: Frames | None

    def check(self, small: Frames) -> None:
        """Compare the large frames that are read with the small ones.

        Raises:
            InputError: one is missing or has another size.
        """
        sizes = dict(zip(small.keys, small.sizes, strict=True))
        for large in (self.large, self.enlarger.guides):
            if large is not None:
                check_large("--guides", large, sizes, self.enlarger.factor)

    def enhanced_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the size at which the enhancer runs for a frame of H x W pixels."""
        return (self.enlarger.factor * size[0], self.enlarger.factor * size[1]) if self.first else size

    def before(self, sample: Sample, key: str) -> Sample:
        """Return what the enhancer receives in place of a small frame.

        Raises:
            FloatingPointError: the upscaler returns values that are not finite.
        """
        if not self.first:
            return sample
        image = self.enlarger.whole(sample.image, key)
        if self.large is not None:
            return self.large[self.large.keys.index(key)]._replace(image=image)
        size = image.shape[-2:]
        return Sample(image, image.new_zeros(0, *size), torch.zeros(size, dtype=torch.int64))

    def after(self, picture: Tensor, key: str) -> Tensor:
        """Return what is written in place of the enhancer's picture: (3, f H, f W); raises as `before` does."""
        return picture if self.first else self.enlarger.whole(picture, key)
