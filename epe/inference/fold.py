"""Networks for inference: what is the same at every call is computed once, and less memory is passed over."""

import copy
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

Network = TypeVar("Network", bound=nn.Module)


def fold(network: Network) -> Network:
    """A copy in evaluation mode whose weights are plain: spectral norms are carried out.

    It gives the same values, and cannot be trained on: what it was folded from is gone.

    Raises:
        TypeError: weights of something else than a convolution are computed.
    """
    folded = copy.deepcopy(network).eval()
    for path, module in list(folded.named_modules()):
        if parametrize.is_parametrized(module):
            # Not torch's `remove_parametrizations`: copies share the class that it changes.
            folded.set_submodule(path, plain(module), strict=True)
    return folded.requires_grad_(False)


@torch.no_grad()
def plain(module: nn.Module) -> nn.Conv2d:
    """A convolution with the weights that another has computed."""
    if not isinstance(module, nn.Conv2d):
        raise TypeError(f"can fold convolutions, not a {type(module).__name__}")
    with torch.device("meta"):
        conv = nn.Conv2d(
            module.in_channels,
            module.out_channels,
            module.kernel_size,  # type: ignore[arg-type]
            module.stride,  # type: ignore[arg-type]
            module.padding,  # type: ignore[arg-type]
            module.dilation,  # type: ignore[arg-type]
            module.groups,
            module.bias is not None,
            module.padding_mode,
        )
    conv.weight = nn.Parameter(module.weight.clone())
    conv.bias = module.bias
    return conv.eval()


class BorderConv(nn.Conv2d):
    """A 3x3 convolution that repeats the border, without the enlarged copy of its input that torch makes for it.

    It pads with zeros, which costs nothing, and then computes the outermost row or column of each side again. The
    sums are the same; their order, and so the last bit of a number, may not be.
    """

    def forward(self, x: Tensor) -> Tensor:
        if min(x.shape[-2:]) < 2:
            return super().forward(x)
        out = F.conv2d(x, self.weight, self.bias, 1, 1)
        # Two rows above another, the upper one repeated: all that the first row of the result is made of.
        out[..., :1, :] = self._valid(x[..., :2, :], (1, 1, 1, 0))
        out[..., -1:, :] = self._valid(x[..., -2:, :], (1, 1, 0, 1))
        out[..., :1] = self._valid(x[..., :2], (1, 0, 1, 1))
        out[..., -1:] = self._valid(x[..., -2:], (0, 1, 1, 1))
        return out

    def _valid(self, strip: Tensor, sides: tuple[int, int, int, int]) -> Tensor:
        return F.conv2d(F.pad(strip, sides, mode="replicate"), self.weight, self.bias)


def without_copies(folded: Network) -> Network:
    """Change a folded network so that its convolutions do not copy their inputs; in place."""
    for path, module in list(folded.named_modules()):
        if type(module) is nn.Conv2d and takes_border(module):
            folded.set_submodule(path, bordered(module), strict=True)
    return folded


def takes_border(conv: nn.Conv2d) -> bool:
    """Whether it is what `BorderConv` does."""
    sizes = (conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups)
    return conv.padding_mode == "replicate" and sizes == ((3, 3), (1, 1), (1, 1), (1, 1), 1)


def bordered(conv: nn.Conv2d) -> BorderConv:
    """The same weights."""
    with torch.device("meta"):
        made = BorderConv(conv.in_channels, conv.out_channels, 3, 1, 1, bias=False, padding_mode="replicate")
    made.weight, made.bias = conv.weight, conv.bias
    return made.eval()
