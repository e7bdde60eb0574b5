"""Small RealFormers whose every part matters, inputs, and the calls of their modules."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from epe.networks.enhancers.realformer_v1 import PRESETS as V1
from epe.networks.enhancers.realformer_v1 import RealFormerV1, RealFormerV1Spec
from epe.networks.enhancers.realformer_v2 import PRESETS as V2
from epe.networks.enhancers.realformer_v2 import RealFormerV2, RealFormerV2Spec

Spec = RealFormerV1Spec | RealFormerV2Spec
# Small ones of v1_1, v1_2, v1_3 and v2_1.
TINY = RealFormerV1Spec(**V1["realformer-v1-tiny"])
SMALL: dict[str, Spec] = {
    "v1_1": TINY,
    "v1_2": replace(TINY, location=False, mlp=False, decoder_style=False),
    "v1_3": replace(RealFormerV1Spec(**V1["realformer-v1_3"]), width=24, windows=2, hidden=32, window=4),
    "v2_1": RealFormerV2Spec(**V2["realformer-v2-tiny"]),
}


def made(spec: Spec) -> RealFormerV1 | RealFormerV2:
    torch.manual_seed(6)
    return RealFormerV1(spec) if isinstance(spec, RealFormerV1Spec) else RealFormerV2(spec)


def trained(spec: Spec) -> RealFormerV1 | RealFormerV2:
    """A network whose every part matters."""
    network = made(spec).eval()
    drawn = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for value in (*network.parameters(), network.kept_style):
            value.add_(0.05 * torch.randn(value.shape, generator=drawn))
    return network


def inputs(batch: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    drawn = torch.Generator().manual_seed(3)
    image = torch.rand(batch, 3, height, width, generator=drawn)
    return image, torch.randn(batch, 5, height, width, generator=drawn), torch.zeros(batch, height, width).long()


def unmoved(network: RealFormerV1 | RealFormerV2) -> set[str]:
    """Parameters that a step of training on two images would leave as they are."""
    network, (image, *rest) = network.double().train(), inputs(2, 24, 40)
    image = image.double()
    out = network(image, *rest, style=network.encode_style(image.flip(-1)))
    (out * image.flip(-1)).sum().backward()
    # fp64: others have 1e-6 and more.
    return {name for name, p in network.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-9}


class Calls(NamedTuple):
    """What some modules were given and what they made of it, call by call."""

    taken: list[tuple[Any, ...]]
    given: list[Any]


def recorded(modules: Iterable[nn.Module]) -> Calls:
    """The calls of some modules from now on."""
    calls = Calls([], [])

    def note(module: nn.Module, taken: tuple[Any, ...], given: Any) -> None:
        calls.taken.append(taken)
        calls.given.append(given)

    for module in modules:
        module.register_forward_hook(note)
    return calls
