"""Folding networks for inference: constants are computed once, and convolutions move less memory."""

import copy
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

Network = TypeVar("Network", bound=nn.Module)


def fold(network: Network) -> Network:
    """Return a copy in evaluation mode with plain weights, divided once by their spectral norms.

    The copy gives the same values, but cannot be trained further, because the parametrisation is gone.

    Raises:
        TypeError: a module other than a convolution is parametrised.
    """
    folded = copy.deepcopy(network).eval()
    for path, module in list(folded.named_modules()):
        if parametrize.is_parametrized(module):
            # torch's `remove_parametrizations` would change the class, which copies share with the original.
            folded.set_submodule(path, plain(module), strict=True)
    return folded.requires_grad_(False)


@torch.no_grad()
def plain(module: nn.Module) -> nn.Conv2d:
    """Return a plain convolution with the weights that a parametrised one computes."""
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
    """A 3x3 convolution with replicate padding, without the padded copy of its input that torch makes.

    It pads with zeros, which costs nothing, and then recomputes the outermost row or column on each side. The sums
    are the same, but their order may differ, and with it the last bit of a result.
    """

    def forward(self, x: Tensor) -> Tensor:
        if min(x.shape[-2:]) < 2:
            return super().forward(x)
        out = F.conv2d(x, self.weight, self.bias, 1, 1)
        # The first row of the result depends only on the first two rows of the input, the upper one repeated.
        out[..., :1, :] = self._valid(x[..., :2, :], (1, 1, 1, 0))
        out[..., -1:, :] = self._valid(x[..., -2:, :], (1, 1, 0, 1))
        out[..., :1] = self._valid(x[..., :2], (1, 0, 1, 1))
        out[..., -1:] = self._valid(x[..., -2:], (0, 1, 1, 1))
        return out

    def _valid(self, strip: Tensor, sides: tuple[int, int, int, int]) -> Tensor:
        return F.conv2d(F.pad(strip, sides, mode="replicate"), self.weight, self.bias)


def without_copies(folded: Network) -> Network:
    """Use `BorderConv`, in place, for all convolutions of a folded network that would copy their inputs."""
    for path, module in list(folded.named_modules()):
        if isinstance(module, nn.Conv2d) and not isinstance(module, BorderConv) and takes_border(module):
            folded.set_submodule(path, bordered(module), strict=True)
    return folded


def takes_border(conv: nn.Conv2d) -> bool:
    """Return whether `BorderConv` can replace a convolution: 3x3, stride 1, replicate padding."""
    sizes = (conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups)
    return conv.padding_mode == "replicate" and sizes == ((3, 3), (1, 1), (1, 1), (1, 1), 1)


def bordered(conv: nn.Conv2d) -> BorderConv:
    """Return a `BorderConv` with the weights of a convolution."""
    with torch.device("meta"):
        made = BorderConv(conv.in_channels, conv.out_channels, 3, 1, 1, bias=False, padding_mode="replicate")
    made.weight, made.bias = conv.weight, conv.bias
    return made.eval()
