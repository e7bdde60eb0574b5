"""Random weights of published feature networks, under the names of the published files."""

import torch
from torch import Tensor

from epe.networks.backbones.inception import Inception


def random_inception() -> dict[str, Tensor]:
    """A file of Inception as pytorch-fid and torch-fidelity publish it: with the classifier, every norm at work."""
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        outline = Inception().state_dict()

    def draw(name: str, value: Tensor) -> Tensor:
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith("conv.weight"):
            return noise * (2 / value[0].numel()) ** 0.5
        return 1 + 0.1 * noise.abs() if name.endswith(("bn.weight", "running_var")) else 0.1 * noise

    state = {name: draw(name, value) for name, value in outline.items()}
    return state | {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
