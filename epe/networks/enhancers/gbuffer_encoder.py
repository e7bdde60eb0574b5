"""The G-buffer encoder: computes the features that condition the enhancer, one map per scale.

Richter, AlHaija, Koltun, "Enhancing Photorealism Enhancement", 2021, sec. 3.2: every semantic class has its own
stream, the streams are merged by the class masks, and a chain of residual blocks brings the merged features to the
enhancer's scales.

Shapes: B images, G G-buffer channels, K classes, E encoded channels, H W pixels.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from epe.inference.bands import in_bands
from epe.layers.classes import rectangles, soft_masks
from epe.layers.convolutions import SpectralBlock

# Radius of a class stream's receptive field in pixels: two blocks of two 3x3 convolutions. A joint step has the same
# radius, in pixels of its result.
REACH = 4
# Side in pixels of the cells in which a class stream is run or skipped. Small cells follow class outlines better; large
# ones repeat less work around their borders.
CELL = 32


class GBufferEncoder(nn.Module):
    """Class streams, merged by the masks, followed by one residual step per scale.

    Args:
        stream_channels: indices of the G-buffer channels that each class stream reads. The sky, for example, has no
            albedo: restricting its channels keeps its stream from learning noise.
        stream_width: channels inside the streams (64 in the release).
        encoded: channels of the result (128 in the release).
        scales: number of maps; map i has 1 / 2^i of the resolution.
        block: `SpectralBlock` or `ScaledBlock`.
    """

    def __init__(
        self,
        stream_channels: Sequence[Sequence[int]],
        stream_width: int,
        encoded: int,
        scales: int,
        block: Callable[..., nn.Module] = SpectralBlock,
    ) -> None:
        super().__init__()
        self.channels, self.encoded = tuple(tuple(stream) for stream in stream_channels), encoded
        self.streams = nn.ModuleList(
            nn.Sequential(
                block(len(stream), stream_width, stream_width),
                block(stream_width, stream_width, encoded),
            )
            for stream in self.channels
        )
        self.joint = nn.ModuleList(
            nn.Sequential(
                block(encoded, encoded, encoded, stride=1 if scale == 0 else 2),
                block(encoded, encoded, encoded),
            )
            for scale in range(scales)
        )

    def forward(self, gbuffers: Tensor, classes: Tensor) -> list[Tensor]:
        """Encode G-buffers.

        Args:
            gbuffers: (B, G, H, W), normalised per channel.
            classes: ids (B, H, W), where K means no class, or soft masks (B, K, H, W).

        Returns:
            One map per scale, (B, E, H / 2^i, W / 2^i), rounded up.
        """
        x = self._merged(gbuffers, classes)
        scales = []
        for step in self.joint:
            x = step(x)
            scales.append(x)
        return scales

    def in_bands(self, gbuffers: Tensor, classes: Tensor, pixels: int) -> list[Tensor]:
        """Return the same as `forward`, computed in bands of rows with `pixels` pixels each."""

        def first(g: Tensor, ids: Tensor) -> Tensor:
            return self.joint[0](self._merged(g.contiguous(memory_format=torch.channels_last), ids))

        scales = [in_bands(first, [gbuffers, classes], pixels, 2 * REACH)]
        for step in self.joint[1:]:
            scales.append(in_bands(step, [scales[-1]], pixels, REACH, stride=2))
        return scales

    def _merged(self, gbuffers: Tensor, classes: Tensor) -> Tensor:
        if classes.ndim == 3 and not torch.is_grad_enabled():
            return self._routed(gbuffers, classes)
        return self._everywhere(gbuffers, soft_masks(classes, len(self.streams)).to(gbuffers.dtype))

    def _everywhere(self, gbuffers: Tensor, masks: Tensor) -> Tensor:
        """Run every stream on every pixel, and sum the results weighted by the masks (B, K, H, W)."""
        merged: Tensor | float = 0.0
        for index, (stream, channels) in enumerate(zip(self.streams, self.channels, strict=True)):
            # The mask keeps its channel axis; otherwise batches above 1 would broadcast wrongly.
            merged = merged + masks[:, index : index + 1] * stream(gbuffers[:, list(channels)])
        assert isinstance(merged, Tensor)  # there is at least one class
        return merged

    def _routed(self, gbuffers: Tensor, classes: Tensor) -> Tensor:
        """Compute the same from ids (B, H, W), running each stream only around pixels of its class.

        A stream is run on a rectangle enlarged by `REACH` pixels on each side. Inside the frame, replicate padding at
        the rectangle's border gives wrong values, but only within `REACH` pixels, which are cropped off.
        """
        height, width = classes.shape[-2:]
        merged: Tensor | None = None
        for image, (g, ids) in enumerate(zip(gbuffers, classes, strict=True)):
            for index, found in enumerate(rectangles(ids, len(self.streams), CELL)):
                for top, bottom, left, right in found:
                    up, low = max(top - REACH, 0), min(bottom + REACH, height)
                    west, east = max(left - REACH, 0), min(right + REACH, width)
                    part = g[None, list(self.channels[index]), up:low, west:east]
                    out = self.streams[index](part)[0, :, top - up : bottom - up, left - west : right - west]
                    if merged is None:
                        shape = (len(classes), self.encoded, height, width)
                        merged = out.new_zeros(shape).contiguous(memory_format=torch.channels_last)
                    own = ids[top:bottom, left:right] == index
                    merged[image, :, top:bottom, left:right] += out * own
        return gbuffers.new_zeros(len(classes), self.encoded, height, width) if merged is None else merged
