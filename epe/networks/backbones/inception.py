"""Inception v3 as in the definition of FID: the TensorFlow graph of 2015-12-05, up to its pooled 2048 features.

Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016, sec. 6; Heusel et al., "GANs Trained
by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", 2017, who used this graph. It differs from the
paper's network: average pooling does not count padding, and the last block uses max pooling instead.

Parameters have the names of the published conversion (pytorch-fid, torch-fidelity), so its state dict loads unchanged,
except for the classifier. Shapes: B images, C channels.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 299
WIDTH = 2048
"""Number of features per image."""

Pool = Literal["average", "max", "stride"]
Kernel = tuple[int, int]
Stage = tuple[int, *tuple[Kernel, ...]]
"""Channels, then the kernel; with several kernels, the convolutions read the same input and are concatenated."""

ONE, THREE, FIVE = (1, 1), (3, 3), (5, 5)
ROW3, COLUMN3, ROW7, COLUMN7 = (1, 3), (3, 1), (1, 7), (7, 1)


class Norm(nn.Module):
    """Batch normalisation with given statistics."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=1e-3)


class Convolution(nn.Module):
    """A convolution without bias, followed by normalisation and ReLU.

    Args:
        before, width: channels of input and result.
        kernel: size of the kernel.
        shrink: use stride 2, without padding.
        padded: keep the size by padding with zeros.
    """

    def __init__(self, before: int, width: int, kernel: Kernel, *, shrink: bool = False, padded: bool = True) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2) if padded and not shrink else (0, 0)
        self.conv = nn.Conv2d(before, width, kernel, 2 if shrink else 1, padding, bias=False)
        self.bn = Norm(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Mixed(nn.Module):
    """Parallel branches over the same input, whose results are concatenated; the last branch pools.

    Args:
        before: channels of the input.
        branches: consecutive stages of each branch, by name. Stages keep the size of the map, apart from `pool`.
        pool: 3 x 3 pooling: "average" and "max" keep the size and are followed by a convolution; "stride" is max
            pooling with stride 2, and then the last stage of each branch also has stride 2, without padding.
        pooled: channels of the convolution after the pooling; 0: no convolution.

    Attributes:
        width: channels of the result.
    """

    def __init__(self, before: int, branches: Mapping[str, Sequence[Stage]], pool: Pool, pooled: int = 0) -> None:
        super().__init__()
        self.pool = pool
        self.names: list[list[list[str]]] = []
        """Names of the parallel convolutions of each branch and stage."""
        self.width = pooled or before
        for branch, stages in branches.items():
            width, found = before, []
            for i, (channels, *kernels) in enumerate(stages, 1):
                number = f"_{i}" if len(stages) > 1 else ""
                names = [f"{branch}{number}{'ab'[k] if len(kernels) > 1 else ''}" for k in range(len(kernels))]
                shrink = pool == "stride" and i == len(stages)
                for name, kernel in zip(names, kernels, strict=True):
                    self.add_module(name, Convolution(width, channels, kernel, shrink=shrink))
                width = channels * len(kernels)
                found.append(names)
            self.names.append(found)
            self.width += width
        if pooled:
            self.branch_pool = Convolution(before, pooled, ONE)

    def forward(self, x: Tensor) -> Tensor:
        found = []
        for stages in self.names:
            y = x
            for names in stages:
                parts = [self.get_submodule(name)(y) for name in names]
                y = torch.cat(parts, 1)
            found.append(y)
        return torch.cat([*found, self._pooled(x)], 1)

    def _pooled(self, x: Tensor) -> Tensor:
        if self.pool == "stride":
            return F.max_pool2d(x, 3, 2)
        if self.pool == "max":
            return self.branch_pool(F.max_pool2d(x, 3, 1, 1))
        return self.branch_pool(F.avg_pool2d(x, 3, 1, 1, count_include_pad=False))


def block_35(before: int, pooled: int) -> Mixed:
    """Return a block for maps of 35 x 35 (fig. 5 of the paper)."""
    branches: dict[str, list[Stage]] = {
        "branch1x1": [(64, ONE)],
        "branch5x5": [(48, ONE), (64, FIVE)],
        "branch3x3dbl": [(64, ONE), (96, THREE), (96, THREE)],
    }
    return Mixed(before, branches, "average", pooled)


def reduction_35(before: int) -> Mixed:
    """Return the block that reduces maps of 35 x 35 to 17 x 17."""
    branches: dict[str, list[Stage]] = {
        "branch3x3": [(384, THREE)],
        "branch3x3dbl": [(64, ONE), (96, THREE), (96, THREE)],
    }
    return Mixed(before, branches, "stride")


def block_17(before: int, inner: int) -> Mixed:
    """Return a block for maps of 17 x 17 (fig. 6 of the paper)."""
    branches: dict[str, list[Stage]] = {
        "branch1x1": [(192, ONE)],
        "branch7x7": [(inner, ONE), (inner, ROW7), (192, COLUMN7)],
        "branch7x7dbl": [(inner, ONE), (inner, COLUMN7), (inner, ROW7), (inner, COLUMN7), (192, ROW7)],
    }
    return Mixed(before, branches, "average", 192)


def reduction_17(before: int) -> Mixed:
    """Return the block that reduces maps of 17 x 17 to 8 x 8."""
    branches: dict[str, list[Stage]] = {
        "branch3x3": [(192, ONE), (320, THREE)],
        "branch7x7x3": [(192, ONE), (192, ROW7), (192, COLUMN7), (192, THREE)],
    }
    return Mixed(before, branches, "stride")


def block_8(before: int, pool: Pool) -> Mixed:
    """Return a block for maps of 8 x 8 (fig. 7 of the paper)."""
    branches: dict[str, list[Stage]] = {
        "branch1x1": [(320, ONE)],
        "branch3x3": [(384, ONE), (384, ROW3, COLUMN3)],
        "branch3x3dbl": [(448, ONE), (384, THREE), (384, ROW3, COLUMN3)],
    }
    return Mixed(before, branches, pool, 192)


class Inception(nn.Module):
    """Inception v3 without its classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Convolution(3, 32, THREE, shrink=True)
        self.Conv2d_2a_3x3 = Convolution(32, 32, THREE, padded=False)
        self.Conv2d_2b_3x3 = Convolution(32, 64, THREE)
        self.Conv2d_3b_1x1 = Convolution(64, 80, ONE)
        self.Conv2d_4a_3x3 = Convolution(80, 192, THREE, padded=False)
        self.Mixed_5b = block_35(192, 32)
        self.Mixed_5c = block_35(256, 64)
        self.Mixed_5d = block_35(288, 64)
        self.Mixed_6a = reduction_35(288)
        self.Mixed_6b = block_17(768, 128)
        self.Mixed_6c = block_17(768, 160)
        self.Mixed_6d = block_17(768, 160)
        self.Mixed_6e = block_17(768, 192)
        self.Mixed_7a = reduction_17(768)
        self.Mixed_7b = block_8(1280, "average")
        self.Mixed_7c = block_8(WIDTH, "max")

    def forward(self, image: Tensor) -> Tensor:
        """Return the pooled features of images.

        Args:
            image: (B, 3, 299, 299), sRGB in [0, 1], resized by `bilinear` of epe/networks/backbones/resize.py.
                Normalised inside, so that 128 of 255 becomes 0.

        Returns:
            (B, 2048), not negative.

        Raises:
            ValueError: the images have another size.
        """
        if image.shape[1:] != (3, SIDE, SIDE):
            raise ValueError(f"Inception wants (B, 3, {SIDE}, {SIDE}), got {tuple(image.shape)}.")
        x = self.Conv2d_1a_3x3((image * 255 - 128) / 128)
        x = F.max_pool2d(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(x)), 3, 2)
        x = F.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)), 3, 2)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return x.mean((2, 3))
