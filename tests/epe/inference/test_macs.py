"""Counted multiply-adds against closed forms and against torch's own counter."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from epe.inference.macs import Macs


def counted(network: Callable[..., object], *inputs: Tensor) -> int:
    with torch.inference_mode(), Macs() as macs:
        network(*inputs)
    return macs.total


def meta(*shape: int) -> Tensor:
    return torch.empty(*shape, device="meta")


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v)


CASES: list[tuple[str, Callable[..., object], tuple[Tensor, ...], int]] = [
    # outputs * kernel * input channels
    ("convolution", nn.Conv2d(8, 16, 3, padding=1, device="meta"), (meta(2, 8, 10, 12),), 2 * 16 * 10 * 12 * 9 * 8),
    ("strided", nn.Conv2d(8, 16, 4, 2, 1, device="meta"), (meta(1, 8, 10, 12),), 16 * 5 * 6 * 16 * 8),
    ("grouped", nn.Conv2d(8, 16, 3, groups=4, device="meta"), (meta(1, 8, 10, 12),), 16 * 8 * 10 * 9 * 2),
    ("1d", nn.Conv1d(4, 6, 5, device="meta"), (meta(1, 4, 20),), 6 * 16 * 5 * 4),
    # inputs * kernel * output channels
    ("transposed", nn.ConvTranspose2d(8, 3, 4, 2, 1, device="meta"), (meta(1, 8, 5, 6),), 8 * 5 * 6 * 16 * 3),
    ("linear", nn.Linear(7, 5, device="meta"), (meta(3, 7),), 3 * 7 * 5),
    ("linear, no bias", nn.Linear(7, 5, bias=False, device="meta"), (meta(2, 4, 7),), 2 * 4 * 7 * 5),
    ("batched product", torch.bmm, (meta(4, 3, 5), meta(4, 5, 2)), 4 * 3 * 5 * 2),
    ("einsum", lambda a, b: torch.einsum("bkhw,kc->bchw", a, b), (meta(2, 6, 3, 4), meta(6, 5)), 2 * 6 * 12 * 5),
    ("attention", attend, (meta(2, 4, 9, 8), meta(2, 4, 11, 8), meta(2, 4, 11, 8)), 2 * 4 * 9 * 11 * (8 + 8)),
    ("nothing to count", nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), (meta(1, 8, 10, 12),), 0),
]


@pytest.mark.parametrize(("network", "inputs", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_closed_forms(network: Callable[..., object], inputs: tuple[Tensor, ...], wanted: int) -> None:
    assert counted(network, *inputs) == wanted


def test_the_same_outside_inference_mode_and_with_real_numbers() -> None:
    network, x = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(2), nn.Linear(16, 5)), torch.rand(1, 3, 6, 6)
    with Macs() as macs:
        network(x)
    assert macs.total == counted(network, x) == 4 * 16 * 9 * 3 + 4 * 16 * 5


def test_real_attention_too() -> None:
    """On a CPU the fused kernel runs, which is another operation than on the meta device."""
    q, k = torch.rand(1, 2, 9, 8), torch.rand(1, 2, 11, 8)
    assert counted(attend, q, k, k) == 2 * 9 * 11 * 16


class Mixed(nn.Module):
    """A bit of everything that the project's networks use."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1, padding_mode="replicate")
        self.down = nn.Conv2d(16, 32, 3, 2, 1, bias=False)
        self.up = nn.ConvTranspose2d(32, 16, 2, 2)
        self.mix = nn.Linear(16, 24)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(x))
        x = F.interpolate(self.up(F.group_norm(self.down(x), 8)), scale_factor=2.0)
        tokens = self.mix(x.flatten(2).transpose(1, 2)).unflatten(-1, (3, 8))
        q, k, v = tokens.unbind(-2)
        return F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])


def test_agrees_with_torchs_counter() -> None:
    with torch.device("meta"):
        network, x = Mixed(), torch.empty(2, 3, 16, 24)
    theirs = FlopCounterMode(display=False)
    with theirs, torch.no_grad():
        network(x)
    assert counted(network, x) == theirs.get_total_flops() / 2
