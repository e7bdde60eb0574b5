"""Transformers in small, and first stages that need no training: a block's code is its brightness, or its class."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.first_stage import Content
from epe.models import Model, save
from epe.networks.codes.gpt import GPT, GPTSpec


def tiny(double: bool = False, **sizes: Any) -> GPT:
    """A transformer whose codes all depend on each other: its weights are much larger than those of the start."""
    spec = GPTSpec(**({"codes": 7, "context": 32, "layers": 2, "width": 16, "heads": 2, "side": 4} | sizes))
    torch.manual_seed(0)
    network = GPT(spec).eval()
    for parameter in network.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.5)
    return network.double() if double else network


def generators(count: int, seed: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed + i) for i in range(count)]


def codes_of(*shape: int, codes: int = 7, seed: int = 0) -> Tensor:
    return torch.randint(codes, shape, generator=torch.Generator().manual_seed(seed))


@dataclass(frozen=True)
class BlocksSpec:
    codes: int = 8
    channels: int = 3
    content: Content = "image"
    side: int = 4


class Blocks(nn.Module):
    """In the place of a VQGAN: encodes blocks of 4 x 4 pixels by their mean, or by their most frequent class."""

    kind = "vqgan"

    def __init__(self, spec: BlocksSpec) -> None:
        super().__init__()
        self.spec, self.factor = spec, spec.side
        self.register_buffer("levels", torch.linspace(0, 1, spec.codes))
        self.levels: Tensor

    def encode(self, image: Tensor) -> Tensor:
        assert image.shape[1] == self.spec.channels
        mean = F.avg_pool2d(image, self.factor)
        if self.spec.content == "classes":
            return mean.argmax(1)
        if self.spec.content == "buffers":  # deviations from the mean
            mean = (mean / 4 + 0.5).clamp(0, 1)
        assert 0 <= mean.min() <= mean.max() <= 1
        return (mean.mean(1) * (self.spec.codes - 1)).round().long()

    def decode(self, codes: Tensor) -> Tensor:
        if self.spec.content == "classes":
            found = 9 * F.one_hot(codes.clamp(max=self.spec.channels - 1), self.spec.channels).movedim(-1, 1).float()
        else:
            found = self.levels[codes][:, None].expand(-1, self.spec.channels, -1, -1)
        return found.repeat_interleave(self.factor, -1).repeat_interleave(self.factor, -2)


def build_blocks(spec: dict[str, Any]) -> Blocks:
    return Blocks(BlocksSpec(**spec))


def write_blocks(path: Path, spec: BlocksSpec = BlocksSpec(), **facts: Any) -> Path:
    """A model file of one; `facts` are further attributes of `Model`. The kind has to stand in the table."""
    save(Model(Blocks(spec), Blocks.kind, asdict(spec), **facts), path)
    return path
