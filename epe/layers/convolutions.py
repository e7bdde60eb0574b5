"""3x3 convolutions with replicate padding, and residual blocks built from them.

`SpectralBlock` is the block of the released G-buffer encoder of `hr`, `ScaledBlock` that of `hr_new` (Richter, AlHaija,
Koltun, "Enhancing Photorealism Enhancement", 2021, and their release).

Shapes: B images, C features, H W pixels.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.layers.inplace import add, relu
from epe.layers.spectral_norm import spectral_norm

SMALL = 300_000
"""Elements of a gradient up to which torch's own kernel is faster than some twenty operations on borders."""


class _Padding(torch.autograd.Function):
    """Replicate padding in bfloat16, with the same gradients, to the bit, as autocast, which pads in fp32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, sides: list[int]) -> Tensor:
        ctx.sides, ctx.shape, ctx.strides = sides, x.shape, x.stride()
        return torch.ops.aten.replication_pad2d(x, sides)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        if set(ctx.sides) == {1} and gradient.numel() > SMALL:
            return without_padding(gradient), None
        like = torch.empty_strided(ctx.shape, ctx.strides)  # only its layout is read
        summed = torch.ops.aten.replication_pad2d_backward(gradient.float(), like, ctx.sides)
        return summed.to(gradient.dtype), None


def without_padding(gradient: Tensor) -> Tensor:
    """Return the gradient of replicate padding by 1 pixel: values outside are added to the adjacent border.

    Args:
        gradient: (B, C, H + 2, W + 2), H and W at least 2, of any float type. Sums are taken in fp32, row by row.

    Returns:
        (B, C, H, W) of the same type.
    """
    inside = gradient[..., 1:-1, 1:-1].clone()
    # Two lines, in summation order, and the border line that receives both.
    ends = (0, 1, 0), (-2, -1, -1)
    for first, second, border in ends:
        rows = gradient[..., first, 1:-1].float() + gradient[..., second, 1:-1].float()
        inside[..., border, :] = rows.to(gradient.dtype)
        columns = gradient[..., 1:-1, first].float() + gradient[..., 1:-1, second].float()
        inside[..., :, border] = columns.to(gradient.dtype)
    for upper, lower, y in ends:
        for left, right, x in ends:
            corner, *others = (gradient[..., row, column].float() for row in (upper, lower) for column in (left, right))
            inside[..., y, x] = sum(others, corner).to(gradient.dtype)
    return inside


class ReplicateConv2d(nn.Conv2d):
    """`nn.Conv2d` with replicate padding, so that borders resemble their neighbourhood.

    Autocast on CPUs pads in fp32, with copies to fp32 and back before each convolution, and again before its gradient
    (torch 2.13: six times as long as the padding). Here maps stay in bfloat16; the results are the same to the bit.
    """

    def __init__(
        self, inputs: int, outputs: int, side: int = 3, stride: int = 1, *, groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__(inputs, outputs, side, stride, side // 2, groups=groups, bias=bias, padding_mode="replicate")

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype != torch.bfloat16 or min(x.shape[-2:]) < 2 or not torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            padded = _Padding.apply(x, self._reversed_padding_repeated_twice)  # type: ignore[no-untyped-call]
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def conv3(inputs: int, outputs: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """Return a 3x3 convolution with replicate padding, so that borders resemble their neighbourhood."""
    return ReplicateConv2d(inputs, outputs, stride=stride, bias=bias)


def spectral_conv(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    """Return a `conv3` with spectral normalisation and a bias."""
    return spectral_norm(conv3(inputs, outputs, stride, bias=True))


class SpectralBlock(nn.Module):
    """Residual block of two spectrally normalised convolutions.

    If width or resolution change, the skip connection is a convolution of the same kind, followed by a ReLU.
    """

    def __init__(self, inputs: int, middle: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = spectral_conv(inputs, middle, stride)
        self.second = spectral_conv(middle, outputs)
        changes = stride != 1 or inputs != outputs
        self.skip: nn.Module = nn.Identity()
        if changes:
            self.skip = nn.Sequential(spectral_conv(inputs, outputs, stride), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        return relu(add(self.second(relu(self.first(x))), self.skip(x)))


class ScaledBlock(nn.Module):
    """Residual block without normalisation, its residual scaled by 0.1, from the authors' second network (`hr_new`).

    If width or resolution change, the skip connection is a 1x1 convolution, followed by a leaky ReLU.
    """

    def __init__(self, inputs: int, middle: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = conv3(inputs, middle, stride)
        self.second = conv3(middle, outputs)
        changes = stride != 1 or inputs != outputs
        skip = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.skip = nn.Sequential(skip, nn.LeakyReLU(0.2)) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.second(F.leaky_relu(self.first(x), 0.2)), 0.2)
        return 0.1 * y + self.skip(x)
