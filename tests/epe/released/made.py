"""Networks of the released kinds in small, and checkpoints of theirs with made-up weights."""

import zlib

import torch
from torch import Tensor

from epe.models import outline
from epe.networks.enhancers.enhancer import Enhancer, EnhancerSpec
from epe.released.enhancer import names

TINY = {"stages": 3, "rad_layers": 1}


def bare(spec: EnhancerSpec) -> Enhancer:
    network = outline("epe", spec.as_dict())
    assert isinstance(network, Enhancer)
    return network


def shapes(network: Enhancer) -> dict[str, torch.Size]:
    """Theirs."""
    ours = network.state_dict()
    return {theirs: ours[name].shape for name, theirs in names(network).items()}


def weights(wanted: dict[str, torch.Size]) -> dict[str, Tensor]:
    """A checkpoint: values seeded by the names, stored singular vectors near enough to give sensible norms."""
    made = {}
    for name, shape in wanted.items():
        values = torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(f"network.{name}".encode())))
        made[name] = values * shape[1:].numel() ** -0.5 if len(shape) > 1 else 0.2 * values
    for name in [name for name in made if name.endswith("weight_orig")]:
        stem = name.removesuffix("orig")
        v = torch.nn.functional.normalize(made[f"{stem}v"], dim=0)
        made[f"{stem}v"] = v
        made[f"{stem}u"] = torch.nn.functional.normalize(made[name].flatten(1) @ v, dim=0)
    return made


def tiny(conditioning: str) -> EnhancerSpec:
    blocks = {"rad": 4, "rac": 3}[conditioning]
    return EnhancerSpec(3, ((1, 2), (0, 1, 2)), **TINY, blocks=blocks, conditioning=conditioning)


def frame() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    size = (1, 13, 18)
    image, gbuffers = torch.rand(1, 3, 13, 18, generator=generator), torch.randn(1, 3, 13, 18, generator=generator)
    return image, gbuffers, torch.randint(2, size, generator=generator)
