"""Enlarging pictures with an upscaler, tile by tile and from top to bottom.

Only tiles are on the network's device, and only one row of enlarged tiles is in memory.

Shapes: C channels (3, or 1 for a grey picture), G guide channels, H W pixels of the picture, s the network's factor, f
the result's factor.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from app.inference.linear import Cut, cut_off, lit, shown
from datasets.frames import Frames
from epe.inference.tiling import run_in_bands, tile_count
from epe.upscaler import Upscaler


def ignore() -> None:
    """Do nothing after a tile."""


@dataclass(frozen=True)
class Enlarger:
    """An upscaler that is ready to run.

    Attributes:
        network: in evaluation mode, on its device.
        tile: longest side, in pixels of the picture, that is run at once; four overlaps of the network or more.
        factor: f, a divisor of s: the network's results are averaged.
        guides: large frames that guide the network, by the pictures' keys; None: no guides.
        circular: whether pictures wrap around at their sides, as floor textures do; the results then do too.
        bf16: whether to compute in bfloat16.
        after_tile: called after each tile of colours, for a progress bar.
    """

    network: Upscaler
    tile: int
    factor: int
    guides: Frames | None = None
    circular: bool = False
    bf16: bool = False
    after_tile: Callable[[], object] = ignore

    def colours(self, image: Tensor, alpha: Tensor | None = None, key: str = "") -> Iterator[Tensor]:
        """Enlarge the colours of a picture.

        Args:
            image: (C, H, W), sRGB in [0, 1].
            alpha: (1, H, W); where it is 0, the nearest visible pixel's colour takes the place of the picture's, so
                that no hidden colour bleeds over the edge.
            key: key of the frame that guides the network.

        Yields:
            Bands (C, h, f W) float32 in [0, 1] on the CPU, from top to bottom; their heights add up to f H.

        Raises:
            FloatingPointError: the network returns values that are not finite.
        """
        image = self._around(image)
        if alpha is not None:
            image = without_hidden(image, self._around(alpha))
        return self._bands(self._shown, [image, *self._guides(key)])

    def alpha(self, alpha: Tensor) -> Iterator[Tensor]:
        """Enlarge transparency (1, H, W) in [0, 1], in the same bands as `colours`.

        The network makes its edges as sharp as those of the colours. Guides would draw their own edges into it, so for
        guided networks it is bicubic. Both stay between the minimum and maximum of a pixel and its neighbours, so what
        is opaque stays opaque.
        """
        alpha = self._around(alpha)
        lowest, highest = -F.max_pool2d(-alpha, 3, 1, 1), F.max_pool2d(alpha, 3, 1, 1)
        return self._bands(self._between, [alpha, lowest, highest])

    def light(self, light: Tensor, key: str = "") -> Iterator[Tensor]:
        """Enlarge a picture in linear light (3, H, W); the bands are in linear light, too.

        The network sees it clipped, as in `app.enhance --linear`; what was cut off is enlarged separately and restored.
        """
        light = self._around(light)
        return self._bands(self._lit, [shown(light), *cut_off(light), *self._guides(key)])

    def whole(self, image: Tensor, key: str = "") -> Tensor:
        """Enlarge an image (3, H, W) in [0, 1] to (3, f H, f W); errors as in `colours`."""
        return torch.cat(list(self.colours(image, key=key)), dim=-2)

    def tiles(self, size: tuple[int, int]) -> int:
        """Return the number of tiles of a picture of H x W pixels."""
        height, width = (side + 2 * self._wrap for side in size)
        return tile_count((height, width), tile=self.tile, overlap=self.network.overlap)

    @property
    def _wrap(self) -> int:
        """Pixels added on every side, whose results are discarded."""
        return self.network.margin if self.circular else 0

    def _around(self, plane: Tensor) -> Tensor:
        """Return a plane (c, H, W), padded with its opposite sides if the picture is circular."""
        rows, columns = (torch.arange(-self._wrap, side + self._wrap) % side for side in plane.shape[-2:])
        return plane.index_select(-2, rows).index_select(-1, columns) if self.circular else plane

    def _guides(self, key: str) -> list[Tensor]:
        """Return a picture's guides, folded into channels so that they are tiled as it is; empty without guides."""
        if self.guides is None:
            return []
        found = self.guides[self.guides.keys.index(key)].gbuffers
        return [self._around(F.pixel_unshuffle(found, self.network.spec.scale))]

    def _bands(self, run: Callable[..., Tensor], planes: list[Tensor]) -> Iterator[Tensor]:
        """Run on planes (c, H, W) from `_around`; the bands are those of the picture without its padding."""
        network = self.network
        bands = run_in_bands(
            run,
            [plane[None] for plane in planes],
            tile=self.tile,
            overlap=network.overlap,
            scale=network.spec.scale,
            margin=network.margin,
        )
        cut, shrunk = network.spec.scale * self._wrap, network.spec.scale // self.factor
        height, width = (network.spec.scale * side - 2 * cut for side in planes[0].shape[-2:])
        for band in inside(bands, cut, height, width):
            yield band[0] if shrunk == 1 else F.avg_pool2d(band[0], shrunk)
            del band

    def _shown(self, image: Tensor, folded: Tensor | None = None) -> Tensor:
        made = self._run(image, folded)
        self.after_tile()
        return made

    def _lit(self, image: Tensor, above: Tensor, below: Tensor, folded: Tensor | None = None) -> Tensor:
        cut = Cut(above[0], below[0]).enlarged(self.network.spec.scale)
        return lit(self._shown(image, folded)[0], cut)[None]

    def _between(self, alpha: Tensor, lowest: Tensor, highest: Tensor) -> Tensor:
        scale = self.network.spec.scale
        if self.network.spec.guides:
            made = F.interpolate(alpha, scale_factor=scale, mode="bicubic", align_corners=False)
        else:
            made = self._run(alpha)
        low, high = (F.interpolate(x, scale_factor=scale, mode="nearest") for x in (lowest, highest))
        return torch.minimum(torch.maximum(made, low), high)

    def _run(self, image: Tensor, folded: Tensor | None = None) -> Tensor:
        """Run the network on a tile (1, C, h, w), and on guides (1, s s G, h, w)."""
        device = next(self.network.parameters()).device
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=self.bf16):
            made = self.network.forward_folded(image.expand(-1, 3, -1, -1), folded).float().cpu()
        if not torch.isfinite(made).all():
            raise FloatingPointError
        made = made.clamp(0, 1)
        return made if image.shape[1] == 3 else made.mean(dim=1, keepdim=True)


def inside(bands: Iterator[Tensor], cut: int, height: int, width: int) -> Iterator[Tensor]:
    """Yield the part of bands (B, C, h, W) that begins `cut` pixels from the top and left, `height` x `width` of it."""
    at = -cut
    for band in bands:
        rows = band[..., max(-at, 0) : max(height - at, 0), cut : cut + width]
        at += band.shape[-2]
        if rows.shape[-2]:
            yield rows
        del band, rows  # before the next row of tiles is made, so that only one exists at a time


def without_hidden(image: Tensor, alpha: Tensor) -> Tensor:
    """Give fully transparent pixels of an image (C, H, W) the colour of the nearest pixel that is not."""
    hidden = alpha[0].numpy() == 0
    if not hidden.any() or hidden.all():
        return image
    rows, columns = ndimage.distance_transform_edt(hidden, return_distances=False, return_indices=True)
    return torch.from_numpy(np.ascontiguousarray(image.numpy()[:, rows, columns]))
