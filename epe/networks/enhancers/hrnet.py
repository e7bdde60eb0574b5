"""The image stream: HRNet, i.e. parallel branches at several resolutions, with every block conditioned.

Wang et al., "Deep High-Resolution Representation Learning for Visual Recognition", 2020, here with a stem that keeps
the full resolution, as in Richter, AlHaija, Koltun, "Enhancing Photorealism Enhancement", 2021, sec. 3.1.

Shapes: B images, E channels of the conditioning maps, H W pixels; branch i has 2^i * C channels at 1 / 2^i of the
resolution.
"""

import itertools
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.layers.convolutions import conv3
from epe.layers.group_norm import GroupNorm
from epe.layers.inplace import add, relu
from epe.layers.rad import Map

Conditioner = Callable[[int], nn.Module]
"""Builds the conditioning module for image features of a given width (epe/layers/rad.py)."""


def resize(x: Tensor, like: Tensor) -> Tensor:
    """Resize bilinearly to the height and width of `like`; explicit sizes also work for odd ones."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


class ConditionedBlock(nn.Module):
    """HRNet's basic residual block, with conditioning modules instead of its normalisations (`hr`)."""

    def __init__(self, width: int, conditioner: Conditioner) -> None:
        super().__init__()
        self.conv1 = conv3(width, width)
        self.rad1 = conditioner(width)
        self.conv2 = conv3(width, width)
        self.rad2 = conditioner(width)

    def forward(self, x: Tensor, g: Map) -> Tensor:
        y = relu(self.rad1(self.conv1(x), g))
        return relu(add(self.rad2(self.conv2(y), g), x))


class PlainBlock(nn.Module):
    """Residual block without normalisation, conditioned once, with its residual scaled by 0.1 (`hr_new`)."""

    def __init__(self, width: int, conditioner: Conditioner) -> None:
        super().__init__()
        self.conv1 = conv3(width, width, bias=True)
        self.rac = conditioner(width)
        self.conv2 = conv3(width, width, bias=True)

    def forward(self, x: Tensor, g: Map) -> Tensor:
        return x + 0.1 * self.conv2(relu(self.rac(self.conv1(x), g)))


class Variant:
    """The differences between `hr` and `hr_new`.

    Args:
        normalised: True for group normalisation after convolutions, which then have no bias, and `ConditionedBlock`s
            (`hr`); False for no normalisation, and `PlainBlock`s (`hr_new`).
    """

    def __init__(self, normalised: bool) -> None:
        self.normalised = normalised
        self.block: Callable[[int, Conditioner], nn.Module] = ConditionedBlock if normalised else PlainBlock

    def norm(self, width: int) -> nn.Module:
        """Return the normalisation after a convolution."""
        return GroupNorm(8, width) if self.normalised else nn.Identity()

    def conv(self, inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
        """Return the convolution before a `norm`."""
        return conv3(inputs, outputs, stride, bias=not self.normalised)

    def transition(self, inputs: int, outputs: int) -> nn.Sequential:
        """Return the transition to a new branch at half the resolution; as in the release, `hr` pads it with zeros."""
        conv = (
            nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False) if self.normalised else conv3(inputs, outputs, 2, bias=True)
        )
        return nn.Sequential(conv, self.norm(outputs), nn.ReLU(inplace=True))

    def exchange(self, source: int, target: int, widths: Sequence[int]) -> nn.Module:
        """Return the path from branch `source` to branch `target`: strided convolutions if coarser, 1x1 if finer."""
        if source == target:
            return nn.Identity()
        wide, wanted = widths[source], widths[target]
        if source > target:
            return nn.Sequential(nn.Conv2d(wide, wanted, 1, bias=not self.normalised), self.norm(wanted))
        steps: list[nn.Module] = []
        for _ in range(target - source - 1):
            steps += [self.conv(wide, wide, stride=2), self.norm(wide), nn.ReLU(inplace=True)]
        return nn.Sequential(*steps, self.conv(wide, wanted, stride=2), self.norm(wanted))


class Branch(nn.Module):
    """The blocks of one stage at one scale."""

    def __init__(self, blocks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, g: Map) -> Tensor:
        for block in self.blocks:
            x = block(x, g)
        return x


class Fusion(nn.Module):
    """Gives every branch the sum of all branches, each converted to the branch's scale and width."""

    def __init__(self, widths: Sequence[int], variant: Variant) -> None:
        super().__init__()
        count = range(len(widths))
        self.paths = nn.ModuleList(nn.ModuleList(variant.exchange(j, i, widths) for j in count) for i in count)

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        fused = []
        for own, paths in zip(branches, self.paths, strict=True):
            total = own
            for path, branch in zip(paths, branches, strict=True):  # type: ignore[call-overload]
                if branch is not own:
                    total = add(resize(path(branch), own), total)
            fused.append(relu(total))
        return fused


class Head(nn.Module):
    """Merges the branches one by one, from the coarsest to the finest, then outputs three channels."""

    def __init__(self, widths: Sequence[int], variant: Variant) -> None:
        super().__init__()
        self.merge = nn.ModuleList(
            nn.Sequential(conv3(fine + coarse, fine, bias=True), variant.norm(fine), nn.LeakyReLU(0.2, inplace=True))
            for fine, coarse in reversed(list(itertools.pairwise(widths)))
        )
        self.out = conv3(widths[0], 3, bias=True)

    def forward(self, branches: list[Tensor]) -> Tensor:
        x = branches[-1]
        for merge, finer in zip(self.merge, reversed(branches[:-1]), strict=True):
            x = merge(torch.cat([resize(x, finer), finer], dim=1))
        return self.out(x)


class HRNet(nn.Module):
    """Stages of parallel branches; each stage adds a branch at half the resolution.

    Args:
        inputs: channels of the image and of everything concatenated with it.
        width: channels of the finest branch, a multiple of 8.
        stages: number of stages; stage s has s branches.
        blocks: residual blocks per branch and stage.
        variant: the variant of `hr` or `hr_new`.
        conditioner: builds the conditioning modules of a block.
    """

    def __init__(
        self, inputs: int, width: int, stages: int, blocks: int, variant: Variant, conditioner: Conditioner
    ) -> None:
        super().__init__()
        widths = [width * 2**i for i in range(stages)]
        self.stem = nn.Sequential(
            *(conv3(inputs, width), variant.norm(width), nn.ReLU(inplace=True)),
            *(conv3(width, width), variant.norm(width), nn.ReLU(inplace=True)),
        )
        self.transitions = nn.ModuleList(
            variant.transition(fine, coarse) for fine, coarse in itertools.pairwise(widths)
        )
        self.stages = nn.ModuleList(
            nn.ModuleList(Branch([variant.block(w, conditioner) for _ in range(blocks)]) for w in widths[: s + 1])
            for s in range(stages)
        )
        self.fusions = nn.ModuleList(Fusion(widths[: s + 1], variant) for s in range(1, stages))
        self.head = Head(widths, variant)

    def forward(self, image: Tensor, maps: Sequence[Map]) -> Tensor:
        """Return (B, 3, H, W) for an image (B, inputs, H, W) and the conditioning map of each scale."""
        branches = [self.stem(image)]
        for s, stage in enumerate(self.stages):
            if s > 0:
                branches.append(self.transitions[s - 1](branches[-1]))
            branches = [b(x, g) for b, x, g in zip(stage, branches, maps, strict=False)]  # type: ignore[call-overload]
            if s > 0:
                branches = self.fusions[s - 1](branches)
        return self.head(branches)
