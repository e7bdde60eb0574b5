"""Group normalisation (Wu, He, "Group Normalization", 2018) whose statistics are accurate in every memory layout.

torch's own kernel for channels_last on CPUs sums a whole frame in fp32. For 480x270 pixels with mean 5 and deviation 1
its values are off by 5e-4 (torch 2.13), and `hr` has 113 such normalisations.

Frames of few pixels are one pixel in the coarsest maps. torch refuses to normalise a single value; here the result is
0, because the value is its own mean.
"""

import torch
from torch import Tensor, nn


class GroupNorm(nn.GroupNorm):
    """`nn.GroupNorm` for maps (B, C, H, W), with accurate sums in inference on CPUs."""

    def forward(self, x: Tensor) -> Tensor:
        if self.num_channels == self.num_groups and x.shape[-2:].numel() == 1:
            return x - x if self.bias is None else x - x + self.bias[:, None, None]
        if torch.is_grad_enabled() or x.is_contiguous() or x.device.type != "cpu":
            return super().forward(x)
        x = x.float()
        scale, shift = self._terms(x)
        return torch.addcmul(shift[..., None, None], x, scale[..., None, None])

    def _terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return scale and shift of each channel, (B, C); rows are summed in fp32, row sums in fp64."""
        pixels = x.movedim(1, -1)
        count = x[0, 0].numel() * (self.num_channels // self.num_groups)
        mean, square = (
            y.sum(2).double().sum(1).view(len(x), self.num_groups, -1).sum(2, keepdim=True) / count
            for y in (pixels, pixels.square())
        )
        scale = (square - mean * mean + self.eps).rsqrt().expand(-1, -1, self.num_channels // self.num_groups)
        shift = -mean * scale
        scale, shift = scale.flatten(1), shift.flatten(1)
        if self.affine:
            scale, shift = scale * self.weight, shift * self.weight + self.bias
        return scale.float(), shift.float()


class InstanceNorm(nn.InstanceNorm2d):
    """`nn.InstanceNorm2d` for maps (B, C, H, W) of any size, without learned terms."""

    def forward(self, x: Tensor) -> Tensor:
        return x - x if x.shape[-2:].numel() == 1 else super().forward(x)


class Unconditioned(GroupNorm):
    """Group normalisation with learned terms that ignores the map, for networks without G-buffer conditioning."""

    def __init__(self, features: int) -> None:
        super().__init__(8, features)

    def forward(self, x: Tensor, g: Tensor | None = None) -> Tensor:
        return super().forward(x)
